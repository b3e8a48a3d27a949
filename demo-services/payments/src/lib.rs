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
use shop_kit::invariants::Watch;
use shop_kit::outside::Outside;
use shop_kit::participant;
use shop_kit::service::{Assembled, Service};
use shop_kit::two_phase::Inquiry;

use crate::http::Payments;

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
            &[FaultKind::DeclinedCards, FaultKind::StoppedOutboxRelay],
        ],
    );
    let service = Service::start("payments", faults)?;
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let schema = [store::SCHEMA, &[two_phase::SCHEMA]].concat();
    let durable = Durable::open(service, &schema)?;
    let retention = durable.retain(&store::RULES);
    let payments = Payments {
        db: durable.db.clone(),
        faults: service.faults.clone(),
        seed: service.seed(),
        bank: Outside::new("bank", Duration::from_millis(40), Duration::from_millis(300)),
    };
    let consumers = participant::take_part(service, &durable, payments.clone());
    let inquiry = Inquiry::start(
        durable.db.clone(),
        Arc::new(payments.clone()),
        service.caller("booking"),
    );
    let watch = Watch::over(service, &durable.db, invariants::checks())?;
    let assembled = Assembled::new(http::router(payments), durable.readiness());
    Ok(assembled
        .with(watch)
        .with(consumers)
        .with(inquiry)
        .with(retention)
        .with(durable))
}
