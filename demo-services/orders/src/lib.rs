//! Demo shop: orders. Event-sourced, with read models beside, and the orchestrator of the order saga.
//!
//! To see the rules, open `create_order.rs`, `confirm_order.rs` and `cancel_order.rs`; to see the saga, `order_saga.rs`.

mod add_item;
mod cancel_order;
mod confirm_order;
mod copies;
mod create_order;
mod event_forms;
mod flows;
mod history_http;
mod http;
pub mod invariants;
mod open_order;
mod open_order_http;
mod order;
mod order_saga;
mod order_store;
mod place_order;
mod prices;
mod quotes;
mod read_models;
mod remote;
mod replace_http;
mod retention;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sagascope_conventions::{FaultKind, OrderFlow};
use shop_kit::capabilities::{CONSUMER, DATABASE, narrowable};
use shop_kit::consumer::Subscription;
use shop_kit::durable::Durable;
use shop_kit::invariants::Watch;
use shop_kit::participant::{self, Publish};
use shop_kit::request_reply::Requester;
use shop_kit::service::{Assembled, Service};
use shop_kit::simulated;
use tokio::task::JoinSet;

use crate::flows::messages::{self, OverMessages};
use crate::flows::sync::SyncOrders;
use crate::http::Orders;
use crate::order_saga::{EventSourced, Hardened, OrderSaga};
use crate::prices::Prices;
use crate::remote::{Bare, Peers};

/// Tables of the read models; the orders themselves are in the kit's event store.
const SCHEMA: &[&str] = &[
    read_models::SCHEMA[0],
    read_models::SCHEMA[1],
    read_models::SCHEMA[2],
    read_models::SCHEMA[3],
    read_models::SCHEMA[4],
    copies::SCHEMA,
    open_order::SCHEMA,
    messages::SCHEMA,
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
            &[
                &DATABASE,
                &CONSUMER,
                &[FaultKind::PausedProjection, FaultKind::StoppedOutboxRelay],
            ],
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
    let (db, profile, patience) = (durable.db.clone(), &service.profile, service.profile.call_timeout);
    let peers = Peers::of(service);
    let read_models = durable.read_models(read_models::MODELS);
    let by_message = OverMessages::new(db.clone(), profile.breaker, patience, &service.events);
    let mut reports = JoinSet::new();
    reports.spawn(simulated::carry(by_message.clone().report()));
    let fourth = OrderSaga::<_, EventSourced>::new(db.clone(), Arc::new(peers.clone()), profile);
    let third = OrderSaga::<_, Hardened>::new(db.clone(), Arc::new(by_message.clone()), profile);
    let sagas = [durable.run_saga(Arc::new(fourth)), durable.run_saga(Arc::new(third))];
    let publisher: Arc<dyn Publish> = Arc::new(durable.broker.clone());
    let consumers = [
        heard(OrderFlow::Broker).map(|from| {
            let publisher = publisher.clone();
            durable.consume_with(from, flows::broker::Replies { publisher })
        }),
        heard(OrderFlow::Hardened).map(|from| {
            let replies = by_message.replies(from.group);
            durable.consume_with(from, replies)
        }),
        heard(OrderFlow::Choreographed).map(|from| durable.consume(from, flows::choreographed::react)),
    ];
    service.actions.offer({
        let (db, broker) = (durable.db.clone(), durable.broker.clone());
        move |action| flows::choreographed_actions::carry_out(db.clone(), broker.clone(), action)
    });
    let copies = [
        durable.consume(copies::PRODUCTS, |tx, message, _| copies::product(tx, message)),
        durable.consume(copies::CUSTOMERS, |tx, message, _| copies::customer(tx, message)),
    ];
    let retention = durable.retain(&retention::RULES);
    let inline = SyncOrders {
        db: db.clone(),
        remote: Arc::new(Bare(peers.clone())),
        steps: order_saga::steps(profile),
        events: service.events.clone(),
    };
    let orders = Orders {
        db,
        prices: Arc::new(Prices::new(Arc::new(peers))),
        steps: order_saga::steps(profile),
        inline: Arc::new(inline),
        publisher,
    };
    let asking = Requester::start(
        quotes::ANSWERS,
        quotes::ANSWER_TOPICS,
        durable.db.clone(),
        durable.broker.clone(),
    );
    let router = http::router(orders).merge(quotes::router(asking));
    let assembled = Assembled::new(router, durable.readiness());
    let watch = Watch::over(service, &durable.db, invariants::checks()?)?;
    let assembled = assembled
        .with(watch)
        .with(reports)
        .with(consumers)
        .with(copies)
        .with(sagas);
    Ok(assembled.with(read_models).with(retention).with(durable))
}

fn heard(flow: OrderFlow) -> Option<Subscription> {
    participant::subscription(flow, "orders")
}
