//! Demo shop: the registry. Services say where they are and that they are alive; callers ask who is there and well.
//!
//! What it knows is soft: every service says it again within seconds, so nothing is kept on disk. To see the rules,
//! open `directory.rs`.

mod directory;
mod http;
mod probe;
#[cfg(test)]
mod tests;

use shop_kit::capabilities::narrowable;
use shop_kit::service::{Readiness, Service};

use crate::http::Registry;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("registry", narrowable(http::OPERATIONS, &[]))?;
    let registry = Registry::default();
    let probes = tokio::spawn(probe::forever(registry.clone(), service.http().clone()));
    let served = service.serve(http::router(registry), Readiness::new()).await;
    probes.abort();
    served
}
