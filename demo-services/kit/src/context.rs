//! What ties one piece of work to the request that caused it: correlation, causation and trace, per task.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;

use opentelemetry::Context as TraceContext;
use opentelemetry::baggage::{BaggageExt, BaggageMetadata, KeyValueMetadata};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use sagascope_conventions::attributes;

use crate::clock::unix_nanos_now;
use crate::random;

/// Header of the correlation id.
pub const CORRELATION_HEADER: &str = "x-correlation-id";
/// Header of the causation id.
pub const CAUSATION_HEADER: &str = "x-causation-id";
/// Longest id taken from outside; a longer one is replaced.
const MAX_ID: usize = 128;

/// Travels with the work: in the task ([`current`], [`scope`]), over HTTP and in messages ([`Context::to_headers`]).
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Of the request from outside.
    pub correlation_id: String,
    /// The message or command that directly caused this work.
    pub causation_id: Option<String>,
    /// Current span and baggage.
    pub trace: TraceContext,
}

tokio::task_local! {
    static CURRENT: Context;
}

/// The context of this task; an empty one outside of any.
#[must_use]
pub fn current() -> Context {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs `work` with this context.
pub async fn scope<F: Future>(context: Context, work: F) -> F::Output {
    CURRENT.scope(context, work).await
}

impl Context {
    /// A new story: a correlation id of its own, no trace yet.
    #[must_use]
    pub fn fresh() -> Self {
        Self {
            correlation_id: new_id(),
            ..Self::default()
        }
    }

    /// The same work, now inside another span.
    #[must_use]
    pub fn within(&self, trace: TraceContext) -> Self {
        Self { trace, ..self.clone() }
    }

    /// The same story, caused by that message or command.
    #[must_use]
    pub fn caused_by(&self, causation_id: impl Into<String>) -> Self {
        Self {
            causation_id: Some(causation_id.into()),
            ..self.clone()
        }
    }

    /// Ids of the current span; `None` outside of any.
    #[must_use]
    pub fn span_ids(&self) -> Option<([u8; 16], [u8; 8])> {
        let span = self.span_context();
        span.is_valid()
            .then(|| (span.trace_id().to_bytes(), span.span_id().to_bytes()))
    }

    /// The current span, to link to.
    #[must_use]
    pub fn span_context(&self) -> SpanContext {
        self.trace.span().span_context().clone()
    }

    /// The current span in the words of `traceparent`, to be kept and linked to later; `None` outside of any.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let span = self.span_context();
        span.is_valid().then(|| {
            let flags = span.trace_flags().to_u8();
            format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
        })
    }

    /// `traceparent`, `tracestate`, `baggage`, `x-correlation-id` and `x-causation-id`, as far as there is something to say.
    #[must_use]
    pub fn to_headers(&self) -> BTreeMap<String, String> {
        let mut headers = Headers::default();
        let mut trace = self.trace.clone();
        if !self.correlation_id.is_empty() {
            headers
                .0
                .insert(CORRELATION_HEADER.to_owned(), self.correlation_id.clone());
            let own = KeyValueMetadata::new(
                attributes::CORRELATION_ID,
                self.correlation_id.clone(),
                BaggageMetadata::default(),
            );
            let others = trace.baggage().iter();
            let others =
                others.map(|(key, (value, more))| KeyValueMetadata::new(key.clone(), value.clone(), more.clone()));
            trace = trace.with_baggage(others.chain([own]).collect::<Vec<_>>());
        }
        if let Some(id) = &self.causation_id {
            headers.0.insert(CAUSATION_HEADER.to_owned(), id.clone());
        }
        TraceContextPropagator::new().inject_context(&trace, &mut headers);
        BaggagePropagator::new().inject_context(&trace, &mut headers);
        headers.0.retain(|_, value| !value.is_empty());
        headers.0
    }

    /// Reads them; names in any case. A missing or unusable correlation id is taken from the baggage, or made up.
    #[must_use]
    pub fn from_headers<K: AsRef<str>, V: AsRef<str>>(headers: impl IntoIterator<Item = (K, V)>) -> Self {
        let carrier = Carrier::collect(headers);
        let trace = TraceContextPropagator::new().extract_with_context(&TraceContext::new(), &carrier);
        let trace = BaggagePropagator::new().extract_with_context(&trace, &carrier);
        let from_baggage = trace.baggage().get(attributes::CORRELATION_ID).map(ToString::to_string);
        let correlation_id = carrier
            .id(CORRELATION_HEADER)
            .or(from_baggage.filter(|id| is_usable(id)));
        Self {
            correlation_id: correlation_id.unwrap_or_else(new_id),
            causation_id: carrier.id(CAUSATION_HEADER),
            trace,
        }
    }
}

/// The span that [`Context::traceparent`] wrote down.
#[must_use]
pub fn kept_span(traceparent: &str) -> SpanContext {
    let carrier = Carrier::collect([("traceparent", traceparent)]);
    let trace = TraceContextPropagator::new().extract_with_context(&TraceContext::new(), &carrier);
    trace.span().span_context().clone()
}

/// 128 bits in hex: 16 of them count seconds, all others are random. What is new at the same time lies together in every
/// index over such ids, and a commit writes few of their pages; and yet no two of them look alike at their beginning.
#[must_use]
pub fn new_id() -> String {
    id_from_parts(unix_nanos_now() / 1_000_000_000, random::u128())
}

fn id_from_parts(unix_seconds: u64, random: u128) -> String {
    format!("{:04x}{:028x}", unix_seconds & 0xffff, random >> 16)
}

/// Printable ASCII without spaces, and not long: safe in a header, a log line and a URL path segment.
fn is_usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_graphic())
}

#[derive(Default)]
struct Headers(BTreeMap<String, String>);

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_ascii_lowercase(), value);
    }
}

struct Carrier(HashMap<String, String>);

impl Carrier {
    fn collect<K: AsRef<str>, V: AsRef<str>>(headers: impl IntoIterator<Item = (K, V)>) -> Self {
        let lower = |(key, value): (K, V)| (key.as_ref().to_ascii_lowercase(), value.as_ref().to_owned());
        Self(headers.into_iter().map(lower).collect())
    }

    fn id(&self, header: &str) -> Option<String> {
        self.0.get(header).filter(|id| is_usable(id)).cloned()
    }
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(&key.to_ascii_lowercase()).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn ids_of_one_second_lie_together_and_do_not_look_alike() {
        assert_eq!(id_from_parts(0x7_1234, 0), format!("1234{:028}", 0));
        assert_eq!(id_from_parts(1, u128::MAX), format!("0001{}", "f".repeat(28)));
        assert_ne!(new_id(), new_id());
    }

    #[test]
    fn a_context_survives_the_journey() {
        let sent = [
            ("traceparent", PARENT),
            ("X-Correlation-ID", "c-1"),
            ("x-causation-id", "m-1"),
            ("baggage", "tenant=a"),
        ];
        let received = Context::from_headers(sent);
        assert_eq!(received.correlation_id, "c-1");
        assert_eq!(received.causation_id.as_deref(), Some("m-1"));
        assert_eq!(received.traceparent().as_deref(), Some(PARENT));
        assert_eq!(kept_span(PARENT), received.span_context());
        let headers = received.to_headers();
        assert_eq!(headers["traceparent"], PARENT);
        let baggage = &headers["baggage"];
        assert!(
            baggage.contains("tenant=a") && baggage.contains("correlation.id=c-1"),
            "{baggage}"
        );
        assert_eq!(Context::from_headers(headers).correlation_id, "c-1");
    }

    #[test]
    fn the_baggage_is_the_second_place_to_look() {
        let received = Context::from_headers([("baggage", "correlation.id=c-2")]);
        assert_eq!(received.correlation_id, "c-2");
    }

    #[test]
    fn unusable_ids_are_replaced() {
        for id in ["", "with space", "line\nbreak", &"x".repeat(129), "\u{202e}evil"] {
            let received = Context::from_headers([(CORRELATION_HEADER, id)]);
            assert_eq!(received.correlation_id.len(), 32, "{id:?}");
        }
    }

    #[test]
    fn a_broken_traceparent_starts_a_new_trace() {
        for parent in [
            "",
            "00-0-0-0",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(
                Context::from_headers([("traceparent", parent)]).span_ids(),
                None,
                "{parent}"
            );
        }
    }

    #[tokio::test]
    async fn the_task_has_one_and_its_children_get_it_by_scope() {
        assert_eq!(current().correlation_id, "");
        scope(Context::fresh().caused_by("m-1"), async {
            assert_eq!(current().causation_id.as_deref(), Some("m-1"));
        })
        .await;
    }
}
