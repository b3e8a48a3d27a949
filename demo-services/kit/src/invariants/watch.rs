//! The task that looks.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use sagascope_conventions::Invariant;
use sagascope_conventions::invariants::MOST_VIOLATIONS;
use sagascope_instrument::metrics::InvariantMetrics;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::telling::Telling;
use super::{Check, Moment};
use crate::clock::unix_nanos_now;
use crate::database::{self, Database, DatabaseError};
use crate::events::StateEvents;
use crate::service::Service;
use crate::telemetry;

/// How often it is looked, and how much that may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the end of one look to the next, at least.
    pub every: Duration,
    /// Rest after a look, as many times as long as it took, so that checks take a small share of a core.
    pub rest: u32,
    /// No rest is longer: on a machine that is so busy, what takes long is waiting and not looking.
    pub longest_rest: Duration,
    /// A check that takes longer is given up, and nothing is told of it.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(3),
            rest: 40,
            longest_rest: Duration::from_secs(15),
            longest: Duration::from_secs(1),
        }
    }
}

impl Pace {
    /// From the end of a look that took so long to the next.
    fn until_next(&self, took: Duration) -> Duration {
        took.saturating_mul(self.rest).min(self.longest_rest).max(self.every)
    }
}

/// Instructions of SQLite after which it is asked whether its time is over.
const INSTRUCTIONS: i32 = 2_000;

/// The task; dropping it stops it.
#[derive(Debug)]
pub struct Watch {
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Looks at the database of a service that has a collector to tell. A simulation looks for itself.
    ///
    /// # Errors
    /// When the database cannot be opened once more.
    pub fn over(service: &Service, db: &Database, checks: Vec<Check>) -> Result<Option<Self>, DatabaseError> {
        if !service.is_in_a_cluster() {
            return Ok(None);
        }
        Self::start(db.path(), checks, service.events.clone(), Pace::default()).map(Some)
    }

    /// Looks at the database in `path`, over a connection of its own that only reads.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn start(path: &Path, checks: Vec<Check>, events: StateEvents, pace: Pace) -> Result<Self, DatabaseError> {
        let watcher = Watcher::new(database::open_for_reading(path)?, checks, pace);
        let mut tasks = JoinSet::new();
        tasks.spawn(run(watcher, events));
        Ok(Self { _tasks: tasks })
    }
}

async fn run(mut watcher: Watcher, events: StateEvents) {
    let meter = telemetry::meter();
    let metrics = |invariant: Invariant| (invariant, InvariantMetrics::new(&meter, invariant));
    let metrics: BTreeMap<_, _> = watcher.invariants().map(metrics).collect();
    let mut telling = Telling::default();
    loop {
        let began = Instant::now();
        let looked = tokio::task::spawn_blocking(move || {
            let found = watcher.look(unix_nanos_now());
            (watcher, found)
        });
        let Ok((back, found)) = looked.await else {
            // A check that panics is a bug of ours; the others must not be told as if they were looked at.
            return tracing::error!("invariants are not looked at any more");
        };
        watcher = back;
        for (invariant, found) in found {
            if let Some(metrics) = metrics.get(&invariant) {
                metrics.looked(found.len());
            }
            for event in telling.looked(invariant, found, unix_nanos_now()) {
                events.emit(event);
            }
        }
        let pace = watcher.pace;
        tokio::time::sleep(pace.until_next(began.elapsed())).await;
    }
}

/// A connection and what is looked at over it.
struct Watcher {
    connection: Connection,
    checks: Vec<Check>,
    pace: Pace,
    since: u64,
    failing: bool,
}

impl Watcher {
    fn new(connection: Connection, checks: Vec<Check>, pace: Pace) -> Self {
        Self {
            connection,
            checks,
            pace,
            since: unix_nanos_now(),
            failing: false,
        }
    }

    fn invariants(&self) -> impl Iterator<Item = Invariant> {
        self.checks.iter().map(Check::invariant)
    }

    /// Violations by invariant. An invariant of which a check could not be carried out is left out: it is not known.
    fn look(&mut self, now: u64) -> BTreeMap<Invariant, Vec<String>> {
        let at = Moment { now, since: self.since };
        let mut found: BTreeMap<Invariant, Vec<String>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for check in &mut self.checks {
            let looked = within(&mut self.connection, self.pace.longest, |conn| check.look(conn, at));
            match looked {
                Ok(some) => found.entry(check.invariant()).or_default().extend(some),
                Err(error) => unknown.push((check.invariant(), error)),
            }
        }
        for (invariant, error) in &unknown {
            // What was found all the same stands.
            if found.get(invariant).is_some_and(Vec::is_empty) {
                found.remove(invariant);
            }
            if !self.failing {
                tracing::warn!(%invariant, %error, "cannot be looked at");
            }
        }
        self.failing = !unknown.is_empty();
        found.values_mut().for_each(|found| found.truncate(MOST_VIOLATIONS));
        found
    }
}

/// Runs `work`, and interrupts its statements after `longest`.
fn within<T>(
    connection: &mut Connection,
    longest: Duration,
    work: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let began = std::time::Instant::now();
    connection.progress_handler(INSTRUCTIONS, Some(move || began.elapsed() > longest))?;
    let done = work(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    done
}

#[cfg(test)]
mod tests {
    use super::super::testing::made;
    use super::super::texts;
    use super::*;

    fn watcher(checks: Vec<Check>) -> Watcher {
        let conn = made("CREATE TABLE broken (what TEXT); INSERT INTO broken VALUES ('a'), ('b')");
        Watcher::new(conn, checks, Pace::default())
    }

    fn reads(invariant: Invariant, sql: &'static str) -> Check {
        Check::with(invariant, move |conn, _| texts(conn, sql))
    }

    #[test]
    fn a_look_that_takes_long_is_followed_by_a_longer_rest() {
        let pace = Pace::default();
        let after = |millis| pace.until_next(Duration::from_millis(millis)).as_secs();
        assert_eq!([0, 75, 100, 200, 10_000].map(after), [3, 3, 4, 8, 15]);
    }

    #[test]
    fn checks_of_one_invariant_are_told_together() {
        let mut watcher = watcher(vec![
            reads(Invariant::Money, "SELECT what FROM broken WHERE what = 'a'"),
            reads(Invariant::Stock, "SELECT what FROM broken WHERE what = 'c'"),
            reads(Invariant::Money, "SELECT what FROM broken WHERE what = 'b'"),
        ]);
        let found = watcher.look(1);
        assert_eq!(found[&Invariant::Money], ["a", "b"]);
        assert_eq!(found[&Invariant::Stock], [] as [String; 0]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_said_to_hold() {
        let mut watcher = watcher(vec![
            reads(Invariant::Money, "SELECT what FROM nowhere"),
            reads(Invariant::Money, "SELECT what FROM broken WHERE what = 'c'"),
            reads(Invariant::Stock, "SELECT what FROM nowhere"),
            reads(Invariant::Stock, "SELECT what FROM broken"),
        ]);
        let found = watcher.look(1);
        assert!(!found.contains_key(&Invariant::Money));
        assert_eq!(found[&Invariant::Stock], ["a", "b"], "what was found stands");
    }

    #[test]
    fn a_check_without_end_is_given_up() {
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'x' FROM n WHERE i < 0";
        let mut watcher = watcher(vec![
            reads(Invariant::Money, endless),
            reads(Invariant::Stock, "SELECT what FROM broken"),
        ]);
        watcher.pace.longest = Duration::ZERO;
        assert!(!watcher.look(1).contains_key(&Invariant::Money));
        watcher.pace.longest = Duration::from_secs(60);
        watcher.checks.remove(0);
        assert_eq!(
            watcher.look(1)[&Invariant::Stock],
            ["a", "b"],
            "and the connection goes on"
        );
    }

    #[test]
    fn more_violations_than_are_counted_are_cut_off() {
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'row ' || i FROM n";
        let mut watcher = watcher(vec![reads(Invariant::Money, many), reads(Invariant::Money, many)]);
        assert_eq!(watcher.look(1)[&Invariant::Money].len(), MOST_VIOLATIONS);
    }
}
