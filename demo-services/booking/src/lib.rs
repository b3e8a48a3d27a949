//! Demo shop: bookings of a room, and of a car when one is wanted. The orchestrator of the booking saga.
//!
//! To see the rules, open `create_booking.rs`, `confirm_booking.rs` and `cancel_booking.rs`; to see the saga,
//! `booking_saga.rs`; to see what it is compared with, `two_phase`.

mod booking;
mod booking_saga;
mod booking_store;
mod cancel_booking;
mod confirm_booking;
mod create_booking;
mod http;
pub mod invariants;
mod place_booking;
mod price;
mod remote;
#[cfg(test)]
mod tests;
mod two_phase;

use std::sync::Arc;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{DATABASE, narrowable, with_points};
use shop_kit::durable::Durable;
use shop_kit::invariants::Watch;
use shop_kit::service::{Assembled, Service};

use crate::booking_saga::BookingSaga;
use crate::http::Bookings;
use crate::remote::Peers;
use crate::two_phase::Coordinator;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let faults = narrowable(http::OPERATIONS, &[&DATABASE, &[FaultKind::StoppedOutboxRelay]]);
    let service = Service::start("booking", with_points(faults, &[two_phase::DECIDE]))?;
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, &[booking_store::SCHEMA, two_phase::SCHEMA])?;
    let db = durable.db.clone();
    let peers = Arc::new(Peers::of(service));
    let saga = Arc::new(BookingSaga::new(db.clone(), peers.clone(), &service.profile));
    let sagas = durable.run_saga(saga.clone());
    let coordinator = Coordinator::start(db.clone(), peers, &service.profile);
    let retention = durable.retain(&booking_store::RULES);
    let watch = Watch::over(service, &db, invariants::checks())?;
    let assembled = Assembled::new(http::router(Bookings { db, saga }), durable.readiness());
    Ok(assembled
        .with(watch)
        .with(sagas)
        .with(coordinator)
        .with(retention)
        .with(durable))
}
