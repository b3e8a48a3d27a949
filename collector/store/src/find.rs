//! Queries over what is in memory and what is sealed, as one.
//!
//! A query looks at parts (blocks of the head, sealed files) from the newest on and stops as soon as no older part can
//! change its page. What it may cost is stated by a [`Budget`]; an answer that the budget cut says so.

mod budget;
mod logs;
mod metrics;
mod parts;
mod sealed;
mod sealed_points;
#[cfg(test)]
mod tests;
mod traces;
mod weigh;

pub use budget::Budget;
pub use logs::{LogCursor, LogPage, LogQuery, logs, logs_of};
pub use metrics::{By, Catalogue, RangeQuery, catalogue, range};
pub use parts::{Each, LogPart, Parts, PointPart, Sealed, SealedLogs, SealedPoints, SealedSpans, SpanPart};
pub use traces::{SUMMARY, TraceCursor, TracePage, TraceQuery, carrying, trace, traces};
