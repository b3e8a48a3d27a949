//! The span of a whole saga says how it ended, and says nothing when it was cut off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::{Context as OtelContext, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::profile::Profile;
use shop_kit::saga::{
    self, Policy, SagaData, SagaDefinition, SagaRunner, StepContext, StepDefinition, StepFailure, StepResult,
};
use shop_kit::testing::eventually;

const STEPS: &[StepDefinition] = &[StepDefinition {
    name: "charge",
    deadline: Duration::from_secs(30),
}];

#[derive(Clone, Debug, Default)]
struct Ended {
    spans: Arc<Mutex<Vec<SpanData>>>,
}

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &OtelContext) {}

    fn on_end(&self, span: SpanData) {
        self.spans.lock().expect("lock").push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Ended {
    /// `saga.state` on the ended span of an instance: `None` while there is no such span.
    fn state_of(&self, id: &str) -> Option<Option<String>> {
        let spans = self.spans.lock().expect("lock");
        let attribute = |span: &SpanData, key: &str| {
            let found = span.attributes.iter().find(|pair| pair.key.as_str() == key);
            found.map(|pair| pair.value.to_string())
        };
        let whole = spans
            .iter()
            .find(|span| span.name == "saga order" && attribute(span, "saga.id").as_deref() == Some(id));
        whole.map(|span| attribute(span, "saga.state"))
    }
}

/// Orders do as they are called: `hangs`, `refused`, or any other name for success.
struct Orders;

impl SagaDefinition for Orders {
    const NAME: &'static str = "order";

    fn steps(&self) -> &[StepDefinition] {
        STEPS
    }

    async fn execute(&self, _: &str, _: &SagaData, context: StepContext) -> StepResult {
        match context.saga_id.as_str() {
            "hangs" => std::future::pending().await,
            "refused" => Err(StepFailure::refused("declined", "the card was declined")),
            _ => Ok(serde_json::Value::Null),
        }
    }

    async fn compensate(&self, _: &str, _: &SagaData, _: StepContext) -> StepResult {
        Ok(serde_json::Value::Null)
    }
}

#[tokio::test]
async fn the_final_state_is_on_the_span_and_a_stop_claims_none() {
    let ended = Ended::default();
    global::set_tracer_provider(SdkTracerProvider::builder().with_span_processor(ended.clone()).build());
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("orders.sqlite"), &[], Switchboard::idle()).expect("opens");
    let policy = Policy::until_done(Profile::demo().retry);
    let runner = SagaRunner::start(db.clone(), Arc::new(Orders), policy);
    for id in ["fine", "refused", "hangs"] {
        let start = db.write(move |tx| saga::start(tx, &Orders, id, &(), &Context::fresh()));
        start.await.expect("started");
    }
    let of = |id: &'static str| {
        let ended = ended.clone();
        move || {
            let state = ended.state_of(id);
            async move { state }
        }
    };
    assert_eq!(
        eventually("the good end", of("fine")).await.as_deref(),
        Some("completed")
    );
    assert_eq!(
        eventually("the other end", of("refused")).await.as_deref(),
        Some("compensated")
    );
    let under_way = || async {
        let read = |conn: &rusqlite::Connection| saga::find(conn, "order", "hangs");
        let instance = db.read(read).await.expect("reads")?;
        (instance.steps[0].forward.attempt == 1).then_some(())
    };
    eventually("the hanging step", under_way).await;
    assert_eq!(ended.state_of("hangs"), None);
    drop(runner);
    assert_eq!(eventually("the cut", of("hangs")).await, None);
}
