//! One order with everything about it, from five services at once; a part that cannot be had is named, not waited for.

use serde_json::{Value, json};
use shop_kit::caller::Caller;
use shop_kit::problem::Problem;

use crate::guard::{Guard, Visitor};
use crate::upstream::{Upstream, get, problem};

/// Products looked up for one order.
const MAX_PRODUCTS: usize = 20;
/// What everybody may know of a user.
const PUBLIC: [&str; 4] = ["id", "display_name", "tier", "status"];

/// The order with user, payment, shipment and products. Without the order itself there is no answer.
pub(crate) async fn order_details(
    upstream: &Upstream,
    guard: &Guard,
    visitor: &Visitor,
    id: &str,
) -> Result<Value, Problem> {
    let (whole, payment, shipment) = tokio::join!(
        order_with_its_parts(upstream, guard, visitor, id),
        part(&upstream.payments, format!("/api/v1/payments/{id}")),
        part(&upstream.shipping, format!("/api/v1/shipments/{id}")),
    );
    let (order, user, products) = whole?;
    Ok(json!({ "order": order, "user": user, "payment": payment, "shipment": shipment, "products": products }))
}

/// The order first: it names the user and the products.
async fn order_with_its_parts(
    upstream: &Upstream,
    guard: &Guard,
    visitor: &Visitor,
    id: &str,
) -> Result<(Value, Value, Vec<Value>), Problem> {
    let order = get(&upstream.orders, &format!("/api/v1/orders/{id}")).await?;
    let owner = order["customer_id"].as_str().unwrap_or_default().to_owned();
    guard.allow_own(visitor, &owner)?;
    let (user, products) = tokio::join!(user(upstream, visitor, &owner), products(upstream, &order));
    Ok((order, user, products))
}

/// A user as the visitor may see them; nothing for a guest.
pub(crate) async fn user(upstream: &Upstream, visitor: &Visitor, id: &str) -> Value {
    let user = part(&upstream.users, format!("/api/v1/users/{id}")).await;
    let is_own = visitor.0.as_ref().is_some_and(|identity| identity.is(id));
    if is_own || user["id"].is_null() {
        return user;
    }
    public(&user)
}

/// What everybody may know of a user.
pub(crate) fn public(user: &Value) -> Value {
    PUBLIC
        .iter()
        .map(|&field| (field.to_owned(), user[field].clone()))
        .collect()
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
pub(crate) async fn part(service: &Caller, path: String) -> Value {
    match service.get::<Value>(&path).await.map_err(problem) {
        Ok(answer) => answer,
        Err(problem) if problem.status == 404 => Value::Null,
        Err(problem) => json!({ "unavailable": problem.detail }),
    }
}
