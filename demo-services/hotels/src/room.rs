//! The rooms there are.

use serde::Serialize;

/// Hotels of the chain.
const HOTELS: u32 = 40;
/// Rooms of each.
const ROOMS: u32 = 25;
/// Currency of all prices.
const CURRENCY: &str = "EUR";

/// One room, let to one guest a night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Room {
    /// Such as `hotel-3-room-12`.
    pub(crate) room_id: String,
    /// Such as `hotel-3`.
    pub(crate) hotel_id: String,
    /// How many sleep in it.
    pub(crate) beds: u32,
    /// Of one night, in the smallest unit.
    pub(crate) night_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Every room, when the hotels open for the first time.
pub(crate) fn all() -> impl Iterator<Item = Room> {
    (1..=HOTELS).flat_map(|hotel| (1..=ROOMS).map(move |number| room(hotel, number)))
}

/// The first room of each hotel is its suite.
fn room(hotel: u32, number: u32) -> Room {
    let beds = if number == 1 { 4 } else { 1 + number % 2 };
    Room {
        room_id: format!("hotel-{hotel}-room-{number}"),
        hotel_id: format!("hotel-{hotel}"),
        beds,
        night_minor: 4_500 + 2_500 * i64::from(beds) + 100 * i64::from(hotel),
        currency: CURRENCY.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_rooms_of_which_forty_are_suites() {
        let rooms: Vec<Room> = all().collect();
        assert_eq!(rooms.len(), 1_000);
        assert_eq!(rooms.iter().filter(|room| room.beds == 4).count(), 40);
        assert!(rooms.iter().all(|room| room.night_minor > 0));
    }
}
