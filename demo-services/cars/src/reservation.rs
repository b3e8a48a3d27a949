//! A reservation: one car of a class for some days, under an id that the caller chose so that every command may be
//! repeated.

use serde::{Deserialize, Serialize};
use shop_kit::day::Day;

/// Which class, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rental {
    /// Which class.
    pub(crate) class: String,
    /// The first day.
    pub(crate) from: Day,
    /// How many.
    pub(crate) days: u32,
}

/// A car promised to a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reservation {
    /// Chosen by the caller.
    pub(crate) reservation_id: String,
    /// Where it stands.
    pub(crate) state: ReservationState,
    /// What is promised; nothing for a tombstone.
    #[serde(flatten)]
    pub(crate) rental: Option<Rental>,
    /// Of the whole rental, in the smallest unit.
    pub(crate) total_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReservationState {
    /// Voted yes in a two-phase commit: a car is locked until its coordinator says how it ended.
    Prepared,
    /// A saga holds a car.
    Reserved,
    /// The customer will come.
    Confirmed,
    /// The car is free, or was never taken: a release that came first leaves this as a tombstone.
    Released,
}

impl ReservationState {
    /// The word in the database and in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
        }
    }

    /// Reads the word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Prepared, Self::Reserved, Self::Confirmed, Self::Released]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It has been done before.
    NothingNew,
    /// One car is taken on each day, for this price.
    Take {
        /// State after it.
        state: ReservationState,
        /// Of the whole rental.
        total_minor: i64,
        /// ISO 4217.
        currency: String,
    },
    /// The customer will come.
    Confirm,
    /// The car is free again; nobody may take one under this id any more.
    Free,
}

/// Why a command has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 404.
    #[error("there is no such reservation")]
    NotFound,
    /// 422.
    #[error("there is no class {class}")]
    UnknownClass {
        /// The class asked for.
        class: String,
    },
    /// 409: all are out.
    #[error("every {class} is out on {day}")]
    NoCar {
        /// The class asked for.
        class: String,
        /// The first such day.
        day: Day,
    },
    /// 409: nobody here knows whether one is free.
    #[error("every {class} is out or locked on {day}: {locked} wait for the coordinator of their transaction")]
    InDoubt {
        /// The class asked for.
        class: String,
        /// The first such day.
        day: Day,
        /// Cars in doubt on it.
        locked: u32,
    },
    /// 409: the release came first, so a car must not be taken any more.
    #[error("the reservation has been released")]
    Released,
    /// 409: the same id was used for another rental, or in another protocol.
    #[error("the reservation exists for another rental")]
    OtherRental,
}
