//! Around each request: context in, span, faults, log line and metrics, correlation id out.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use sagascope_conventions::{FaultKind, attributes as key};
use sagascope_instrument::event::{Event, Severity};
use tokio::time::Instant;

use crate::clock::unix_nanos_now;
use crate::context::{CORRELATION_HEADER, Context};
use crate::events::StateEvents;
use crate::faults::{Hit, Switchboard};
use crate::problem::Problem;
use crate::telemetry::{self, SpanKind};

/// What the layer around all routes of a service needs.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    faults: Switchboard,
    events: StateEvents,
    duration: Histogram<f64>,
    /// Requests that carry no trace start one.
    starts_traces: bool,
}

impl Requests {
    /// Broker and registry are asked all the time: polls and heartbeats, which carry no trace, are no stories of their own.
    pub(crate) fn new(service: &str, faults: Switchboard, events: StateEvents) -> Self {
        let meter = telemetry::meter();
        let duration = meter.f64_histogram("http.server.request.duration").with_unit("s");
        let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0, 3.0, 5.0, 7.0, 10.0];
        let duration = duration.with_boundaries(boundaries).build();
        Self {
            faults,
            events,
            duration,
            starts_traces: !matches!(service, "broker" | "registry"),
        }
    }
}

/// The layer.
pub(crate) async fn around(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    let context = Context::from_headers(texts(request.headers()));
    let method = request.method().to_string();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let operation = format!("{method} {}", route.as_deref().unwrap_or("unknown"));
    if !requests.starts_traces && context.span_ids().is_none() {
        return faulty(&requests.faults, &operation, next.run(request)).await;
    }
    let mut attributes = vec![
        KeyValue::new(key::HTTP_REQUEST_METHOD, method.clone()),
        KeyValue::new("url.path", request.uri().path().to_owned()),
    ];
    attributes.extend(route.clone().map(|route| KeyValue::new(key::HTTP_ROUTE, route)));
    let span = telemetry::span_in(&context, &[], operation.clone(), SpanKind::Server, attributes);
    let started = Instant::now();
    let work = async {
        let response = faulty(&requests.faults, &operation, next.run(request)).await;
        requests.log(&operation, response.status(), started.elapsed());
        response
    };
    let mut response = span.run(work).await;
    let status = response.status();
    span.set(KeyValue::new(
        key::HTTP_RESPONSE_STATUS_CODE,
        i64::from(status.as_u16()),
    ));
    if status.is_server_error() {
        span.fail(
            status.as_u16().to_string(),
            status.canonical_reason().unwrap_or("failed"),
        );
    }
    requests.measure(method, route, status, started.elapsed());
    if let Ok(id) = HeaderValue::from_str(&context.correlation_id) {
        response.headers_mut().insert(CORRELATION_HEADER, id);
    }
    response
}

/// Does the work, unless a fault gets in its way.
async fn faulty(faults: &Switchboard, operation: &str, work: impl Future<Output = Response>) -> Response {
    if faults.hit(FaultKind::Hang, operation).is_some() {
        // Never answered: it ends when the caller gives up and closes the connection.
        std::future::pending::<()>().await;
    }
    if let Some(hit) = faults.hit(FaultKind::Latency, operation) {
        tokio::time::sleep(hit.delay()).await;
    }
    match faults.hit(FaultKind::ErrorRate, operation) {
        Some(hit) => injected(&hit).into_response(),
        None => work.await,
    }
}

fn injected(hit: &Hit) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "injected_fault", "failed on purpose")
        .detail(format!("fault {} ({}) is in force", hit.id, hit.kind))
}

impl Requests {
    fn log(&self, operation: &str, status: StatusCode, took: Duration) {
        let severity = match status.as_u16() {
            500.. => Severity::Error,
            400.. => Severity::Warn,
            _ => Severity::Info,
        };
        let line = Event::line(
            severity,
            format!("{operation} answered {}", status.as_u16()),
            unix_nanos_now(),
        )
        .with(key::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()))
        .with("duration_ms", took.as_secs_f64() * 1e3);
        self.events.emit(line);
    }

    fn measure(&self, method: String, route: Option<String>, status: StatusCode, took: Duration) {
        let attributes = [
            KeyValue::new(key::HTTP_REQUEST_METHOD, method),
            KeyValue::new(key::HTTP_ROUTE, route.unwrap_or_else(|| "unknown".to_owned())),
            KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())),
        ];
        self.duration.record(took.as_secs_f64(), &attributes);
    }
}

/// Headers that are text; others are none of ours.
fn texts(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}
