//! Demo shop: read models over the events of others. `feed` takes over what orders and payments tell, partition by
//! partition; `daily_sales` and `revenue` follow it. Each tells its position and lag, can be paused, and rebuilt.

mod daily_sales;
mod feed;
mod http;
mod revenue;
#[cfg(test)]
mod tests;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{CONSUMER, DATABASE, capabilities};
use shop_kit::durable::Durable;
use shop_kit::invariants::{Watch, read_models_only_go_on, versions_are_whole};
use shop_kit::service::{Assembled, Service};

/// Tables of both read models.
const SCHEMA: &[&str] = &[daily_sales::SCHEMA, revenue::SCHEMA];

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start(
        "analytics",
        capabilities(&[&DATABASE, &CONSUMER, &[FaultKind::PausedProjection]]),
    )?;
    assemble(&service).await?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub async fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, SCHEMA)?;
    durable.db.write(feed::adopt).await?;
    let read_models = durable.read_models(feed::MODELS);
    let feeds = feed::FEEDS.map(|from| durable.consume(from, feed::take));
    let retention = durable.retain(&feed::RULES);
    let checks = vec![versions_are_whole(), read_models_only_go_on()];
    let watch = Watch::over(service, &durable.db, checks)?;
    let assembled = Assembled::new(http::router(durable.db.clone()), durable.readiness());
    Ok(assembled
        .with(watch)
        .with(feeds)
        .with(read_models)
        .with(retention)
        .with(durable))
}
