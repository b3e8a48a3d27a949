//! What telemetry means, without IO.
//!
//! [`normalise`] turns OTLP messages into [`rows`]; [`projections`] fold rows into the live picture; [`search`] is the
//! query language; [`trace`] lays a trace out; [`explain`] tells what happened to one operation. Time comes in as an
//! argument: nothing here opens a socket, a file or a clock.

pub mod block;
pub mod buckets;
pub mod explain;
pub mod measure;
pub mod normalise;
pub mod projections;
pub mod rows;
pub mod search;
pub mod trace;
pub mod wire;

#[cfg(test)]
mod testing;
