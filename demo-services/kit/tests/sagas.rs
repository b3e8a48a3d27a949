//! Sagas on real databases: the orchestrator is killed again and again, and money and stock agree in the end (INV-01–05).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::faults::Switchboard;
use shop_kit::retry::RetryPolicy;
use shop_kit::saga::{
    self, Instance, Policy, SagaData, SagaDefinition, SagaRunner, StepContext, StepDefinition, StepFailure, StepResult,
};
use tokio::sync::Notify;

const ORDERS: u32 = 60;
const DEADLINE: Duration = Duration::from_secs(30);
const STEPS: &[StepDefinition] = &[
    StepDefinition {
        name: "reserve",
        deadline: DEADLINE,
    },
    StepDefinition {
        name: "charge",
        deadline: DEADLINE,
    },
    StepDefinition {
        name: "ship",
        deadline: DEADLINE,
    },
];
const RETRY: RetryPolicy = RetryPolicy {
    attempts: 3,
    base: Duration::from_millis(1),
    factor: 1,
    cap: Duration::from_millis(2),
    jitter: 0.2,
};
/// The other side: what was done and undone, by order and step. An undo leaves a row even when nothing was done.
const LEDGER: &[&str] = &["CREATE TABLE IF NOT EXISTS ledger (
    order_id TEXT NOT NULL, step TEXT NOT NULL, done INTEGER NOT NULL, undone INTEGER NOT NULL,
    PRIMARY KEY (order_id, step)) STRICT"];
const FINISHED: &[&str] =
    &["CREATE TABLE IF NOT EXISTS finished (order_id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT"];

struct OrderSaga {
    others: Database,
    calls: AtomicU32,
    /// Told when it has been called this often.
    kill_after: u32,
    kill: Arc<Notify>,
}

impl OrderSaga {
    /// Some orders are refused, some answers are lost, by number of the order.
    async fn call(&self, step: &str, data: &SagaData, context: StepContext, undo: bool) -> StepResult {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.kill_after {
            self.kill.notify_one();
        }
        let number: u32 = data.input().expect("a number");
        let refuses =
            !undo && (step == "charge" && number.is_multiple_of(5) || step == "ship" && number.is_multiple_of(7));
        let loses_answer = number.is_multiple_of(3) && (context.attempt == 1 || !undo && number.is_multiple_of(11));
        let (order, step) = (context.saga_id, step.to_owned());
        let acted = self
            .others
            .write(move |tx| act(tx, &order, &step, refuses, undo))
            .await
            .expect("the other side");
        if loses_answer {
            return Err(StepFailure::lost("timeout", "the answer is lost"));
        }
        if acted {
            Ok(Value::Null)
        } else {
            Err(StepFailure::refused("refused", "no"))
        }
    }
}

fn act(tx: &Tx<'_>, order: &str, step: &str, refuses: bool, undo: bool) -> Result<bool, DatabaseError> {
    let key = (order, step);
    tx.execute("INSERT OR IGNORE INTO ledger VALUES (?, ?, 0, 0)", key)?;
    let undone: bool = tx.query_row(
        "SELECT undone FROM ledger WHERE order_id = ? AND step = ?",
        key,
        |row| row.get(0),
    )?;
    if undo {
        tx.execute("UPDATE ledger SET undone = 1 WHERE order_id = ? AND step = ?", key)?;
    } else if undone {
        return Ok(false);
    } else if !refuses {
        tx.execute("UPDATE ledger SET done = 1 WHERE order_id = ? AND step = ?", key)?;
    }
    Ok(undo || !refuses)
}

impl SagaDefinition for OrderSaga {
    const NAME: &'static str = "order";

    fn steps(&self) -> &[StepDefinition] {
        STEPS
    }

    async fn execute(&self, step: &str, data: &SagaData, context: StepContext) -> StepResult {
        self.call(step, data, context, false).await
    }

    async fn compensate(&self, step: &str, data: &SagaData, context: StepContext) -> StepResult {
        self.call(step, data, context, true).await
    }

    fn finished(&self, tx: &Tx<'_>, instance: &Instance, _: &Context) -> anyhow::Result<()> {
        tx.execute(
            "INSERT INTO finished VALUES (?, ?)",
            (&instance.id, instance.state.as_str()),
        )?;
        Ok(())
    }
}

fn open(folder: &Path, name: &str, schema: &[&str]) -> Database {
    Database::open(&folder.join(format!("{name}.sqlite")), schema, Switchboard::idle()).expect("opens")
}

fn definition(folder: &Path, kill_after: u32) -> Arc<OrderSaga> {
    let others = open(folder, "others", LEDGER);
    Arc::new(OrderSaga {
        others,
        calls: AtomicU32::new(0),
        kill_after,
        kill: Arc::default(),
    })
}

async fn start_all(folder: &Path) {
    let (db, definition) = (open(folder, "orders", FINISHED), definition(folder, 0));
    for number in 0..ORDERS {
        let definition = definition.clone();
        let write =
            db.write(move |tx| saga::start(tx, &*definition, &format!("o-{number}"), &number, &Context::fresh()));
        write.await.expect("started");
    }
}

async fn finished(db: &Database) -> BTreeMap<String, String> {
    let read = db.read(|conn| {
        let mut query = conn.prepare("SELECT order_id, state FROM finished")?;
        Ok::<_, DatabaseError>(
            query
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?,
        )
    });
    read.await.expect("reads")
}

/// Runs the orchestrator in a runtime of its own, which dies in the middle of call number `kill_after`.
fn run_until_killed(folder: &Path, kill_after: u32) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let all_finished = runtime.block_on(async {
        let (db, definition) = (open(folder, "orders", FINISHED), definition(folder, kill_after));
        let kill = definition.kill.clone();
        let policy = Policy {
            forward: RETRY,
            back: RetryPolicy { attempts: 20, ..RETRY },
        };
        let _runner = SagaRunner::start(db.clone(), definition, policy);
        let all_finished = async {
            while finished(&db).await.len() < ORDERS as usize {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            () = kill.notified() => false,
            () = all_finished => true,
        }
    });
    runtime.shutdown_background();
    all_finished
}

async fn check(folder: &Path) {
    let states = finished(&open(folder, "orders", FINISHED)).await;
    let read = open(folder, "others", LEDGER);
    let rows: Vec<(String, String, bool, bool)> = read
        .read(|conn| {
            let mut query = conn.prepare("SELECT order_id, step, done, undone FROM ledger")?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            Ok::<_, DatabaseError>(query.query_map([], row)?.collect::<Result<_, _>>()?)
        })
        .await
        .expect("reads");
    assert!(
        states
            .values()
            .all(|state| state == "completed" || state == "compensated"),
        "INV-03: {states:?}"
    );
    for (order, step, done, undone) in rows {
        match states[&order].as_str() {
            "completed" => assert!(done && !undone, "{order} {step} stands"),
            _ => assert!(!done || undone, "INV-01: {order} {step} was done and never undone"),
        }
    }
    let compensated = |number: &u32| number.is_multiple_of(5) || number.is_multiple_of(7) || number.is_multiple_of(33);
    let expected = (0..ORDERS).filter(compensated).count();
    assert_eq!(
        states.values().filter(|state| *state == "compensated").count(),
        expected
    );
}

#[test]
fn g01_killed_again_and_again_every_saga_ends_and_effects_agree() {
    let folder = tempfile::tempdir().expect("folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(start_all(folder.path()));
    let mut kills = 0;
    while !run_until_killed(folder.path(), 7 + kills * 5) {
        kills += 1;
    }
    assert!(kills > 3, "it was killed {kills} times");
    runtime.block_on(check(folder.path()));
}

/// As when the last write of a killed orchestrator comes in while its successor is at work already.
#[tokio::test]
async fn a_saga_that_somebody_else_changed_is_taken_up_again() {
    #[derive(Default)]
    struct Waits {
        entered: Notify,
        go_on: Notify,
    }
    impl SagaDefinition for Waits {
        const NAME: &'static str = "waits";
        fn steps(&self) -> &[StepDefinition] {
            &STEPS[..1]
        }
        async fn execute(&self, _: &str, _: &SagaData, _: StepContext) -> StepResult {
            self.entered.notify_one();
            self.go_on.notified().await;
            Ok(Value::Null)
        }
        async fn compensate(&self, _: &str, _: &SagaData, _: StepContext) -> StepResult {
            Ok(Value::Null)
        }
        fn finished(&self, tx: &Tx<'_>, instance: &Instance, _: &Context) -> anyhow::Result<()> {
            tx.execute(
                "INSERT INTO finished VALUES (?, ?)",
                (&instance.id, instance.state.as_str()),
            )?;
            Ok(())
        }
    }
    let folder = tempfile::tempdir().expect("folder");
    let (db, definition) = (open(folder.path(), "orders", FINISHED), Arc::new(Waits::default()));
    let mut ended = db.inserts("finished");
    let policy = Policy {
        forward: RETRY,
        back: RETRY,
    };
    let _runner = SagaRunner::start(db.clone(), definition.clone(), policy);
    let start = {
        let definition = definition.clone();
        db.write(move |tx| saga::start(tx, &*definition, "o-1", &json!(1), &Context::fresh()))
    };
    start.await.expect("started");
    definition.entered.notified().await;
    let change = "UPDATE sagas SET sequence = sequence + 1,
                  instance = json_set(instance, '$.sequence', json_extract(instance, '$.sequence') + 1)";
    let changed: Result<usize, DatabaseError> = db.write(move |tx| Ok(tx.execute(change, [])?)).await;
    assert_eq!(changed.expect("changed"), 1);
    definition.go_on.notify_one();
    definition.entered.notified().await;
    definition.go_on.notify_one();
    let waited = tokio::time::timeout(Duration::from_secs(20), ended.changed()).await;
    waited.expect("ends").expect("open");
    assert_eq!(finished(&db).await["o-1"], "completed");
}

#[tokio::test]
async fn a_saga_is_started_once_and_in_its_transaction_only() {
    let folder = tempfile::tempdir().expect("folder");
    let (db, definition) = (open(folder.path(), "orders", FINISHED), definition(folder.path(), 0));
    let start = |fails: bool| {
        let definition = definition.clone();
        db.write(move |tx| {
            saga::start(tx, &*definition, "o-1", &json!(1), &Context::fresh())?;
            anyhow::ensure!(!fails, "the business says no");
            Ok(())
        })
    };
    start(true).await.expect_err("taken back");
    start(false).await.expect("started");
    let again = start(false).await.expect_err("there is one");
    assert!(again.to_string().contains("o-1"), "{again}");
}

#[tokio::test]
async fn a_step_that_panics_is_a_failed_attempt() {
    struct Panics;
    impl SagaDefinition for Panics {
        const NAME: &'static str = "panics";
        fn steps(&self) -> &[StepDefinition] {
            &STEPS[..1]
        }
        async fn execute(&self, _: &str, data: &SagaData, _: StepContext) -> StepResult {
            Ok(data.output::<Value>("never").expect("panics on purpose"))
        }
        async fn compensate(&self, _: &str, _: &SagaData, _: StepContext) -> StepResult {
            Ok(Value::Null)
        }
        fn finished(&self, tx: &Tx<'_>, instance: &Instance, _: &Context) -> anyhow::Result<()> {
            tx.execute(
                "INSERT INTO finished VALUES (?, ?)",
                (&instance.id, instance.state.as_str()),
            )?;
            Ok(())
        }
    }
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path(), "orders", FINISHED);
    let mut woken = db.inserts("finished");
    let _runner = SagaRunner::start(
        db.clone(),
        Arc::new(Panics),
        Policy {
            forward: RETRY,
            back: RETRY,
        },
    );
    db.write(|tx| saga::start(tx, &Panics, "o-1", &json!(1), &Context::fresh()))
        .await
        .expect("started");
    tokio::time::timeout(Duration::from_secs(20), woken.changed())
        .await
        .expect("ends")
        .expect("open");
    assert_eq!(finished(&db).await["o-1"], "compensated");
}
