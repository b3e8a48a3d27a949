//! Demo shop: carts. Filling one asks nobody, so it goes on whoever is down; only the checkout needs orders.
//!
//! To see the rules, open `add_item.rs`, `remove_item.rs` and `check_out.rs`.

mod add_item;
mod cart;
mod check_out;
mod http;
mod remove_item;
mod store;
#[cfg(test)]
mod tests;

use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::service::{Assembled, Service};

use crate::http::Carts;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start("cart", narrowable(http::OPERATIONS, &[&DATABASE]))?;
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, store::SCHEMA)?;
    let retention = durable.retain(&store::RULES);
    let carts = Carts {
        db: durable.db.clone(),
        orders: service.caller("orders"),
    };
    let assembled = Assembled::new(http::router(carts), durable.readiness());
    Ok(assembled.with(retention).with(durable))
}
