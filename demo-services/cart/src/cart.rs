//! The cart of a customer: what is in it, and the checkout that is under way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most products in a cart, as many as an order takes.
pub(crate) const MAX_LINES: usize = 20;
/// Most pieces of a product.
pub(crate) const MAX_QUANTITY: u32 = 100;

/// Pieces by product.
pub(crate) type Lines = BTreeMap<String, u32>;

/// A checkout whose outcome is not known yet. What is ordered is settled when it begins, so that a repeat orders the
/// same and is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkout {
    /// Key of the order.
    pub(crate) id: String,
    /// What is ordered.
    pub(crate) lines: Lines,
    /// How it is carried out, when the customer says so.
    pub(crate) flow: Option<String>,
}

/// A cart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart {
    /// What is in it.
    pub(crate) lines: Lines,
    /// Under way.
    pub(crate) checkout: Option<Checkout>,
}

impl Cart {
    /// Nothing in it, nothing under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.checkout.is_none()
    }
}

/// Why a command has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 422.
    #[error("a cart holds at most {MAX_LINES} products")]
    TooManyLines,
    /// 422.
    #[error("a cart holds at most {MAX_QUANTITY} pieces of a product")]
    TooManyPieces,
    /// 404.
    #[error("there is no {0} in the cart")]
    NotInIt(String),
    /// 422.
    #[error("the cart is empty")]
    Empty,
}
