//! The service's HTTP interface.

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use shop_kit::database::Database;
use shop_kit::problem::Problem;
use shop_kit::request::check_id;

use crate::product::Product;
use crate::store::{self, Category, Selection};

/// Products on a page unless asked otherwise.
const PAGE: usize = 20;
/// Most products on a page.
const MAX_PAGE: usize = 100;
/// Longest search text taken.
const MAX_QUERY: usize = 200;

/// What a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "GET /api/v1/products",
    "GET /api/v1/products/search",
    "GET /api/v1/products/{id}",
];

/// Every route.
pub(crate) fn router(db: Database) -> Router {
    Router::new()
        .route("/api/v1/products", get(list))
        .route("/api/v1/products/search", get(search))
        .route("/api/v1/products/{id}", get(show))
        .route("/api/v1/categories", get(categories))
        .with_state(db)
}

/// A page of products.
#[derive(Serialize)]
struct Products {
    items: Vec<Product>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct ListQuery {
    category: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn list(State(db): State<Database>, Query(query): Query<ListQuery>) -> Result<Json<Products>, Problem> {
    let after = match query.cursor.as_deref() {
        None => 0,
        Some(cursor) => cursor
            .parse()
            .map_err(|_| Problem::bad_field("cursor", "hand back the `next_cursor` of the page before, as it was"))?,
    };
    let wanted = Selection {
        category: query.category,
        after,
        limit: page_size(query.limit)?,
    };
    let (items, next) = db.read(move |conn| store::list(conn, &wanted)).await?;
    Ok(Json(Products {
        items,
        next_cursor: next.map(|number| number.to_string()),
    }))
}

#[derive(Deserialize)]
struct SearchQuery {
    #[serde(default)]
    q: String,
    limit: Option<usize>,
}

async fn search(State(db): State<Database>, Query(query): Query<SearchQuery>) -> Result<Json<Products>, Problem> {
    if query.q.trim().is_empty() || query.q.len() > MAX_QUERY {
        return Err(Problem::bad_field(
            "q",
            format!("give words to look for, at most {MAX_QUERY} bytes"),
        ));
    }
    let limit = page_size(query.limit)?;
    let items = db.read(move |conn| store::search(conn, &query.q, limit)).await?;
    Ok(Json(Products {
        items,
        next_cursor: None,
    }))
}

async fn show(State(db): State<Database>, Path(id): Path<String>) -> Result<Json<Product>, Problem> {
    check_id("id", &id)?;
    let wanted = id.clone();
    let product = db.read(move |conn| store::find(conn, &wanted)).await?;
    product.map(Json).ok_or_else(|| Problem::not_found("product", &id))
}

#[derive(Serialize)]
struct Categories {
    items: Vec<Category>,
}

async fn categories(State(db): State<Database>) -> Result<Json<Categories>, Problem> {
    let items = db.read(store::categories).await?;
    Ok(Json(Categories { items }))
}

fn page_size(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(PAGE),
        Some(limit @ 1..=MAX_PAGE) => Ok(limit),
        Some(_) => Err(Problem::bad_field("limit", format!("give 1 to {MAX_PAGE}"))),
    }
}
