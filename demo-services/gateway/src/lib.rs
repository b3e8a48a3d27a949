//! Demo shop: the gateway. The one door for shoppers: it routes, composes answers of several services, and goes on
//! selling from memory when the catalog is down.

mod compose;
mod http;
mod shelf;
mod upstream;

use shop_kit::capabilities::narrowable;
use shop_kit::service::{Assembled, Readiness, Service};

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot start: its port is taken.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("gateway", narrowable(http::OPERATIONS, &[]))?;
    assemble(&service).serve(service).await
}

/// Puts the gateway together on what `service` gives.
pub fn assemble(service: &Service) -> Assembled {
    Assembled::new(http::router(upstream::Upstream::of(service)), Readiness::new())
}
