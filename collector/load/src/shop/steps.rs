//! What spans of a kind carry: nine attributes each.

use sagascope_conventions::attributes::{SAGA_COORDINATION, SAGA_ID, SAGA_NAME, SAGA_STATE};

use super::attributes::Is::{Amount, Flag, Hex, Int, OneOf, Text, UpTo};
use super::attributes::{Attribute, ORDER};

pub(super) const fn server(method: &'static str, route: &'static str, status: i64, own: Attribute) -> [Attribute; 9] {
    [
        ("http.request.method", Text(method)),
        ("http.route", Text(route)),
        ("http.response.status_code", Int(status)),
        ("url.scheme", Text("http")),
        ("network.protocol.version", Text("1.1")),
        ("server.address", Text("shop.internal")),
        ("http.request.body.size", UpTo(2_000)),
        ("user_agent.original", OneOf(&AGENTS)),
        own,
    ]
}

pub(super) const fn client(
    method: &'static str,
    peer: &'static str,
    url: &'static str,
    status: i64,
    own: Attribute,
) -> [Attribute; 9] {
    [
        ("http.request.method", Text(method)),
        ("http.response.status_code", Int(status)),
        ("url.full", Text(url)),
        ("service.peer.name", Text(peer)),
        ("server.port", Int(8080)),
        ("http.request.resend_count", UpTo(1)),
        ("circuit_breaker.name", Text(peer)),
        ("retry.attempts", Int(1)),
        own,
    ]
}

pub(super) const fn database(
    name: &'static str,
    operation: &'static str,
    table: &'static str,
    query: &'static str,
) -> [Attribute; 9] {
    [
        ("db.system.name", Text("postgresql")),
        ("db.namespace", Text(name)),
        ("db.operation.name", Text(operation)),
        ("db.collection.name", Text(table)),
        ("db.query.text", Text(query)),
        ("db.response.returned_rows", UpTo(40)),
        ("server.address", Text("postgres.internal")),
        ("server.port", Int(5432)),
        ("order.id", ORDER),
    ]
}

pub(super) const fn message(
    operation: &'static str,
    topic: &'static str,
    group: &'static str,
    salt: u32,
) -> [Attribute; 9] {
    [
        ("messaging.system", Text("kafka")),
        ("messaging.operation.type", Text(operation)),
        ("messaging.destination.name", Text(topic)),
        ("messaging.consumer.group.name", Text(group)),
        ("messaging.destination.partition.id", OneOf(&PARTITIONS)),
        ("messaging.message.id", Hex("m-", salt)),
        ("messaging.message.body.size", UpTo(900)),
        ("messaging.kafka.offset", UpTo(5_000_000)),
        ("order.id", ORDER),
    ]
}

pub(super) const fn saga(step: &'static str, index: i64) -> [Attribute; 9] {
    [
        (SAGA_NAME, Text("order")),
        (SAGA_ID, ORDER),
        (SAGA_COORDINATION, Text("orchestration")),
        ("saga.step.name", Text(step)),
        ("saga.step.index", Int(index)),
        ("saga.step.attempt", Int(1)),
        ("order.total", Amount(50_000)),
        ("order.currency", OneOf(&CURRENCIES)),
        ("feature.express_checkout", Flag(true)),
    ]
}

/// Of the span over all steps. A failing journey changes the state.
pub(super) const fn whole_saga() -> [Attribute; 9] {
    [
        (SAGA_NAME, Text("order")),
        (SAGA_ID, ORDER),
        (SAGA_COORDINATION, Text("orchestration")),
        (SAGA_STATE, Text("completed")),
        ("order.items", UpTo(9)),
        ("order.total", Amount(50_000)),
        ("order.currency", OneOf(&CURRENCIES)),
        ("payment.method", OneOf(&["card", "invoice", "wallet"])),
        ("feature.express_checkout", Flag(true)),
    ]
}

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/139.0.0.0 Safari/537.36",
    "shop-app/8.3.1 (Android 16)",
];
const PARTITIONS: [&str; 6] = ["0", "1", "2", "3", "4", "5"];
const CURRENCIES: [&str; 3] = ["EUR", "USD", "GBP"];
