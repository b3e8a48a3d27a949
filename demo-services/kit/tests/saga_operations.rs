//! What a person does to a saga: a parked one is taken up again, a running one turns back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sagascope_conventions::SagaState;
use sagascope_conventions::action::ActionOutcome;
use serde_json::Value;
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::retry::RetryPolicy;
use shop_kit::saga::{
    self, Instance, Operation, Policy, SagaData, SagaDefinition, SagaRunner, StepContext, StepDefinition, StepFailure,
    StepResult,
};
use shop_kit::testing::eventually;

const STEPS: &[StepDefinition] = &[
    StepDefinition {
        name: "reserve",
        deadline: Duration::from_secs(600),
    },
    StepDefinition {
        name: "charge",
        deadline: Duration::from_secs(600),
    },
];
/// So long between two attempts that no test waits for one.
const FAR: Duration = Duration::from_secs(300);

/// Charging never works; undoing works while `mended`.
#[derive(Default)]
struct Stubborn {
    charges: AtomicBool,
    mended: AtomicBool,
}

impl SagaDefinition for Stubborn {
    const NAME: &'static str = "order";

    fn steps(&self) -> &[StepDefinition] {
        STEPS
    }

    async fn execute(&self, step: &str, _: &SagaData, _: StepContext) -> StepResult {
        match step {
            "charge" if self.charges.load(Ordering::Relaxed) => Ok(Value::Null),
            "charge" => Err(StepFailure::lost("timeout", "no answer")),
            _ => Ok(Value::Null),
        }
    }

    async fn compensate(&self, _: &str, _: &SagaData, _: StepContext) -> StepResult {
        if self.mended.load(Ordering::Relaxed) {
            return Ok(Value::Null);
        }
        Err(StepFailure::lost("timeout", "no answer"))
    }
}

fn retry(attempts: u32, base: Duration) -> RetryPolicy {
    RetryPolicy {
        attempts,
        base,
        factor: 1,
        cap: base,
        jitter: 0.0,
    }
}

struct Shop {
    db: Database,
    saga: Arc<Stubborn>,
    policy: Policy,
    _runner: SagaRunner,
}

impl Shop {
    fn open(folder: &Path, policy: Policy) -> Self {
        let path = folder.join("orders.sqlite");
        let db = Database::open(&path, &[], Switchboard::idle()).expect("opens");
        let saga = Arc::new(Stubborn::default());
        Self {
            _runner: SagaRunner::start(db.clone(), saga.clone(), policy),
            db,
            saga,
            policy,
        }
    }

    async fn start(&self, id: &'static str) {
        let saga = self.saga.clone();
        let write = self
            .db
            .write(move |tx| saga::start(tx, &*saga, id, &1, &Context::fresh()));
        write.await.expect("started");
    }

    async fn find(&self, id: &'static str) -> Instance {
        let read = self.db.read(move |conn| saga::find(conn, "order", id));
        read.await.expect("read").expect("there")
    }

    async fn until(&self, id: &'static str, is: impl Fn(&Instance) -> bool) -> Instance {
        eventually("the saga stands so", || async {
            Some(self.find(id).await).filter(|found| is(found))
        })
        .await
    }

    async fn operate(&self, id: &'static str, operation: Operation) -> ActionOutcome {
        let saga = self.saga.clone();
        let write = self.db.write(move |tx| saga::operate(tx, &*saga, id, operation));
        write.await.expect("operated")
    }
}

fn is_done(outcome: &ActionOutcome) -> bool {
    matches!(outcome, ActionOutcome::Done { count: 1, .. })
}

fn is_refused(outcome: &ActionOutcome) -> bool {
    matches!(outcome, ActionOutcome::Refused { .. })
}

#[tokio::test]
async fn a_parked_saga_is_taken_up_again_until_it_is_compensated() {
    let folder = tempfile::tempdir().expect("folder");
    let at_once = Policy {
        forward: retry(1, Duration::ZERO),
        back: retry(2, Duration::from_millis(1)),
    };
    let shop = Shop::open(folder.path(), at_once);
    shop.start("o-1").await;
    let parked = shop.until("o-1", |saga| saga.state == SagaState::Failed).await;
    assert!(is_refused(&shop.operate("o-1", Operation::Cancel).await));
    assert!(is_done(&shop.operate("o-1", Operation::Retry).await));
    let again = shop
        .until("o-1", |saga| {
            saga.state == SagaState::Failed && saga.sequence > parked.sequence + 4
        })
        .await;
    assert!(again.sequence > parked.sequence, "it tried, and was parked again");
    shop.saga.mended.store(true, Ordering::Relaxed);
    assert!(is_done(&shop.operate("o-1", Operation::Compensate).await));
    shop.until("o-1", |saga| saga.state == SagaState::Compensated).await;
    for operation in [Operation::Retry, Operation::Cancel, Operation::Compensate] {
        assert!(is_refused(&shop.operate("o-1", operation).await), "{operation:?}");
        assert_eq!(shop.operate("o-9", operation).await, ActionOutcome::Unknown);
    }
}

#[tokio::test]
async fn a_parked_saga_that_was_taken_up_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let at_once = Policy {
        forward: retry(1, Duration::ZERO),
        back: retry(1, Duration::ZERO),
    };
    let shop = Shop::open(folder.path(), at_once);
    shop.start("o-1").await;
    shop.until("o-1", |saga| saga.state == SagaState::Failed).await;
    let Shop {
        db,
        saga,
        policy,
        _runner,
    } = shop;
    drop(_runner);
    saga.mended.store(true, Ordering::Relaxed);
    let asked = saga.clone();
    let write = db.write(move |tx| saga::operate(tx, &*asked, "o-1", Operation::Retry));
    assert!(is_done(&write.await.expect("operated")));
    let _runner = SagaRunner::start(db.clone(), saga.clone(), policy);
    let shop = Shop {
        db,
        saga,
        policy,
        _runner,
    };
    shop.until("o-1", |saga| saga.state == SagaState::Compensated).await;
}

#[tokio::test]
async fn a_waiting_saga_tries_again_at_once_when_asked() {
    let folder = tempfile::tempdir().expect("folder");
    let patient = Policy::until_done(retry(9, FAR));
    let shop = Shop::open(folder.path(), patient);
    shop.start("o-1").await;
    shop.until("o-1", |saga| saga.steps[1].forward.due > 0).await;
    shop.saga.charges.store(true, Ordering::Relaxed);
    assert!(is_done(&shop.operate("o-1", Operation::Retry).await));
    shop.until("o-1", |saga| saga.state == SagaState::Completed).await;
    assert!(
        is_refused(&shop.operate("o-1", Operation::Compensate).await),
        "the business is done"
    );
}

#[tokio::test]
async fn a_running_saga_turns_back_when_asked() {
    let folder = tempfile::tempdir().expect("folder");
    let patient = Policy::until_done(retry(9, FAR));
    let shop = Shop::open(folder.path(), patient);
    shop.saga.mended.store(true, Ordering::Relaxed);
    shop.start("o-1").await;
    shop.until("o-1", |saga| saga.steps[1].forward.due > 0).await;
    assert!(
        is_refused(&shop.operate("o-1", Operation::Cancel).await),
        "its last step has begun"
    );
    assert!(is_done(&shop.operate("o-1", Operation::Compensate).await));
    let over = shop.until("o-1", |saga| saga.state == SagaState::Compensated).await;
    assert_eq!(over.reason.as_deref(), Some("turned back by a person"));
    assert!(
        over.steps.iter().all(|step| step.undo.is_some()),
        "the charge may have been made"
    );
}
