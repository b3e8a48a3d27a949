//! What a client of the collector may ask, receive and command.
//!
//! Query rows (one module a noun), the live stream with the pure fold that joins its messages into a picture
//! ([`live`]), what needs a person now ([`attention`]), and the words and numbers as both dashboards print them
//! ([`text`]). The types build for wasm and hold no clock; the async client is behind a feature.
//! Times are RFC 3339 with nanoseconds; a duration carries its unit in its name.

pub mod actions;
pub mod attention;
pub mod breakers;
pub mod canaries;
#[cfg(feature = "client")]
pub mod client;
pub mod correlations;
pub mod experiments;
pub mod explain;
pub mod faults;
pub mod invariants;
pub mod live;
pub mod logs;
pub mod metrics;
pub mod overview;
pub mod page;
pub mod problem;
pub mod read_models;
pub mod sagas;
pub mod services;
pub mod text;
pub mod time;
pub mod traces;

pub use page::Page;
pub use problem::Problem;
pub use time::Time;
