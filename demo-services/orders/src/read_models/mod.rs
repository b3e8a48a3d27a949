//! Read models over the order events: built for the questions asked, never consulted for a decision.

pub(crate) mod by_customer;
pub(crate) mod summary;
