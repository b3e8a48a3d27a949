//! Demo shop: hotels. Lets rooms by the night, and never one night twice.
//!
//! To see the rules, open `reserve.rs`, `confirm.rs` and `release.rs`: each is a pure function.

mod commands;
mod confirm;
mod http;
pub mod invariants;
mod release;
mod reservation;
mod reserve;
mod room;
mod store;
#[cfg(test)]
mod tests;
mod two_phase;

use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::invariants::Watch;
use shop_kit::outside::Outside;
use shop_kit::service::{Assembled, Service};
use shop_kit::two_phase::Inquiry;

use crate::http::Hotels;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let faults = narrowable(
        http::OPERATIONS,
        &[&DATABASE, &[FaultKind::OutOfStock, FaultKind::StoppedOutboxRelay]],
    );
    let service = Service::start("hotels", faults)?;
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
    let hotels = Hotels {
        db: durable.db.clone(),
        reception: Outside::new("reception", Duration::from_millis(10), Duration::from_millis(80)),
    };
    let coordinator = service.caller("booking");
    let participant = Arc::new(hotels.clone());
    let inquiry = Inquiry::start(&service.actions, durable.db.clone(), participant, coordinator);
    let watch = Watch::over(service, &durable.db, invariants::checks())?;
    let assembled = Assembled::new(http::router(hotels), durable.readiness());
    Ok(assembled.with(watch).with(inquiry).with(retention).with(durable))
}
