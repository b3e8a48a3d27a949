//! Demo shop: read models over the events of others. `daily_sales` follows `orders.events`, `revenue` follows
//! `payments.events`; each tells its position and lag, and can be paused.

mod daily_sales;
mod http;
mod revenue;
#[cfg(test)]
mod tests;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{CONSUMER, DATABASE, capabilities};
use shop_kit::consumer::Subscription;
use shop_kit::durable::Durable;
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
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, SCHEMA)?;
    let daily_sales = Subscription {
        group: "analytics.daily_sales",
        topics: &["orders.events"],
        projection: Some(daily_sales::NAME),
    };
    let revenue = Subscription {
        group: "analytics.revenue",
        topics: &["payments.events"],
        projection: Some(revenue::NAME),
    };
    let daily_sales = durable.consume(daily_sales, |tx, message, _| daily_sales::apply(tx, message));
    let revenue = durable.consume(revenue, |tx, message, _| revenue::apply(tx, message));
    let assembled = Assembled::new(http::router(durable.db.clone()), durable.readiness());
    Ok(assembled.with(daily_sales).with(revenue).with(durable))
}
