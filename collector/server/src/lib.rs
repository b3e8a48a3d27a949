//! The rim of the collector: receive, pipeline, query, live, control.
//!
//! [`Collector::start`] binds the three ports, opens the log, replays it and serves until [`Collector::stop`]. What comes
//! in goes `receive` → log → `pipeline` (the one loop that changes anything) → `query` and `live`; `control` sends commands
//! to that loop; `security` stands before all of them.

mod app;
mod assets;
mod collector;
mod config;
mod control;
mod listen;
mod live;
mod metrics;
mod openapi;
mod pages;
mod pipeline;
mod problem;
mod query;
mod receive;
mod router;
mod security;

pub use assets::{Asset, Assets, NoAssets};
pub use collector::{Addresses, Collector, StartError};
pub use config::{Config, Ports};
pub use sagascope_store::Durability;
