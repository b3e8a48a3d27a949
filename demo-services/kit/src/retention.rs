//! Lets go of what is long over, oldest first and a little at a time, so that a shop can stay open for days.
//!
//! Bounds are counts, not ages: while a service is away its peers stand still too, and what it may still ask for stays.

use std::time::Duration;

use rusqlite::params;
use tokio::task::JoinSet;

use crate::database::{Database, DatabaseError, Tx};
use crate::simulated;
use crate::sql::signed;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS ended (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE
) STRICT;
";

/// Ended orders that a service keeps: at twenty a second most of an hour, and longer than any compensation is tried.
pub const ENDED: u64 = 50_000;
/// Rows kept that only guard against repeats.
const GUARDS: u64 = 100_000;
/// Rows, or ended things, let go in one transaction: other writes wait for it.
const AT_ONCE: u64 = 200;
/// How often it is looked for more.
const EVERY: Duration = Duration::from_secs(5);

/// Removes everything that belongs to an ended thing; false when it must stay for now, and all that ended after it.
pub type LetGo = fn(&Tx<'_>, &str) -> Result<bool, DatabaseError>;

/// What may go.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// All but the newest rows of a table with a growing column `number`.
    Newest {
        /// The table.
        table: &'static str,
        /// Rows that stay.
        kept: u64,
    },
    /// What was noted by [`ended`], once so many others have ended after it.
    Ended {
        /// Ended things that stay.
        kept: u64,
        /// Removes one.
        let_go: LetGo,
    },
}

/// Rules for the tables of the kit.
pub(crate) const GUARD_RULES: [Rule; 4] = [
    Rule::Newest {
        table: "choreography",
        kept: GUARDS,
    },
    Rule::Newest {
        table: "choreography_spans",
        kept: GUARDS,
    },
    Rule::Newest {
        table: "inbox",
        kept: GUARDS,
    },
    Rule::Newest {
        table: "idempotency",
        kept: GUARDS,
    },
];

/// Notes that something has ended, such as an order; noted again, it counts from then on.
///
/// # Errors
/// When the database fails.
pub fn ended(tx: &Tx<'_>, id: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached("INSERT OR REPLACE INTO ended (id) VALUES (?)")?
        .execute([id])?;
    Ok(())
}

/// The task that applies rules; dropping it stops the task.
#[derive(Debug)]
pub struct Retention {
    _tasks: JoinSet<()>,
}

impl Retention {
    /// Applies `rules` from now on.
    #[must_use]
    pub fn start(db: Database, rules: Vec<Rule>) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(simulated::carry(run(db, rules)));
        Self { _tasks: tasks }
    }
}

async fn run(db: Database, rules: Vec<Rule>) {
    loop {
        tokio::time::sleep(EVERY).await;
        for &rule in &rules {
            if let Err(error) = apply(&db, rule).await {
                tracing::warn!(%error, "old rows cannot be let go");
            }
        }
    }
}

/// One small transaction after the other until nothing is left to go.
async fn apply(db: &Database, rule: Rule) -> Result<(), DatabaseError> {
    while db.write(move |tx| rule.apply(tx)).await? > 0 {}
    Ok(())
}

impl Rule {
    /// Lets a few rows go; answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn apply(&self, tx: &Tx<'_>) -> Result<usize, DatabaseError> {
        match *self {
            Self::Newest { table, kept } => all_but_newest(tx, table, kept),
            Self::Ended { kept, let_go } => all_but_last_ended(tx, kept, let_go),
        }
    }
}

fn all_but_newest(tx: &Tx<'_>, table: &str, kept: u64) -> Result<usize, DatabaseError> {
    let sql = format!(
        "DELETE FROM {table} WHERE number IN (SELECT number FROM {table}
            WHERE number <= (SELECT max(number) FROM {table}) - ? ORDER BY number LIMIT ?)"
    );
    Ok(tx.prepare_cached(&sql)?.execute([signed(kept), signed(AT_ONCE)])?)
}

fn all_but_last_ended(tx: &Tx<'_>, kept: u64, let_go: LetGo) -> Result<usize, DatabaseError> {
    let mut query = tx.prepare_cached(
        "SELECT id FROM ended WHERE number <= (SELECT max(number) FROM ended) - ? ORDER BY number LIMIT ?",
    )?;
    let ids: Vec<String> = query
        .query_map([signed(kept), signed(AT_ONCE)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for (gone, id) in ids.iter().enumerate() {
        if !let_go(tx, id)? {
            return Ok(gone);
        }
        tx.prepare_cached("DELETE FROM ended WHERE id = ?")?
            .execute(params![id])?;
    }
    Ok(ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing;
    use crate::inbox::first_time;

    const THINGS: &[&str] = &["CREATE TABLE IF NOT EXISTS things (id TEXT PRIMARY KEY) STRICT"];

    async fn things(db: &Database) -> Vec<String> {
        db.read(|conn| {
            let mut query = conn.prepare("SELECT id FROM things ORDER BY id")?;
            let ids = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok::<_, DatabaseError>(ids)
        })
        .await
        .expect("read")
    }

    /// `stays` must stay for now.
    fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
        let gone = tx.execute("DELETE FROM things WHERE id = ? AND id <> 'stays'", [id])?;
        Ok(gone == 1)
    }

    async fn end(db: &Database, id: &'static str) {
        let write = db.write(move |tx| {
            tx.execute("INSERT OR IGNORE INTO things VALUES (?)", [id])?;
            ended(tx, id)
        });
        write.await.expect("ended");
    }

    #[tokio::test]
    async fn the_newest_rows_stay() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        let fill = db.write(|tx| (1..=1_000).try_for_each(|n| first_time(tx, "shipping", &format!("m-{n}")).map(drop)));
        fill.await.expect("filled");
        let rule = Rule::Newest {
            table: "inbox",
            kept: 4,
        };
        apply(&db, rule).await.expect("applied");
        let known = db.write(|tx| {
            let is_known = |n: u32| first_time(tx, "shipping", &format!("m-{n}")).map(|first| !first);
            [996, 997, 1_000]
                .into_iter()
                .map(is_known)
                .collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(known.await.expect("done"), [false, true, true]);
    }

    #[tokio::test]
    async fn the_last_ended_stay_and_ending_again_counts_from_then_on() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), THINGS);
        for id in ["a", "b", "c", "a", "d"] {
            end(&db, id).await;
        }
        apply(&db, Rule::Ended { kept: 2, let_go }).await.expect("applied");
        assert_eq!(things(&db).await, ["a", "d"]);
    }

    #[tokio::test]
    async fn what_must_stay_for_now_keeps_what_came_after_it() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), THINGS);
        for id in ["a", "stays", "c"] {
            end(&db, id).await;
        }
        apply(&db, Rule::Ended { kept: 0, let_go }).await.expect("applied");
        assert_eq!(things(&db).await, ["c", "stays"]);
    }
}
