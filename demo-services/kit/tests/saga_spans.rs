//! The span of a whole saga is told once, by whoever ends it, and the steps of every runner are in it (INV-12).

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
use shop_kit::telemetry::Ids;
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
    /// Spans of an instance with this name.
    fn of(&self, id: &str, name: &str) -> Vec<SpanData> {
        let spans = self.spans.lock().expect("lock");
        let wanted = |span: &&SpanData| span.name == name && attribute(span, "saga.id").as_deref() == Some(id);
        spans.iter().filter(wanted).cloned().collect()
    }

    /// `saga.state` on the span of an instance: `None` while there is no such span.
    fn state_of(&self, id: &str) -> Option<String> {
        attribute(self.of(id, "saga order").first()?, "saga.state")
    }
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|pair| pair.key.as_str() == key);
    found.map(|pair| pair.value.to_string())
}

/// Orders do as they are called: `hangs` under the first runner and is refused under a later one, `refused`, or any other
/// name for success.
#[derive(Default)]
struct Orders {
    is_later: bool,
}

impl SagaDefinition for Orders {
    const NAME: &'static str = "order";

    fn steps(&self) -> &[StepDefinition] {
        STEPS
    }

    async fn execute(&self, _: &str, _: &SagaData, context: StepContext) -> StepResult {
        match context.saga_id.as_str() {
            "hangs" if !self.is_later => std::future::pending().await,
            "hangs" | "refused" => Err(StepFailure::refused("declined", "the card was declined")),
            _ => Ok(serde_json::Value::Null),
        }
    }

    async fn compensate(&self, _: &str, _: &SagaData, _: StepContext) -> StepResult {
        Ok(serde_json::Value::Null)
    }
}

#[tokio::test]
async fn inv_12_the_span_of_a_saga_is_told_once_by_whoever_ends_it() {
    let ended = Ended::default();
    let provider = SdkTracerProvider::builder()
        .with_id_generator(Ids)
        .with_span_processor(ended.clone());
    global::set_tracer_provider(provider.build());
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("orders.sqlite"), &[], Switchboard::idle()).expect("opens");
    let policy = Policy::until_done(Profile::demo().retry);
    let runner = SagaRunner::start(db.clone(), Arc::new(Orders::default()), policy);
    for id in ["fine", "refused", "hangs"] {
        let start = db.write(move |tx| saga::start(tx, &Orders::default(), id, &(), &Context::fresh()));
        start.await.expect("started");
    }
    let of = |id: &'static str| {
        let ended = ended.clone();
        move || {
            let state = ended.state_of(id);
            async move { state }
        }
    };
    assert_eq!(eventually("the good end", of("fine")).await, "completed");
    assert_eq!(eventually("the other end", of("refused")).await, "compensated");
    let under_way = || async {
        let read = |conn: &rusqlite::Connection| saga::find(conn, "order", "hangs");
        let instance = db.read(read).await.expect("reads")?;
        (instance.steps[0].forward.attempt == 1).then_some(())
    };
    eventually("the hanging step", under_way).await;
    drop(runner);
    let cut = || async { (ended.of("hangs", "saga.step charge").len() == 1).then_some(()) };
    eventually("the cut step", cut).await;
    assert_eq!(ended.state_of("hangs"), None, "a stop claims no end");

    let _later = SagaRunner::start(db.clone(), Arc::new(Orders { is_later: true }), policy);
    assert_eq!(eventually("the end", of("hangs")).await, "compensated");
    let [whole] = <[SpanData; 1]>::try_from(ended.of("hangs", "saga order")).expect("told once");
    let (steps, undone) = (
        ended.of("hangs", "saga.step charge"),
        ended.of("hangs", "saga.compensate charge"),
    );
    assert_eq!((steps.len(), undone.len()), (2, 1));
    for span in steps.iter().chain(&undone) {
        assert_eq!(span.parent_span_id, whole.span_context.span_id(), "{}", span.name);
        assert_eq!(span.span_context.trace_id(), whole.span_context.trace_id());
    }
    assert!(whole.start_time <= steps[0].start_time);
    let linked = undone[0].links.iter().map(|link| link.span_context.span_id());
    assert!(linked.eq([steps[1].span_context.span_id()]), "to the last attempt");
}
