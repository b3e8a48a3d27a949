//! Demo shop: money. Charges and refunds orders, event-sourced, with a double-entry ledger beside the events.
//!
//! To see the rules, open `charge.rs` and `refund.rs`; to see the books, `ledger.rs`.

mod audit_http;
mod cards;
mod charge;
mod commands;
mod http;
pub mod invariants;
mod ledger;
mod messages;
mod payment;
mod refund;
mod store;
#[cfg(test)]
mod tests;
mod two_phase;

use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{CONSUMER, DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::duties::Duties;
use shop_kit::invariants::Watch;
use shop_kit::outside::Outside;
use shop_kit::participant;
use shop_kit::service::{Assembled, Service};
use shop_kit::two_phase::Inquiry;

use crate::http::Payments;

/// Runs the service until it is told to stop; with a version, as a canary beside its first process, on the same data.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run(canary: Option<String>) -> anyhow::Result<()> {
    let faults = narrowable(
        http::OPERATIONS,
        &[
            &DATABASE,
            &CONSUMER,
            &[FaultKind::DeclinedCards, FaultKind::StoppedOutboxRelay],
        ],
    );
    let service = Service::start_beside("payments", canary, faults)?;
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let schema = [store::SCHEMA, &[two_phase::SCHEMA]].concat();
    let durable = Arc::new(Durable::open_shared(service, &schema)?);
    let payments = Payments {
        db: durable.db.clone(),
        faults: service.faults.clone(),
        seed: service.seed(),
        bank: Outside::new("bank", Duration::from_millis(40), Duration::from_millis(300)),
    };
    let readiness = durable.readiness();
    let participant = payments.clone();
    let duties = Duties::share(service, durable, |service, durable| {
        let consumers = participant::take_part(service, durable, participant.clone());
        let booking = service.caller("booking");
        let participant = Arc::new(participant);
        let inquiry = Inquiry::start(&service.actions, durable.db.clone(), participant, booking);
        let watch = Watch::over(service, &durable.db, invariants::checks())?;
        Ok((consumers, inquiry, watch, durable.retain(&store::RULES)))
    })?;
    Ok(Assembled::new(http::router(payments), readiness).with(duties))
}
