//! Faults: what a person breaks on purpose, to see what the system does about it.

mod sse;
mod stream;
mod switchboard;
#[cfg(test)]
mod tests;

pub(crate) use stream::{Station, listen};
pub use switchboard::{Hit, Switchboard};
