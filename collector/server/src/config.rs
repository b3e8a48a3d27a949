//! How a collector is set up.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sagascope_api::overview::Demo;
use sagascope_store::Durability;

use crate::assets::{Assets, NoAssets};
use crate::experiments::Laboratory;
use crate::memory::Memory;

/// Ports to listen on; 0 takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// OTLP over gRPC.
    pub grpc: u16,
    /// OTLP over HTTP.
    pub http: u16,
    /// Page, API, live stream, control.
    pub api: u16,
}

impl Ports {
    /// `base`, `base + 1` and `base + 2`.
    #[must_use]
    pub const fn from_base(base: u16) -> Self {
        Self {
            grpc: base,
            http: base.saturating_add(1),
            api: base.saturating_add(2),
        }
    }
}

/// Everything a collector is told at start.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on; anything but loopback makes reading need the token too.
    pub bind: IpAddr,
    /// Ports.
    pub ports: Ports,
    /// Where everything is kept: log, sealed files, picture, token, session secret.
    pub data_dir: PathBuf,
    /// The token for control; made up and kept in `<data-dir>/token` when absent.
    pub token: Option<String>,
    /// Names beside loopback that a `Host` header may give, with or without a port.
    pub allowed_hosts: Vec<String>,
    /// Connections that each port serves at a time; further ones wait.
    pub connections_per_port: usize,
    /// A peer that takes nothing of its answer for this long is let go.
    pub unread_timeout: Duration,
    /// A request that has not come whole within this is to be sent again.
    pub body_timeout: Duration,
    /// When telemetry is acknowledged.
    pub durability: Durability,
    /// Bytes of rows that may wait in memory to be sealed; with more, intake waits.
    pub memory_cap_bytes: usize,
    /// Bytes of requests that may be under way from socket to projection; one request has half of it at most.
    pub requests_bytes: usize,
    /// Bytes of log and sealed files together; the oldest sealed ones go first.
    pub storage_cap_bytes: u64,
    /// Age at which sealed telemetry is removed; without bound when absent.
    pub retention: Option<Duration>,
    /// Free disk space below which telemetry is refused, retryably.
    pub free_floor_bytes: u64,
    /// The demo that runs beside this collector.
    pub demo: Option<Demo>,
    /// Runs experiments; a collector without a shop beside it has none.
    pub laboratory: Option<Arc<dyn Laboratory>>,
    /// The page.
    pub assets: Arc<dyn Assets>,
    /// Asks the allocator to give back what it holds for the thread that calls: done by the threads that take most, once
    /// there is nothing more to do.
    pub give_back: fn(),
}

impl Config {
    /// The defaults: loopback, ports 4317 to 4319, no page, no demo.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let memory = Memory::within(None);
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Ports::from_base(4317),
            data_dir: data_dir.into(),
            token: None,
            allowed_hosts: Vec::new(),
            connections_per_port: 1_024,
            unread_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            durability: Durability::Fsync,
            memory_cap_bytes: memory.rows_bytes,
            requests_bytes: memory.requests_bytes,
            storage_cap_bytes: 1 << 30,
            retention: Some(Duration::from_secs(7 * 86_400)),
            free_floor_bytes: 256 << 20,
            demo: None,
            laboratory: None,
            assets: Arc::new(NoAssets),
            give_back: || {},
        }
    }
}
