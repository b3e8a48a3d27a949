//! Demo shop: letters to customers. Listens to `orders.events` and writes one letter for each final state of an order,
//! however often a message is delivered. Mails go out as background jobs.

mod http;
pub mod invariants;
mod letter;
mod mail;
mod store;
#[cfg(test)]
mod tests;

use shop_kit::capabilities::{CONSUMER, DATABASE, narrowable};
use shop_kit::consumer::Subscription;
use shop_kit::durable::Durable;
use shop_kit::invariants::Watch;
use shop_kit::service::{Assembled, Service};

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("notifications", narrowable(&[mail::SEND], &[&DATABASE, &CONSUMER]))?;
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, store::SCHEMA)?;
    let subscription = Subscription {
        group: "notifications",
        topics: &["orders.events"],
        projection: None,
    };
    let retention = durable.retain(&store::RULES);
    let consumer = durable.consume(subscription, |tx, message, _| store::handle(tx, message));
    let db = durable.db.clone();
    let mails = durable.work_off(mail::QUEUE, move |job| mail::send(db.clone(), job));
    let watch = Watch::over(service, &durable.db, invariants::checks())?;
    let assembled = Assembled::new(http::router(durable.db.clone()), durable.readiness());
    Ok(assembled
        .with(watch)
        .with(consumer)
        .with(mails)
        .with(retention)
        .with(durable))
}
