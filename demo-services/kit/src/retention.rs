//! Lets go of what only guards against repeats, once a repeat is out of question.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::database::{Database, DatabaseError, Tx};
use crate::sql::signed;

/// Rows kept in the inbox and among the idempotency keys: more than an hour of a busy shop.
const KEPT: u64 = 200_000;
/// Rows let go in one transaction.
const AT_ONCE: u64 = 5_000;
const EVERY: Duration = Duration::from_secs(60);

/// The task that does it; dropping it stops the task.
#[derive(Debug)]
pub(crate) struct Retention {
    _tasks: JoinSet<()>,
}

impl Retention {
    pub(crate) fn start(db: Database) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(run(db));
        Self { _tasks: tasks }
    }
}

async fn run(db: Database) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = db.write(|tx| forget(tx, KEPT)).await {
            tracing::warn!(%error, "old rows cannot be let go");
        }
    }
}

fn forget(tx: &Tx<'_>, kept: u64) -> Result<(), DatabaseError> {
    for table in ["inbox", "idempotency"] {
        let sql = format!(
            "DELETE FROM {table} WHERE number <= (SELECT max(number) - ?1 FROM {table})
             AND number < (SELECT min(number) + ?2 FROM {table})"
        );
        tx.prepare_cached(&sql)?.execute([signed(kept), signed(AT_ONCE)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing;
    use crate::inbox::first_time;

    #[tokio::test]
    async fn the_newest_rows_stay() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        let known = db.write(|tx| {
            for n in 1..=10 {
                first_time(tx, "shipping", &format!("m-{n}"))?;
            }
            forget(tx, 4)?;
            forget(tx, 4)?;
            let is_known = |n: u32| first_time(tx, "shipping", &format!("m-{n}")).map(|first| !first);
            [6, 7, 10].into_iter().map(is_known).collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(known.await.expect("done"), [false, true, true]);
    }
}
