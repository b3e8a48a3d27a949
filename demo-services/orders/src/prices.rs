//! Prices of the catalog, kept for a short while: cache-aside with a time to live, and an older price rather than no
//! shop when the catalog is down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use shop_kit::caller::CallError;
use shop_kit::problem::Problem;
use tokio::time::Instant;

use crate::order::Item;
use crate::place_order::Line;
use crate::remote::Catalog;

/// A price this young is taken without asking.
const FRESH: Duration = Duration::from_secs(30);
/// A price this young is taken when the catalog does not answer.
const USABLE: Duration = Duration::from_secs(600);
/// Most products kept.
const MAX_KEPT: usize = 1_024;

/// What the catalog says of a product, as far as it concerns an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Price {
    /// Of one piece.
    pub(crate) price_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Prices of the catalog.
pub(crate) struct Prices<R> {
    remote: Arc<R>,
    kept: Mutex<HashMap<String, (Price, Instant)>>,
}

impl<R: Catalog> Prices<R> {
    /// Nothing kept yet.
    pub(crate) fn new(remote: Arc<R>) -> Self {
        Self {
            remote,
            kept: Mutex::default(),
        }
    }

    /// The lines with their prices, and their currency.
    pub(crate) async fn quote(&self, lines: &[Line], now: Instant) -> Result<(Vec<Item>, String), Problem> {
        let mut items = Vec::with_capacity(lines.len());
        let mut currency = String::new();
        for (index, line) in lines.iter().enumerate() {
            let price = self.price(index, &line.product_id, now).await?;
            if !currency.is_empty() && currency != price.currency {
                let field = format!("items[{index}].product_id");
                return Err(unprocessable(
                    &field,
                    "mixed_currencies",
                    "order products of one currency",
                ));
            }
            currency = price.currency;
            let (product_id, quantity) = (line.product_id.clone(), line.quantity);
            items.push(Item {
                product_id,
                quantity,
                unit_price_minor: price.price_minor,
            });
        }
        Ok((items, currency))
    }

    async fn price(&self, index: usize, product_id: &str, now: Instant) -> Result<Price, Problem> {
        let kept = self.lock().get(product_id).cloned();
        if let Some((price, at)) = &kept
            && now.duration_since(*at) < FRESH
        {
            return Ok(price.clone());
        }
        match self.ask(product_id).await {
            Ok(price) => {
                self.keep(product_id, &price, now);
                Ok(price)
            }
            Err(CallError::Refused { status: 404, .. }) => {
                let field = format!("items[{index}].product_id");
                Err(unprocessable(
                    &field,
                    "unknown_product",
                    &format!("there is no product {product_id}"),
                ))
            }
            Err(error) => match kept {
                Some((price, at)) if now.duration_since(at) < USABLE => Ok(price),
                _ => Err(Problem::unavailable(format!("no price can be had: {}", error.reason()))),
            },
        }
    }

    async fn ask(&self, product_id: &str) -> Result<Price, CallError> {
        let answer = self.remote.read(&format!("/api/v1/products/{product_id}")).await?;
        Price::deserialize(answer).map_err(|error| CallError::Malformed {
            reason: error.to_string(),
        })
    }

    fn keep(&self, product_id: &str, price: &Price, now: Instant) {
        let mut kept = self.lock();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(product_id.to_owned(), (price.clone(), now));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Price, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unprocessable(field: &str, code: &str, detail: &str) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, "cannot be ordered").detail(detail);
    Problem {
        field: Some(field.to_owned()),
        ..problem
    }
}
