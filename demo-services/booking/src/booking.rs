//! A booking: a customer's wish, and what became of it.

use serde::{Deserialize, Serialize};

use crate::place_booking::PlaceBooking;

/// One booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Booking {
    /// Its id: the saga's, the reservations' and the payment's too.
    pub(crate) booking_id: String,
    /// What was asked for.
    #[serde(flatten)]
    pub(crate) wish: PlaceBooking,
    /// How it is brought about.
    pub(crate) protocol: Protocol,
    /// Where it stands.
    pub(crate) status: Status,
    /// Why it was cancelled.
    pub(crate) reason: Option<String>,
    /// What it costs; nothing is known before it is confirmed.
    pub(crate) price: Option<Price>,
}

/// What a booking costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Price {
    /// In the smallest unit.
    pub(crate) total_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// How hotels, cars and payments come to one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protocol {
    /// Step by step, and back by compensations: nobody waits, and others see what is half done.
    #[default]
    #[serde(rename = "saga")]
    Saga,
    /// Two-phase commit: nobody sees what is half done, and all wait for the coordinator.
    #[serde(rename = "2pc")]
    TwoPhase,
}

impl Protocol {
    /// The word in the database, in JSON and in the query.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Saga => "saga",
            Self::TwoPhase => "2pc",
        }
    }

    /// Reads the word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Saga, Self::TwoPhase]
            .into_iter()
            .find(|protocol| protocol.as_str() == word)
    }
}

/// Where a booking stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Under way.
    Pending,
    /// The customer travels.
    Confirmed,
    /// The customer stays at home, and nothing is left of it.
    Cancelled,
}

impl Status {
    /// The word in the database and in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Confirmed, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// Why a command has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It was never created.
    #[error("there is no such booking")]
    NotFound,
    /// The cancellation came first.
    #[error("the booking has been cancelled")]
    Cancelled,
}

#[cfg(test)]
pub(crate) mod cases {
    use super::*;
    use shop_kit::day::Day;

    pub(crate) fn wish() -> PlaceBooking {
        PlaceBooking {
            customer_id: "c-1".into(),
            room_id: "hotel-1-room-2".into(),
            arrival: Day::parse("2027-01-04").expect("a day"),
            nights: 2,
            car: None,
        }
    }

    pub(crate) fn booking(status: Status) -> Booking {
        Booking {
            booking_id: "b-1".into(),
            wish: wish(),
            protocol: Protocol::Saga,
            status,
            reason: None,
            price: None,
        }
    }
}
