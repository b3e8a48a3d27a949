//! Demo shop: the registry. Services say where they are and that they are alive; callers ask who is there and well.
//!
//! What it knows of instances is soft: every service says it again within seconds. Of two versions of a service it also
//! decides which share of the requests the new one gets. To see the rules, open `directory.rs` and `canary.rs`.

mod canary;
mod canary_http;
mod directory;
mod http;
mod metrics;
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
    let told = tokio::spawn(metrics::forever(registry.clone()));
    let served = service.serve(http::router(registry), Readiness::new()).await;
    probes.abort();
    told.abort();
    served
}
