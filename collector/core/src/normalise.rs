//! OTLP messages into rows: checks ids and bounds, keeps the good part, counts and explains the rest.
//!
//! Keys, names and resources are shared within a request. What is too long or too many is cut, at bounds that only abuse
//! meets, and counted; what has no usable identity is refused. Nothing in a message can cause a panic or an allocation beyond the message's own size.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use sagascope_api::Time;

use crate::rows::Batch;

mod any;
pub(crate) mod fit;
pub(crate) mod histograms;
mod interner;
mod logs;
mod metrics;
mod spans;
mod values;

pub(crate) use any::any_of;
pub(crate) use histograms::{BUCKETS_MAX, BUCKETS_SENT_MAX};
pub(crate) use interner::{NAME_BYTES_MAX, cut};
pub(crate) use logs::{EVENT_NAME, is_severity, severity_of};
pub(crate) use metrics::{EXEMPLARS_MAX, NO_RECORDED_VALUE, temporality_of};
pub(crate) use spans::{EVENTS_MAX, LINKS_MAX, SpanIds, ends_too_early, is_kind, is_status, kind_of, status_of};
pub(crate) use values::{ATTRIBUTES_MAX, VALUE_BYTES_MAX, value_of};

/// Rows and what could not become one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalised {
    /// The good part.
    pub batch: Batch,
    /// Records refused.
    pub rejected: u64,
    /// Why, for the first of them; empty when none was.
    pub reason: String,
    /// Values of the good part that are not kept as they were sent, and parts of its records that were left out.
    pub cut: u64,
}

impl Normalised {
    fn new(received_at: Time) -> Self {
        Self {
            batch: Batch {
                received_at,
                ..Batch::default()
            },
            ..Self::default()
        }
    }

    fn reject(&mut self, reason: &str) {
        if self.rejected == 0 {
            reason.clone_into(&mut self.reason);
        }
        self.rejected += 1;
    }
}

/// Spans of a request.
#[must_use]
pub fn traces(request: ExportTraceServiceRequest, received_at: Time) -> Normalised {
    spans::normalise(request, received_at)
}

/// Log records of a request.
#[must_use]
pub fn logs(request: ExportLogsServiceRequest, received_at: Time) -> Normalised {
    logs::normalise(request, received_at)
}

/// Metric points of a request.
#[must_use]
pub fn metrics(request: ExportMetricsServiceRequest, received_at: Time) -> Normalised {
    metrics::normalise(request, received_at)
}

/// The sender's time, or the arrival where it gave none.
pub(crate) const fn time_or(unix_nano: u64, otherwise: Time) -> Time {
    if unix_nano == 0 { otherwise } else { Time(unix_nano) }
}

#[cfg(test)]
mod tests;
