//! OTLP protobuf into blocks.
//!
//! A request is walked twice: [`check`] before it is acknowledged tells what in it is good, and the `read_…` functions
//! put just that into columns once it is in the log. Both make the same judgements, so what was accepted is what is
//! found, also when the log is replayed.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use sagascope_api::Time;

use crate::block::{LogBlock, PointBlock, SpanBlock};
use crate::normalise::{self, Normalised};

/// Which of the three OTLP requests bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// `ExportTraceServiceRequest`.
    Traces,
    /// `ExportLogsServiceRequest`.
    Logs,
    /// `ExportMetricsServiceRequest`.
    Metrics,
}

/// What is in a request that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records that become rows.
    pub accepted: u64,
    /// Records that cannot.
    pub rejected: u64,
    /// Why, for the first of them; empty when none was.
    pub reason: String,
}

/// Bytes that are no request at all; nothing of them is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They do not follow the protobuf format or OTLP's messages.
    #[error("not an OTLP request: {0}")]
    Malformed(String),
}

/// Walks a request without keeping anything.
///
/// # Errors
/// When the bytes are no request.
pub fn check(signal: Signal, bytes: &[u8]) -> Result<Verdict, WireError> {
    match signal {
        Signal::Traces => read_spans(bytes, Time(0), &mut SpanBlock::default()),
        Signal::Logs => read_logs(bytes, Time(0), &mut LogBlock::default()),
        Signal::Metrics => read_points(bytes, Time(0), &mut PointBlock::default()),
    }
}

/// Reads the spans of a request into a block.
///
/// # Errors
/// When the bytes are no request; the block has no new rows then.
pub fn read_spans(bytes: &[u8], received_at: Time, block: &mut SpanBlock) -> Result<Verdict, WireError> {
    let request = ExportTraceServiceRequest::decode(bytes).map_err(malformed)?;
    let read = normalise::traces(request, received_at);
    read.batch.spans.iter().for_each(|row| block.push_row(row, received_at));
    Ok(verdict(read.batch.spans.len(), &read))
}

/// Reads the log records of a request into a block.
///
/// # Errors
/// When the bytes are no request; the block has no new rows then.
pub fn read_logs(bytes: &[u8], received_at: Time, block: &mut LogBlock) -> Result<Verdict, WireError> {
    let request = ExportLogsServiceRequest::decode(bytes).map_err(malformed)?;
    let read = normalise::logs(request, received_at);
    read.batch.logs.iter().for_each(|row| block.push_row(row, received_at));
    Ok(verdict(read.batch.logs.len(), &read))
}

/// Reads the metric points of a request into a block.
///
/// # Errors
/// When the bytes are no request; the block has no new rows then.
pub fn read_points(bytes: &[u8], received_at: Time, block: &mut PointBlock) -> Result<Verdict, WireError> {
    let request = ExportMetricsServiceRequest::decode(bytes).map_err(malformed)?;
    let read = normalise::metrics(request, received_at);
    read.batch
        .points
        .iter()
        .for_each(|row| block.push_row(row, received_at));
    Ok(verdict(read.batch.points.len(), &read))
}

fn verdict(accepted: usize, read: &Normalised) -> Verdict {
    Verdict {
        accepted: accepted as u64,
        rejected: read.rejected,
        reason: read.reason.clone(),
    }
}

fn malformed(error: prost::DecodeError) -> WireError {
    WireError::Malformed(error.to_string().chars().take(300).collect())
}
