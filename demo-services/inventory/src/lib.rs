//! Demo shop: stock. Reserves, releases and sells goods, and never sells what is not there.
//!
//! To see the rules, open `reserve.rs`, `release.rs`, `confirm.rs` and `restock.rs`: each is a pure function.

mod commands;
mod confirm;
mod first_filling;
mod http;
pub mod invariants;
mod messages;
mod release;
mod reservation;
mod reserve;
mod restock;
mod stock;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{CONSUMER, DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::invariants::Watch;
use shop_kit::outside::Outside;
use shop_kit::participant;
use shop_kit::service::{Assembled, Service};

use crate::http::Inventory;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let faults = narrowable(
        http::OPERATIONS,
        &[
            &DATABASE,
            &CONSUMER,
            &[FaultKind::OutOfStock, FaultKind::StoppedOutboxRelay],
        ],
    );
    let service = Service::start("inventory", faults)?;
    assemble(&service).await?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub async fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, store::SCHEMA)?;
    durable.db.write(store::fill).await?;
    let retention = durable.retain(&store::RULES);
    let inventory = Inventory {
        db: durable.db.clone(),
        faults: service.faults.clone(),
        warehouse: Outside::new("warehouse", Duration::from_millis(15), Duration::from_millis(90)),
    };
    let consumers = participant::take_part(service, &durable, inventory.clone());
    let watch = Watch::over(service, &durable.db, invariants::checks())?;
    let assembled = Assembled::new(http::router(inventory), durable.readiness());
    Ok(assembled.with(watch).with(consumers).with(retention).with(durable))
}
