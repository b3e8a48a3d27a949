//! One order with everything about it, from four services at once; a part that cannot be had is named, not waited for.

use serde_json::{Value, json};
use shop_kit::problem::Problem;

use crate::upstream::{Upstream, get, problem};

/// Products looked up for one order.
const MAX_PRODUCTS: usize = 20;

/// The order with payment, shipment and products. Without the order itself there is no answer.
pub(crate) async fn order_details(upstream: &Upstream, id: &str) -> Result<Value, Problem> {
    let (order, payment, shipment) = tokio::join!(
        get_order(upstream, id),
        part(&upstream.payments, format!("/api/v1/payments/{id}")),
        part(&upstream.shipping, format!("/api/v1/shipments/{id}")),
    );
    let order = order?;
    let products = products(upstream, &order).await;
    Ok(json!({ "order": order, "payment": payment, "shipment": shipment, "products": products }))
}

async fn get_order(upstream: &Upstream, id: &str) -> Result<Value, Problem> {
    get(&upstream.orders, &format!("/api/v1/orders/{id}")).await
}

async fn products(upstream: &Upstream, order: &Value) -> Vec<Value> {
    let items = order["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = items
        .iter()
        .take(MAX_PRODUCTS)
        .filter_map(|item| item["product_id"].as_str());
    let lookups = ids.map(|id| part(&upstream.catalog, format!("/api/v1/products/{id}")));
    futures_util::future::join_all(lookups).await
}

/// A part of the whole: what the service answered, nothing when it has none, or why it cannot be had.
async fn part(service: &shop_kit::caller::Caller, path: String) -> Value {
    match service.get::<Value>(&path).await.map_err(problem) {
        Ok(answer) => answer,
        Err(problem) if problem.status == 404 => Value::Null,
        Err(problem) => json!({ "unavailable": problem.detail }),
    }
}
