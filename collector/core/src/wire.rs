//! OTLP protobuf into blocks.
//!
//! A request is walked twice: [`check`] before it is acknowledged tells what in it is good, and the `read_…` functions
//! put just that into columns once it is in the log. Both make the same judgements, so what was accepted is what is
//! found, also when the log is replayed.

use sagascope_api::Time;

use self::any::Left;
use self::reader::Malformed;
use crate::block::{LogBlock, PointBlock, SpanBlock};
use crate::normalise::time_or;

mod any;
mod logs;
mod metrics;
mod points;
mod reader;
mod senders;
#[cfg(test)]
mod tests;
mod traces;

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
    /// Values of the accepted records that are not kept as they were sent, and parts of them that were left out.
    pub cut: u64,
    /// What the first of them is; empty when there is none.
    pub first_cut: &'static str,
    /// Memory that the rows will take, in bytes, roughly: two bytes on the wire can become a hundred.
    pub weight: u64,
}

impl Verdict {
    /// What the sender should know; empty when all of the request is kept.
    #[must_use]
    pub fn message(&self) -> String {
        let first = self.first_cut;
        let cut = match self.cut {
            0 => return self.reason.clone(),
            1 => format!("a value is not kept as it was sent: {first}"),
            n => format!("{n} values are not kept as they were sent, the first: {first}"),
        };
        match &*self.reason {
            "" => cut,
            reason => format!("{reason}; {cut}"),
        }
    }
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
        Signal::Traces => told(bytes, traces::check(bytes)),
        Signal::Logs => told(bytes, logs::check(bytes)),
        Signal::Metrics => told(bytes, metrics::check(bytes)),
    }
}

/// Reads the spans of a request into a block.
///
/// # Errors
/// When the bytes are no request; the block has no new rows then.
pub fn read_spans(bytes: &[u8], received_at: Time, block: &mut SpanBlock) -> Result<Verdict, WireError> {
    told(bytes, traces::read(bytes, received_at, block))
}

/// Reads the log records of a request into a block.
///
/// # Errors
/// When the bytes are no request; the block has no new rows then.
pub fn read_logs(bytes: &[u8], received_at: Time, block: &mut LogBlock) -> Result<Verdict, WireError> {
    told(bytes, logs::read(bytes, received_at, block))
}

/// Reads the metric points of a request into a block.
///
/// # Errors
/// When the bytes are no request; the block has no new rows then.
pub fn read_points(bytes: &[u8], received_at: Time, block: &mut PointBlock) -> Result<Verdict, WireError> {
    told(bytes, metrics::read(bytes, received_at, block))
}

fn told(bytes: &[u8], walked: Result<Tally, Malformed>) -> Result<Verdict, WireError> {
    let tally = walked.map_err(|error| WireError::Malformed(error.to_string()))?;
    Ok(Verdict {
        accepted: tally.accepted,
        rejected: tally.rejected,
        reason: tally.reason.to_owned(),
        cut: tally.left.cut,
        first_cut: tally.left.first,
        // Texts and what is nested take their bytes once; who reads a list or map takes so much for each member.
        weight: tally.weight + bytes.len() as u64 + tally.left.members * MEMBER_WEIGHT,
    })
}

/// Memory of a member of a list or map when it is read, roughly.
const MEMBER_WEIGHT: u64 = 128;

/// Counts what is good and what is not.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
    reason: &'static str,
    left: Left,
    weight: u64,
}

impl Tally {
    /// Counts what a good record will take: so much for itself, and so much for each of what it has.
    fn weigh(&mut self, own: usize, parts: &[(usize, usize)]) {
        let parts: usize = parts.iter().map(|(number, each)| number * each).sum();
        self.weight += (own + parts) as u64;
    }

    /// Counts a record by what was judged of it; answers what is good about it.
    fn count<T>(&mut self, judged: Result<T, &'static str>) -> Option<T> {
        match judged {
            Ok(good) => {
                self.accepted += 1;
                Some(good)
            }
            Err(reason) => {
                if self.rejected == 0 {
                    self.reason = reason;
                }
                self.rejected += 1;
                None
            }
        }
    }
}
