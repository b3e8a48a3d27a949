//! Faults and traffic: what a person may do to the running cluster.
//!
//! [`board`] is the pure part; [`command`] is how the loop applies it; [`http`] and [`stream`] are the rim.

pub(crate) mod actions;
pub(crate) mod board;
mod catalogue;
pub(crate) mod command;
pub(crate) mod http;
mod kinds;
pub(crate) mod orders;
mod request;
mod stream;

pub(crate) use stream::stream;
