//! A span of work that outlives the process: its ids follow from what it is about, so that whoever goes on after a restart
//! goes on in the same span. It is told in one piece, by the one who ends the work.

use std::borrow::Cow;

use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry::{KeyValue, SpanId, TraceId};

use super::{SpanKind, ids, start_span};
use crate::context::Context;
use crate::simulated;

/// See the module.
#[derive(Clone, Debug)]
pub struct LongSpan {
    parent: Context,
    context: Context,
}

impl LongSpan {
    /// The span of `identity` in the trace of `parent`; in one of its own when there is none.
    #[must_use]
    pub fn new(parent: &Context, identity: &str) -> Self {
        let above = parent.span_context();
        let (trace, flags) = if above.is_valid() {
            (above.trace_id(), above.trace_flags())
        } else {
            let half = |salt: &str| ids::following_from(&[salt.as_bytes(), identity.as_bytes()]);
            let id = (u128::from(half("high")) << 64) | u128::from(half("low"));
            (TraceId::from_bytes(id.to_be_bytes()), TraceFlags::SAMPLED)
        };
        let id = ids::following_from(&[&trace.to_bytes(), identity.as_bytes()]);
        let id = SpanId::from_bytes(id.to_be_bytes());
        simulated::span_began(id);
        let own = SpanContext::new(trace, id, flags, true, TraceState::default());
        Self {
            parent: parent.clone(),
            context: parent.within(parent.trace.with_remote_span_context(own)),
        }
    }

    /// The context to work in.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Tells of it: it began at `began` (unix nanoseconds) and ends when what this answers is dropped.
    #[must_use]
    pub fn tell(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        began: u64,
    ) -> super::Span {
        let own = self.context.span_context();
        ids::given(own.trace_id(), own.span_id(), || {
            start_span(&self.parent, &[], name.into(), kind, attributes, began)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn whoever_goes_on_goes_on_in_the_same_span_of_the_same_trace() {
        let parent = || Context::from_headers([("traceparent", PARENT)]);
        let ids = |identity| LongSpan::new(&parent(), identity).context().span_ids().expect("valid");
        assert_eq!(ids("order/o-1"), ids("order/o-1"));
        assert_eq!(ids("order/o-1").0, parent().span_ids().expect("valid").0);
        assert_ne!(ids("order/o-1").1, ids("order/o-2").1);
        assert_ne!(ids("order/o-1").1, parent().span_ids().expect("valid").1);
    }

    #[test]
    fn without_a_parent_it_has_a_trace_of_its_own() {
        let ids = |identity| LongSpan::new(&Context::default(), identity).context().span_ids();
        assert_eq!(ids("order/o-1"), ids("order/o-1"));
        assert!(ids("order/o-1").is_some() && ids("order/o-1") != ids("order/o-2"));
    }
}
