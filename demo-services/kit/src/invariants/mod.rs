//! What must always hold, looked at while the shop runs: each service checks its own database, over a connection of its
//! own that only reads, and tells the collector what it finds. Nothing waits for a check, and nothing follows from one.
//!
//! `watch` takes the looks and `telling` says what is new about them; the other files hold the checks that concern the
//! tables of the kit. What concerns a business stands in its service.

mod keys;
mod outbox;
mod positions;
mod read_models;
mod sagas;
mod streams;
mod telling;
mod watch;

use std::fmt;

use rusqlite::Connection;
use sagascope_conventions::Invariant;
use sagascope_conventions::invariants::MOST_VIOLATIONS;

use crate::database::DatabaseError;

pub use keys::answers_are_whole;
pub use outbox::{nothing_is_overtaken, told_is_what_happened};
pub use positions::{Best, read_models_only_go_on};
pub use read_models::{Sampled, rows_are_the_fold};
pub use sagas::{compensations_are_complete, sagas_move_on};
pub use streams::{events_happen_once, versions_are_whole};
pub use watch::{Pace, Watch};

/// When a look is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Unix nanoseconds.
    pub now: u64,
    /// Since when this process looks: what came to a halt before was halted by a stop of the process.
    pub since: u64,
}

type Look = dyn FnMut(&Connection, Moment) -> Result<Vec<String>, DatabaseError> + Send;

/// One thing to look at. Several may stand for the same invariant.
pub struct Check {
    invariant: Invariant,
    look: Box<Look>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("invariant", &self.invariant)
            .finish_non_exhaustive()
    }
}

impl Check {
    /// A check that is a function of the database alone: it answers the violations, each with ids and numbers.
    #[must_use]
    pub fn new(invariant: Invariant, look: fn(&Connection) -> Result<Vec<String>, DatabaseError>) -> Self {
        Self::with(invariant, move |conn, _| look(conn))
    }

    /// One that also needs the time, or remembers what it saw.
    #[must_use]
    pub fn with<F>(invariant: Invariant, look: F) -> Self
    where
        F: FnMut(&Connection, Moment) -> Result<Vec<String>, DatabaseError> + Send + 'static,
    {
        Self {
            invariant,
            look: Box::new(look),
        }
    }

    /// What it stands for.
    #[must_use]
    pub const fn invariant(&self) -> Invariant {
        self.invariant
    }

    /// One look at one moment of the database.
    ///
    /// # Errors
    /// When the database fails, or takes too long.
    pub fn look(&mut self, conn: &Connection, at: Moment) -> Result<Vec<String>, DatabaseError> {
        let snapshot = conn.unchecked_transaction()?;
        let mut found = (self.look)(&snapshot, at)?;
        found.truncate(MOST_VIOLATIONS);
        Ok(found)
    }
}

/// The first column of each row, up to as many as are counted.
///
/// # Errors
/// When the database fails.
pub fn texts(conn: &Connection, sql: &str) -> Result<Vec<String>, DatabaseError> {
    let mut query = conn.prepare_cached(sql)?;
    let texts = query.query_map([], |row| row.get(0))?.take(MOST_VIOLATIONS);
    Ok(texts.collect::<Result<_, _>>()?)
}

pub mod testing {
    //! Databases that are broken by hand, for the tests of checks.
    use rusqlite::Connection;

    use super::{Check, Moment};

    /// Some time after the watch began.
    pub const LATER: Moment = Moment {
        now: 1_000_000_000_000,
        since: 0,
    };

    /// A database in memory with these tables, which guard nothing.
    ///
    /// # Panics
    /// When they cannot be made.
    #[must_use]
    pub fn made(tables: &str) -> Connection {
        let conn = Connection::open_in_memory().expect("opens");
        conn.execute_batch(tables).expect("made");
        conn
    }

    /// What one look finds.
    ///
    /// # Panics
    /// When it cannot be looked.
    pub fn found(check: &mut Check, conn: &Connection) -> Vec<String> {
        check.look(conn, LATER).expect("looks")
    }

    /// Silent on the sound database, the checks say this of the broken one.
    ///
    /// # Panics
    /// When they do not.
    pub fn finds(checks: impl Fn() -> Vec<Check>, sound: &str, breaks: &str, says: &str) {
        let conn = made(sound);
        let look = || {
            let mut checks = checks();
            checks
                .iter_mut()
                .flat_map(|check| found(check, &conn))
                .collect::<Vec<_>>()
        };
        assert_eq!(look(), [] as [String; 0], "sound");
        conn.execute_batch(breaks).expect("broken");
        let all = look();
        assert!(all.iter().any(|found| found == says), "{breaks}: {all:?}");
    }
}
