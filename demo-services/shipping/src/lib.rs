//! Demo shop: parcels. Creates and cancels shipments, one an order.

mod http;
mod messages;
mod quote;
mod shipment;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{CONSUMER, DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::outside::Outside;
use shop_kit::participant;
use shop_kit::service::{Assembled, Service};

use crate::http::Shipping;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start(
        "shipping",
        narrowable(
            http::OPERATIONS,
            &[&DATABASE, &CONSUMER, &[FaultKind::StoppedOutboxRelay]],
        ),
    )?;
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, store::SCHEMA)?;
    let retention = durable.retain(&store::RULES);
    let shipping = Shipping {
        db: durable.db.clone(),
        carrier: Outside::new("carrier", Duration::from_millis(30), Duration::from_millis(180)),
    };
    let consumers = participant::take_part(service, &durable, shipping.clone());
    let quotes = durable.consume(quote::QUESTIONS, quote::answer);
    let assembled = Assembled::new(http::router(shipping), durable.readiness());
    Ok(assembled.with(consumers).with(quotes).with(retention).with(durable))
}
