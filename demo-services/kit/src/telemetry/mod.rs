//! Spans and metrics of a service, over OTLP/gRPC.

mod ids;
mod long;
mod losses;
mod simulated;

use std::borrow::Cow;
use std::future::Future;
use std::time::{Duration, SystemTime};

pub use ids::Ids;
pub use long::LongSpan;
pub use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::Meter;
pub use opentelemetry::trace::SpanKind;
use opentelemetry::trace::{Link, SpanContext, Status, TraceContextExt, Tracer};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use sagascope_conventions::attributes;

use crate::clock::unix_nanos_now;
use crate::context::{self, Context};
use losses::{Exit, Gate};
pub(crate) use losses::{Losses, Lost};
pub(crate) use simulated::{encode, simulate};

const SCOPE: &str = "shop-kit";
/// A span waits this long for company.
const SPAN_DELAY: Duration = Duration::from_millis(200);
const METRIC_INTERVAL: Duration = Duration::from_secs(1);
/// A collector that does not answer holds one export up for so long.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// Spans that may wait; more are dropped and counted.
const SPAN_QUEUE: usize = 8_192;
/// What the queue of the SDK holds beyond that: it must never be the one that drops.
const SPARE: usize = 1_024;

/// The providers of this process; flush them before it ends.
#[derive(Clone, Debug)]
pub struct Telemetry {
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
    losses: Losses,
}

impl Telemetry {
    /// Sends to `endpoint` (OTLP/gRPC) from now on, and becomes the provider of the whole process.
    ///
    /// # Errors
    /// When the endpoint is no address. A collector that is not there is no error: what it misses is dropped.
    pub fn start(endpoint: &str, resource: &sagascope_instrument::Resource) -> anyhow::Result<Self> {
        let resource = sdk_resource(resource);
        let spans = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let config = BatchConfigBuilder::default()
            .with_scheduled_delay(SPAN_DELAY)
            .with_max_queue_size(SPAN_QUEUE + SPARE)
            .build();
        let losses = Losses::default();
        let spans = Exit {
            inner: spans,
            losses: losses.clone(),
        };
        let spans = Gate {
            inner: BatchSpanProcessor::builder(spans).with_batch_config(config).build(),
            room: SPAN_QUEUE as u64,
            losses: losses.clone(),
        };
        let spans = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_id_generator(Ids)
            .with_span_processor(spans)
            .build();
        let metrics = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let metrics = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(PeriodicReader::builder(metrics).with_interval(METRIC_INTERVAL).build())
            .build();
        global::set_tracer_provider(spans.clone());
        global::set_meter_provider(metrics.clone());
        losses.expose();
        Ok(Self { spans, metrics, losses })
    }

    /// Spans lost so far.
    pub(crate) fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Sends what is left, for as long as `limit`. What a missing collector did not take by then is lost.
    pub async fn shut_down(&self, limit: Duration) {
        let (spans, metrics) = (self.spans.clone(), self.metrics.clone());
        let both = futures_util::future::join(
            in_thread(move || spans.shutdown_with_timeout(limit)),
            in_thread(move || metrics.shutdown_with_timeout(limit)),
        );
        // The SDK does not always keep its limit; the process ends either way.
        let _ = tokio::time::timeout(limit, both).await;
    }
}

/// Blocking work in a thread that the end of the process does not wait for. A panic of it ends the wait like its end.
async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) {
    let (done, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // The one who waits may have given up.
        let _ = done.send(work());
    });
    let _ = ended.await;
}

fn sdk_resource(resource: &sagascope_instrument::Resource) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new(attributes::SERVICE_NAME, resource.service.clone()),
            KeyValue::new(attributes::SERVICE_INSTANCE_ID, resource.instance.clone()),
            KeyValue::new(attributes::SERVICE_VERSION, resource.version.clone()),
            KeyValue::new(attributes::SERVICE_RESTART_COUNT, resource.restarts as i64),
        ])
        .build()
}

/// Makes instruments; silent until [`Telemetry::start`].
#[must_use]
pub fn meter() -> Meter {
    global::meter(SCOPE)
}

/// A span that ends when this is dropped.
#[derive(Debug)]
pub struct Span {
    context: Context,
}

/// A child of the current span. The correlation id of the context is put on it.
#[must_use]
pub fn span(name: impl Into<Cow<'static, str>>, kind: SpanKind, attributes: Vec<KeyValue>) -> Span {
    span_in(&context::current(), &[], name, kind, attributes)
}

/// A child of the span in `parent` (a root, when there is none), with links.
#[must_use]
pub fn span_in(
    parent: &Context,
    links: &[SpanContext],
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
) -> Span {
    start_span(parent, links, name.into(), kind, attributes, unix_nanos_now())
}

fn start_span(
    parent: &Context,
    links: &[SpanContext],
    name: Cow<'static, str>,
    kind: SpanKind,
    mut attributes: Vec<KeyValue>,
    began: u64,
) -> Span {
    if !parent.correlation_id.is_empty() {
        attributes.push(KeyValue::new(attributes::CORRELATION_ID, parent.correlation_id.clone()));
    }
    if let Some(id) = &parent.causation_id {
        attributes.push(KeyValue::new(attributes::CAUSATION_ID, id.clone()));
    }
    let tracer = global::tracer(SCOPE);
    let links = links
        .iter()
        .filter(|link| link.is_valid())
        .cloned()
        .map(Link::with_context)
        .collect();
    let builder = tracer
        .span_builder(name)
        .with_kind(kind)
        .with_start_time(at(began))
        .with_attributes(attributes)
        .with_links(links);
    let span = tracer.build_with_context(builder, &parent.trace);
    Span {
        context: parent.within(parent.trace.with_span(span)),
    }
}

fn at(unix_nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

impl Span {
    /// The context to work in, or to send along.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Sets an attribute.
    pub fn set(&self, attribute: KeyValue) {
        self.context.trace.span().set_attribute(attribute);
    }

    /// Marks it as failed; `error_type` is a short stable word.
    pub fn fail(&self, error_type: impl Into<String>, message: impl Into<Cow<'static, str>>) {
        let span = self.context.trace.span();
        span.set_attribute(KeyValue::new(attributes::ERROR_TYPE, error_type.into()));
        span.set_status(Status::error(message));
    }

    /// Runs `work` inside of it.
    pub async fn run<F: Future>(&self, work: F) -> F::Output {
        context::scope(self.context.clone(), work).await
    }
}

impl Drop for Span {
    // Clones of the context may outlive the work; the span ends with it all the same.
    fn drop(&mut self) {
        self.context.trace.span().end_with_timestamp(at(unix_nanos_now()));
    }
}
