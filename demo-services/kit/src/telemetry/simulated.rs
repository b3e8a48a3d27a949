//! The spans of a simulated cluster: each waits on the node on which it began until the simulation sends it.

use std::sync::Once;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::trace::Span as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use prost::Message as _;

use super::ids::Ids;
use super::sdk_resource;
use crate::simulated;

/// Spans are kept on their nodes from now on, in all threads of this process that are simulated.
pub(crate) fn simulate() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids)
            .with_span_processor(Keep)
            .build();
        global::set_tracer_provider(provider);
    });
}

/// A request to the collector with these spans.
pub(crate) fn encode(resource: &sagascope_instrument::Resource, spans: Vec<SpanData>) -> Vec<u8> {
    let resource = ResourceAttributesWithSchema::from(&sdk_resource(resource));
    ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(spans, &resource),
    }
    .encode_to_vec()
}

#[derive(Debug)]
struct Keep;

impl SpanProcessor for Keep {
    fn on_start(&self, span: &mut Span, _: &opentelemetry::Context) {
        simulated::span_began(span.span_context().span_id());
    }

    fn on_end(&self, span: SpanData) {
        simulated::span_ended(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
