//! A reservation: goods promised to one order, under an id that the caller chose so that every command may be repeated.

use serde::{Deserialize, Serialize};

use crate::stock::{Movement, MovementKind};

/// Goods promised to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reservation {
    /// Chosen by the caller.
    pub(crate) reservation_id: String,
    /// Where it stands.
    pub(crate) state: ReservationState,
    /// What is promised; empty for a tombstone.
    pub(crate) lines: Vec<Line>,
}

/// One product of a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// Which product.
    pub(crate) product_id: String,
    /// How many.
    pub(crate) quantity: u32,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReservationState {
    /// The goods wait.
    Reserved,
    /// The goods are sold.
    Confirmed,
    /// The goods are back, or were never taken: a release that came first leaves this as a tombstone.
    Released,
}

impl ReservationState {
    /// The word in the database and in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
        }
    }

    /// Reads the word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Reserved, Self::Confirmed, Self::Released]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// What a command does: the state that the reservation reaches, and the goods that move. No movement: nothing is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// State after the command.
    pub(crate) state: ReservationState,
    /// Goods that change place.
    pub(crate) movements: Vec<Movement>,
}

impl Decision {
    /// The command has been done before.
    pub(crate) const fn nothing_new(state: ReservationState) -> Self {
        Self {
            state,
            movements: Vec::new(),
        }
    }

    /// Every line moves in the same way.
    pub(crate) fn moves(state: ReservationState, kind: MovementKind, lines: &[Line]) -> Self {
        let movement = |line: &Line| Movement {
            product_id: line.product_id.clone(),
            kind,
            quantity: line.quantity,
        };
        Self {
            state,
            movements: lines.iter().map(movement).collect(),
        }
    }
}

/// Why a command has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 404.
    #[error("there is no such reservation")]
    NotFound,
    /// 422.
    #[error("there is no product {product_id}")]
    UnknownProduct {
        /// The product asked for.
        product_id: String,
    },
    /// 409: not enough pieces.
    #[error("{product_id}: {wanted} wanted, {on_hand} on hand")]
    OutOfStock {
        /// The product that is short.
        product_id: String,
        /// Pieces asked for.
        wanted: u32,
        /// Pieces there are.
        on_hand: u32,
    },
    /// 409: the release came first, so the goods must not be taken any more.
    #[error("the reservation has been released")]
    Released,
    /// 409: the same id was used for other goods.
    #[error("the reservation exists with other lines")]
    OtherLines,
}
