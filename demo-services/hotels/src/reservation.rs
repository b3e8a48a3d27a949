//! A reservation: a room promised for some nights, under an id that the caller chose so that every command may be
//! repeated.

use serde::{Deserialize, Serialize};
use shop_kit::day::Day;

/// Which room, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stay {
    /// Which room.
    pub(crate) room_id: String,
    /// The first night.
    pub(crate) arrival: Day,
    /// How many.
    pub(crate) nights: u32,
}

impl Stay {
    /// Each night of it.
    pub(crate) fn each_night(&self) -> impl Iterator<Item = Day> {
        self.arrival.run(self.nights)
    }
}

/// A room promised to a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reservation {
    /// Chosen by the caller.
    pub(crate) reservation_id: String,
    /// Where it stands.
    pub(crate) state: ReservationState,
    /// What is promised; nothing for a tombstone.
    #[serde(flatten)]
    pub(crate) stay: Option<Stay>,
    /// Of the whole stay, in the smallest unit.
    pub(crate) total_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReservationState {
    /// Voted yes in a two-phase commit: the nights are locked until its coordinator says how it ended.
    Prepared,
    /// A saga holds the nights.
    Reserved,
    /// The guest will come.
    Confirmed,
    /// The nights are free, or were never taken: a release that came first leaves this as a tombstone.
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
    /// The nights are taken from now on, for this price.
    Take {
        /// State after it.
        state: ReservationState,
        /// Of the whole stay.
        total_minor: i64,
        /// ISO 4217.
        currency: String,
    },
    /// The guest will come.
    Confirm,
    /// The nights are free again; nobody may take them under this id any more.
    Free,
}

/// Why a command has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 404.
    #[error("there is no such reservation")]
    NotFound,
    /// 422.
    #[error("there is no room {room_id}")]
    UnknownRoom {
        /// The room asked for.
        room_id: String,
    },
    /// 409: somebody else has it.
    #[error("{room_id} is taken in the night of {night}")]
    NoRoom {
        /// The room asked for.
        room_id: String,
        /// The first night that is taken.
        night: Day,
    },
    /// 409: nobody here knows whether somebody else has it.
    #[error(
        "{room_id} is locked in the night of {night}: transaction {holder} has voted and waits for its coordinator"
    )]
    InDoubt {
        /// The room asked for.
        room_id: String,
        /// The first such night.
        night: Day,
        /// The transaction that holds the lock.
        holder: String,
    },
    /// 409: the release came first, so the nights must not be taken any more.
    #[error("the reservation has been released")]
    Released,
    /// 409: the same id was used for another stay, or in another protocol.
    #[error("the reservation exists for another stay")]
    OtherStay,
}
