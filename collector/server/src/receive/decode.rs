//! Protobuf bytes into rows; the same way for a request and for the replay of the log.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::{DecodeError, Message};
use sagascope_api::Time;
use sagascope_core::normalise::{self, Normalised};
use sagascope_store::Signal;

/// The rows of one message.
pub(crate) fn decode(signal: Signal, message: Bytes, received_at: Time) -> Result<Normalised, DecodeError> {
    Ok(match signal {
        Signal::Traces => normalise::traces(ExportTraceServiceRequest::decode(message)?, received_at),
        Signal::Logs => normalise::logs(ExportLogsServiceRequest::decode(message)?, received_at),
        Signal::Metrics => normalise::metrics(ExportMetricsServiceRequest::decode(message)?, received_at),
    })
}
