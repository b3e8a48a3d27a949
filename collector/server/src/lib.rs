//! The rim of the collector: receive, pipeline, query, live, control.
//!
//! [`Collector::start`] binds the three ports, opens what is kept and serves until [`Collector::stop`]; the log is replayed
//! meanwhile. What comes in goes `receive` → log → `pipeline` (the one loop that changes anything) → head and projections,
//! which `query` reads and `live` tells of; a thread beside the loop seals. `control` sends commands to the loop;
//! `experiments` has the lab run what a person asks for; `security` stands before all of them.

mod app;
mod assets;
mod collector;
mod config;
mod control;
mod experiments;
mod freshness;
mod listen;
mod live;
mod memory;
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
pub use experiments::{Laboratory, Measured, Order, Work};
pub use memory::Memory;
pub use sagascope_store::Durability;
