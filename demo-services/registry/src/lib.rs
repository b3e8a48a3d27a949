//! Demo shop: the registry. Services say where they are and that they are alive; callers ask who is there and well.
//!
//! What it knows of instances is soft: every service says it again within seconds. Of two versions of a service it also
//! decides which share of the requests the new one gets; that it keeps. To see the rules, open `directory.rs` and
//! `canary.rs`.

mod canary;
mod canary_http;
mod directory;
mod http;
mod metrics;
mod probe;
mod store;
#[cfg(test)]
mod tests;

use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::database::Database;
use shop_kit::service::{Readiness, Service};
use shop_kit::state_events::StateEventRelay;

use crate::http::Registry;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("registry", narrowable(http::OPERATIONS, &[&DATABASE]))?;
    let db = Database::open(&service.database_path(), store::SCHEMA, service.faults.clone())?;
    let relay = StateEventRelay::start(db.clone(), service.log_exporter()?);
    let registry = Registry::open(db).await?;
    let probes = tokio::spawn(probe::forever(registry.clone(), service.http().clone()));
    let told = tokio::spawn(metrics::forever(registry.clone()));
    let served = service.serve(http::router(registry), Readiness::new()).await;
    probes.abort();
    told.abort();
    drop(relay);
    served
}
