//! What telemetry means, without IO.
//!
//! [`wire`] checks OTLP requests and reads them into a [`block`]: rows as columns. [`projections`] fold those rows into the
//! live picture; [`search`] is the query language; [`measure`] tells what metric points measured; [`trace`] lays a trace
//! out; [`explain`] tells what happened to one operation. A row that is alone is one of [`rows`]. Time comes in as an
//! argument: nothing here opens a socket, a file or a clock.
//!
//! [`normalise`] holds the bounds and judgements that the wire walk makes too. Its way from prost's messages to rows is the
//! oracle that tests hold the walk against.

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
