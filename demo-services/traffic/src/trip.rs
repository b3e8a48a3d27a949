//! One visitor in ten also travels: a room, and for some a car. A few all want the same suite in the next two weeks,
//! so that "no room" is seen on a good day too.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use shop_kit::day::Day;

/// One visitor in so many travels.
const TRAVELLERS: u32 = 10;
/// One trip in so many is a rush to the suite.
const RUSH: u32 = 5;
/// One booking in so many is made by two-phase commit.
const TWO_PHASE: u32 = 4;
/// Days ahead in which all go there.
const RUSH_DAYS: u32 = 14;
/// Days ahead in which the others travel.
const DAYS: u32 = 365;
const HOTELS: u32 = 40;
const ROOMS: u32 = 25;
const CLASSES: [&str; 3] = ["compact", "estate", "van"];

/// A booking to place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trip {
    /// Where, with the protocol.
    pub(crate) path: &'static str,
    /// The booking.
    pub(crate) booking: Value,
}

impl Trip {
    /// What a visitor wants; follows from the dice and the day alone.
    pub(crate) fn roll(dice: &mut StdRng, customer_id: &str, today: Day) -> Option<Self> {
        if dice.random_range(0..TRAVELLERS) > 0 {
            return None;
        }
        let rush = dice.random_range(0..RUSH) == 0;
        let ahead = if rush { RUSH_DAYS } else { DAYS };
        let room_id = match rush {
            true => "hotel-1-room-1".to_owned(),
            false => {
                let (hotel, room) = (dice.random_range(1..=HOTELS), dice.random_range(1..=ROOMS));
                format!("hotel-{hotel}-room-{room}")
            }
        };
        let class = match rush {
            true => "convertible",
            false => CLASSES[dice.random_range(0..CLASSES.len())],
        };
        let optional = dice.random_range(0..2) == 0;
        let car = (dice.random_range(0..2) == 0).then(|| json!({ "class": class, "optional": optional }));
        let booking = json!({
            "customer_id": customer_id,
            "room_id": room_id,
            "arrival": today.plus(1 + dice.random_range(0..ahead)),
            "nights": dice.random_range(1..=3),
            "car": car,
        });
        let path = match dice.random_range(0..TWO_PHASE) {
            0 => "/api/v1/bookings?protocol=2pc",
            _ => "/api/v1/bookings",
        };
        Some(Self { path, booking })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn trips(seed: u64) -> Vec<Trip> {
        let (mut dice, today) = (StdRng::seed_from_u64(seed), Day::parse("2027-01-04").unwrap());
        (0..10_000)
            .filter_map(|_| Trip::roll(&mut dice, "c-1", today))
            .collect()
    }

    #[test]
    fn about_one_in_ten_travels_and_a_seed_tells_where() {
        let all = trips(7);
        assert!((900..=1_100).contains(&all.len()), "{}", all.len());
        assert_eq!(all, trips(7));
        assert_ne!(all, trips(8));
    }

    #[test]
    fn trips_are_of_every_kind() {
        let share = |of: &dyn Fn(&Value) -> bool| {
            let all = trips(1);
            100 * all.iter().filter(|trip| of(&trip.booking)).count() / all.len()
        };
        assert!((15..=25).contains(&share(&|booking| booking["room_id"] == "hotel-1-room-1")));
        assert!((45..=55).contains(&share(&|booking| booking["car"].is_null())));
        assert!((20..=30).contains(&share(&|booking| booking["car"]["optional"] == true)));
    }
}
