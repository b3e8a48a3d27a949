//! What happens in the shop: journeys of eight spans each through its services, with nine attributes of their own a span.
//! Three more are common to all.

use super::attributes::Is::{Flag, Hex, Numbered, OneOf, UpTo};
use super::attributes::{Attribute, ORDER};
use super::steps::{client, database, message, saga, server, whole_saga};

/// The services, in the order of their numbers.
pub(super) const SERVICES: [&str; 8] = [
    "gateway",
    "catalog",
    "orders",
    "payments",
    "inventory",
    "shipping",
    "notifications",
    "analytics",
];
const GATEWAY: usize = 0;
const CATALOG: usize = 1;
const ORDERS: usize = 2;
const PAYMENTS: usize = 3;
const INVENTORY: usize = 4;
const SHIPPING: usize = 5;
const NOTIFICATIONS: usize = 6;
const ANALYTICS: usize = 7;

/// Kinds of spans, by the numbers of the protocol.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

/// One span of a journey.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) service: usize,
    pub(super) parent: Option<u32>,
    pub(super) kind: i32,
    pub(super) name: &'static str,
    /// When it begins and ends, microseconds after the journey began.
    pub(super) micros: (u64, u64),
    pub(super) attributes: [Attribute; 9],
}

/// A way through the shop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journey {
    /// Of a hundred.
    pub(super) share: u64,
    /// The step that fails when the journey does.
    pub(super) fails_at: usize,
    pub(super) steps: [Step; 8],
}

const fn step(
    service: usize,
    parent: Option<u32>,
    kind: i32,
    name: &'static str,
    micros: (u64, u64),
    attributes: [Attribute; 9],
) -> Step {
    Step {
        service,
        parent,
        kind,
        name,
        micros,
        attributes,
    }
}

/// Looks at a product and its price.
const BROWSE: Journey = Journey {
    share: 55,
    fails_at: 3,
    steps: [
        step(
            GATEWAY,
            None,
            SERVER,
            "GET /products/{id}",
            (0, 21_000),
            server("GET", "/products/{id}", 200, ("product.id", Numbered("p-", 20_000))),
        ),
        step(
            GATEWAY,
            Some(0),
            CLIENT,
            "GET catalog",
            (400, 9_000),
            client(
                "GET",
                "catalog",
                "http://catalog.shop.svc:8080/products",
                200,
                ("product.id", Numbered("p-", 20_000)),
            ),
        ),
        step(
            CATALOG,
            Some(1),
            SERVER,
            "GET /products/{id}",
            (900, 8_400),
            server("GET", "/products/{id}", 200, ("cache.hit", Flag(false))),
        ),
        step(
            CATALOG,
            Some(2),
            CLIENT,
            "SELECT catalog.products",
            (1_300, 6_900),
            database(
                "catalog",
                "SELECT",
                "products",
                "SELECT id, title, price FROM products WHERE id = $1",
            ),
        ),
        step(
            GATEWAY,
            Some(0),
            CLIENT,
            "GET inventory",
            (9_300, 19_000),
            client(
                "GET",
                "inventory",
                "http://inventory.shop.svc:8080/stock",
                200,
                ("product.id", Numbered("p-", 20_000)),
            ),
        ),
        step(
            INVENTORY,
            Some(4),
            SERVER,
            "GET /stock/{product}",
            (9_900, 18_200),
            server("GET", "/stock/{product}", 200, ("stock.level", UpTo(400))),
        ),
        step(
            INVENTORY,
            Some(5),
            CLIENT,
            "SELECT inventory.stock",
            (10_400, 15_000),
            database(
                "inventory",
                "SELECT",
                "stock",
                "SELECT available, reserved FROM stock WHERE product_id = $1",
            ),
        ),
        step(
            ANALYTICS,
            Some(0),
            CONSUMER,
            "process product-views",
            (22_000, 26_000),
            message("process", "product-views", "analytics", 31),
        ),
    ],
};

/// Places an order: a saga over payment, stock and shipping.
const PLACE_ORDER: Journey = Journey {
    share: 25,
    fails_at: 4,
    steps: [
        step(
            GATEWAY,
            None,
            SERVER,
            "POST /orders",
            (0, 92_000),
            server("POST", "/orders", 201, ("order.id", ORDER)),
        ),
        step(ORDERS, Some(0), INTERNAL, "saga order", (1_100, 90_500), whole_saga()),
        step(
            ORDERS,
            Some(1),
            CLIENT,
            "INSERT orders.orders",
            (1_900, 7_000),
            database(
                "orders",
                "INSERT",
                "orders",
                "INSERT INTO orders (id, customer_id, total, state) VALUES ($1, $2, $3, 'placed')",
            ),
        ),
        step(
            ORDERS,
            Some(1),
            INTERNAL,
            "saga.step charge_payment",
            (7_500, 48_000),
            saga("charge_payment", 0),
        ),
        step(
            PAYMENTS,
            Some(3),
            SERVER,
            "POST /payments",
            (8_800, 46_000),
            server(
                "POST",
                "/payments",
                201,
                ("payment.method", OneOf(&["card", "invoice", "wallet"])),
            ),
        ),
        step(
            ORDERS,
            Some(1),
            INTERNAL,
            "saga.step reserve_stock",
            (48_500, 66_000),
            saga("reserve_stock", 1),
        ),
        step(
            INVENTORY,
            Some(5),
            CONSUMER,
            "process reserve-stock",
            (51_000, 64_000),
            message("process", "inventory.commands", "inventory", 32),
        ),
        step(
            ORDERS,
            Some(1),
            INTERNAL,
            "saga.step arrange_shipping",
            (66_500, 88_000),
            saga("arrange_shipping", 2),
        ),
    ],
};

/// Asks where a parcel is.
const TRACK: Journey = Journey {
    share: 12,
    fails_at: 6,
    steps: [
        step(
            GATEWAY,
            None,
            SERVER,
            "GET /orders/{id}",
            (0, 33_000),
            server("GET", "/orders/{id}", 200, ("order.id", ORDER)),
        ),
        step(
            GATEWAY,
            Some(0),
            CLIENT,
            "GET orders",
            (500, 14_000),
            client(
                "GET",
                "orders",
                "http://orders.shop.svc:8080/orders",
                200,
                ("order.id", ORDER),
            ),
        ),
        step(
            ORDERS,
            Some(1),
            SERVER,
            "GET /orders/{id}",
            (1_000, 13_000),
            server("GET", "/orders/{id}", 200, ("order.id", ORDER)),
        ),
        step(
            ORDERS,
            Some(2),
            CLIENT,
            "SELECT orders.order_summary",
            (1_600, 11_000),
            database(
                "orders",
                "SELECT",
                "order_summary",
                "SELECT state, total, placed_at FROM order_summary WHERE id = $1",
            ),
        ),
        step(
            GATEWAY,
            Some(0),
            CLIENT,
            "GET shipping",
            (14_500, 31_000),
            client(
                "GET",
                "shipping",
                "http://shipping.shop.svc:8080/shipments",
                200,
                ("order.id", ORDER),
            ),
        ),
        step(
            SHIPPING,
            Some(4),
            SERVER,
            "GET /shipments/{id}",
            (15_200, 30_000),
            server("GET", "/shipments/{id}", 200, ("order.id", ORDER)),
        ),
        step(
            SHIPPING,
            Some(5),
            CLIENT,
            "GET carrier",
            (16_000, 28_000),
            client(
                "GET",
                "carrier",
                "https://carrier.example/v2/parcels",
                200,
                ("parcel.id", Hex("pk-", 33)),
            ),
        ),
        step(
            SHIPPING,
            Some(5),
            CLIENT,
            "UPDATE shipping.shipments",
            (28_300, 29_800),
            database(
                "shipping",
                "UPDATE",
                "shipments",
                "UPDATE shipments SET seen_at = now(), place = $2 WHERE order_id = $1",
            ),
        ),
    ],
};

/// What follows an order: letters and figures.
const FOLLOW_UP: Journey = Journey {
    share: 8,
    fails_at: 5,
    steps: [
        step(
            ORDERS,
            None,
            PRODUCER,
            "send order-events",
            (0, 2_500),
            message("send", "order-events", "", 34),
        ),
        step(
            ORDERS,
            Some(0),
            CLIENT,
            "UPDATE orders.outbox",
            (200, 2_000),
            database(
                "orders",
                "UPDATE",
                "outbox",
                "UPDATE outbox SET sent_at = now() WHERE id = ANY($1)",
            ),
        ),
        step(
            NOTIFICATIONS,
            Some(0),
            CONSUMER,
            "process order-events",
            (5_000, 61_000),
            message("process", "order-events", "notifications", 34),
        ),
        step(
            NOTIFICATIONS,
            Some(2),
            CLIENT,
            "SELECT notifications.templates",
            (5_400, 9_000),
            database(
                "notifications",
                "SELECT",
                "templates",
                "SELECT subject, body FROM templates WHERE event = $1 AND language = $2",
            ),
        ),
        step(
            NOTIFICATIONS,
            Some(2),
            CLIENT,
            "POST mail",
            (9_500, 55_000),
            client(
                "POST",
                "mail",
                "https://mail.example/v1/messages",
                202,
                ("letter.language", OneOf(&["en", "de", "fr", "pl"])),
            ),
        ),
        step(
            ANALYTICS,
            Some(0),
            CONSUMER,
            "process order-events",
            (6_000, 21_000),
            message("process", "order-events", "analytics", 34),
        ),
        step(
            ANALYTICS,
            Some(5),
            CLIENT,
            "INSERT analytics.daily_sales",
            (6_500, 18_000),
            database(
                "analytics",
                "INSERT",
                "daily_sales",
                "INSERT INTO daily_sales (day, product_id, amount) VALUES ($1, $2, $3) ON CONFLICT DO UPDATE",
            ),
        ),
        step(
            ANALYTICS,
            Some(5),
            INTERNAL,
            "projection daily_sales",
            (18_200, 20_500),
            message("process", "order-events", "daily_sales", 34),
        ),
    ],
};

/// All journeys; their shares make a hundred.
pub(super) const JOURNEYS: [Journey; 4] = [BROWSE, PLACE_ORDER, TRACK, FOLLOW_UP];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_a_hundred_and_each_span_lies_within_the_journey_of_its_parent() {
        assert_eq!(JOURNEYS.iter().map(|journey| journey.share).sum::<u64>(), 100);
        for journey in &JOURNEYS {
            for (place, step) in journey.steps.iter().enumerate() {
                assert!(step.micros.0 < step.micros.1, "{}", step.name);
                let Some(parent) = step.parent else {
                    assert_eq!(place, 0, "{} is a second root", step.name);
                    continue;
                };
                let parent = &journey.steps[usize::try_from(parent).unwrap()];
                assert!(
                    parent.micros.0 <= step.micros.0,
                    "{} begins before its parent",
                    step.name
                );
            }
        }
    }

    #[test]
    fn every_service_takes_part() {
        for (service, name) in SERVICES.iter().enumerate() {
            let takes_part = |journey: &Journey| journey.steps.iter().any(|step| step.service == service);
            assert!(JOURNEYS.iter().any(takes_part), "{name}");
        }
    }
}
