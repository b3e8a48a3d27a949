//! The booking by two-phase commit, as the alternative that a saga is compared with.
//!
//! First all are asked, and each yes is a lock; then one decision is written down, and that write is the commit; then all
//! are told until they have answered. Nobody ever sees a booking half done. The price is paid when the coordinator stands
//! still between the votes and the decision: whoever voted yes has to wait, and so has everybody who wants the same room.

mod coordinator;
mod log;
mod talk;
mod transaction;

pub(crate) use coordinator::Coordinator;
pub(crate) use log::{SCHEMA, begin, counts, decision_of, find, let_go};
pub(crate) use transaction::{DECIDE, Transaction};
