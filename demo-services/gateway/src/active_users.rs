//! "Orders of active users of the last month", answered by composition: the users from one service, the orders of each
//! from another, in parallel; whose orders cannot be had is shown without.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use shop_kit::clock;
use shop_kit::problem::Problem;
use shop_kit::request::check_id;

use crate::compose::{part, public};
use crate::guard::Visitor;
use crate::http::Gateway;
use crate::upstream::{Upstream, get};

/// A month.
pub(crate) const DAYS: u32 = 30;
/// Longest time looked back.
pub(crate) const MAX_DAYS: u32 = 366;
/// Users on a page unless asked otherwise.
pub(crate) const PAGE: u32 = 10;
/// Most users on a page.
pub(crate) const MAX_PAGE: u32 = 20;
/// Newest orders of a user looked at.
const ORDERS: u32 = 50;

/// Query of `GET /api/v1/reports/active-users-orders`.
#[derive(Debug, Deserialize)]
pub(crate) struct ReportQuery {
    days: Option<u32>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /api/v1/reports/active-users-orders`.
pub(crate) async fn report(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    gateway.guard.allow_all(&visitor)?;
    let Query(query) = query.map_err(|rejection| Problem::bad_field("query", rejection.body_text()))?;
    let days = within("days", query.days.unwrap_or(DAYS), MAX_DAYS)?;
    let limit = within("limit", query.limit.unwrap_or(PAGE), MAX_PAGE)?;
    let page = users(&gateway.upstream, limit, query.cursor.as_deref()).await?;
    let lines = page["items"].as_array().into_iter().flatten().map(|user| async {
        let id = user["id"].as_str().unwrap_or_default();
        let orders = orders_since(&gateway.upstream, id, days).await;
        json!({ "user": public(user), "orders": orders })
    });
    let items = join_all(lines).await;
    Ok(Json(
        json!({ "days": days, "items": items, "next_cursor": page["next_cursor"] }),
    ))
}

/// A page of active users.
pub(crate) async fn users(upstream: &Upstream, limit: u32, cursor: Option<&str>) -> Result<Value, Problem> {
    let cursor = cursor.unwrap_or("0");
    check_id("cursor", cursor)?;
    let path = format!("/api/v1/users?status=active&limit={limit}&cursor={cursor}");
    get(&upstream.users, &path).await
}

/// The newest orders of a user that are not older, or why they cannot be had.
pub(crate) async fn orders_since(upstream: &Upstream, user_id: &str, days: u32) -> Value {
    let path = format!("/api/v1/orders?customer_id={user_id}&limit={ORDERS}");
    let page = part(&upstream.orders, path).await;
    match page["items"].as_array() {
        Some(orders) => young(orders, since_ms(days)).into(),
        None => page,
    }
}

/// A number from 1 to `most`.
pub(crate) fn within(field: &str, number: u32, most: u32) -> Result<u32, Problem> {
    match number {
        number if (1..=most).contains(&number) => Ok(number),
        _ => Err(Problem::bad_field(field, format!("give 1 to {most}"))),
    }
}

fn since_ms(days: u32) -> u64 {
    let back = Duration::from_secs(u64::from(days) * 86_400);
    (clock::unix_nanos_now() / 1_000_000).saturating_sub(u64::try_from(back.as_millis()).unwrap_or(u64::MAX))
}

/// Orders whose time is known and not before `since_ms`.
fn young(orders: &[Value], since_ms: u64) -> Vec<Value> {
    let is_young = |order: &&Value| order["created_at_ms"].as_u64().is_some_and(|at| at >= since_ms);
    orders.iter().filter(is_young).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_young() {
        let orders = [
            json!({ "order_id": "o-1", "created_at_ms": 99 }),
            json!({ "order_id": "o-2", "created_at_ms": 100 }),
            json!({ "order_id": "o-3" }),
        ];
        let ids: Vec<_> = young(&orders, 100)
            .iter()
            .map(|order| order["order_id"].clone())
            .collect();
        assert_eq!(ids, ["o-2"]);
    }
}
