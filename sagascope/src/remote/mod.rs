//! Commands that talk to a running collector.

pub(crate) mod explain;
pub(crate) mod inject;
pub(crate) mod show;

mod collector;
mod table;
