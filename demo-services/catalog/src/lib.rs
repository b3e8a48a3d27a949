//! Demo shop: the catalog. Browse by category, look a product up, search by words.

mod http;
mod product;
mod store;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::service::{Assembled, Service};

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot start: a port is taken, or its database is damaged.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start(
        "catalog",
        narrowable(http::OPERATIONS, &[&DATABASE, &[FaultKind::StoppedOutboxRelay]]),
    )?;
    assemble(&service).await?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub async fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, &[store::TABLES])?;
    store::fill(&durable.db, product::assortment()).await?;
    let assembled = Assembled::new(http::router(durable.db.clone()), durable.readiness());
    Ok(assembled.with(durable))
}
