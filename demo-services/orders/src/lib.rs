//! Demo shop: orders. Event-sourced, with read models beside, and the orchestrator of the order saga.
//!
//! To see the rules, open `create_order.rs`, `confirm_order.rs` and `cancel_order.rs`; to see the saga, `order_saga.rs`.

mod add_item;
mod cancel_order;
mod confirm_order;
mod create_order;
mod event_forms;
mod history_http;
mod http;
mod open_order;
mod open_order_http;
mod order;
mod order_saga;
mod order_store;
mod place_order;
mod prices;
mod read_models;
mod remote;
mod replace_http;
mod retention;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::service::{Assembled, Service};

use crate::http::Orders;
use crate::order_saga::OrderSaga;
use crate::prices::Prices;
use crate::remote::Peers;

/// Tables of the read models; the orders themselves are in the kit's event store.
const SCHEMA: &[&str] = &[
    read_models::SCHEMA[0],
    read_models::SCHEMA[1],
    read_models::SCHEMA[2],
    read_models::SCHEMA[3],
    open_order::SCHEMA,
];

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken or its database cannot be opened.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::start(
        "orders",
        narrowable(
            http::OPERATIONS,
            &[&DATABASE, &[FaultKind::PausedProjection, FaultKind::StoppedOutboxRelay]],
        ),
    )?;
    assemble(&service)?.serve(service).await
}

/// Puts the service together on what `service` gives: a place for its data, and its ways to others.
///
/// # Errors
/// When its database cannot be opened.
pub fn assemble(service: &Service) -> anyhow::Result<Assembled> {
    let durable = Durable::open(service, SCHEMA)?;
    let db = durable.db.clone();
    let peers = Arc::new(Peers::of(service));
    let saga = Arc::new(OrderSaga::new(db.clone(), peers.clone(), &service.profile));
    let read_models = durable.read_models(read_models::MODELS);
    let sagas = durable.run_saga(saga.clone());
    let retention = durable.retain(&retention::RULES);
    let orders = Orders {
        db,
        saga,
        prices: Arc::new(Prices::new(peers)),
    };
    let assembled = Assembled::new(http::router(orders), durable.readiness());
    Ok(assembled.with(sagas).with(read_models).with(retention).with(durable))
}
