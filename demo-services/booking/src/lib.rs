//! Demo shop: bookings of a room, and of a car when one is wanted. The orchestrator of the booking saga.
//!
//! To see the rules, open `create_booking.rs`, `confirm_booking.rs` and `cancel_booking.rs`; to see the saga,
//! `booking_saga.rs`.

mod booking;
mod booking_saga;
mod booking_store;
mod cancel_booking;
mod confirm_booking;
mod create_booking;
mod http;
mod place_booking;
mod remote;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::service::Service;

use crate::booking_saga::BookingSaga;
use crate::http::Bookings;
use crate::remote::Peers;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let faults = narrowable(http::OPERATIONS, &[&DATABASE, &[FaultKind::StoppedOutboxRelay]]);
    let service = Service::start("booking", faults)?;
    let durable = Durable::open(&service, booking_store::SCHEMA)?;
    let db = durable.db.clone();
    let peers = Arc::new(Peers::of(&service));
    let saga = Arc::new(BookingSaga::new(db.clone(), peers, &service.profile));
    let _sagas = durable.run_saga(saga.clone());
    let _retention = durable.retain(&booking_store::RULES);
    let bookings = Bookings { db, saga };
    service.serve(http::router(bookings), durable.readiness()).await
}
