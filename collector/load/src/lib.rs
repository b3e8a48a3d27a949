//! Telemetry of a shop in bulk, and the means to send it and to account for every record.
//!
//! Requests are made once, encoded once, and after that only patched: ids, times and the words of high cardinality are
//! written over in place. So the generator costs a few percent of what a collector may cost, and does not spoil the
//! figures of the collector beside it.

mod account;
mod histogram;
mod random;
mod run;
mod send;
mod shop;
mod template;

pub use account::{Account, Totals};
pub use histogram::Histogram;
pub use random::Random;
pub use run::{Goal, Outcome, Pace, Plan, Progress, run};
pub use send::{Compression, Protocol, SendError, Sender, Target, Verdict};
pub use shop::{Mix, Signal, Templates};
pub use template::{Template, trace_id};
