//! The command that starts it all: what a client may ask for, checked before anything happens.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_kit::day::Day;
use shop_kit::problem::Problem;
use shop_kit::request::check_id;

/// Longest stay.
const MAX_NIGHTS: u32 = 30;
/// How far ahead can be booked.
const MAX_DAYS_AHEAD: u32 = 400;

/// Body of `POST /api/v1/bookings`. Prices are not the client's to choose: hotels and cars name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceBooking {
    /// Who travels.
    pub(crate) customer_id: String,
    /// Which room of the hotels.
    pub(crate) room_id: String,
    /// The first night.
    pub(crate) arrival: Day,
    /// How many.
    pub(crate) nights: u32,
    /// The car for these days, when one is wanted.
    #[serde(default)]
    pub(crate) car: Option<CarWish>,
}

/// A car beside the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarWish {
    /// Which class of the rental.
    pub(crate) class: String,
    /// The customer travels without a car when none is free.
    #[serde(default)]
    pub(crate) optional: bool,
}

impl PlaceBooking {
    /// Checks every limit.
    pub(crate) fn checked(self, today: Day) -> Result<Self, Problem> {
        check_id("customer_id", &self.customer_id)?;
        check_id("room_id", &self.room_id)?;
        if let Some(car) = &self.car {
            check_id("car.class", &car.class)?;
        }
        if !(1..=MAX_NIGHTS).contains(&self.nights) {
            return Err(Problem::bad_field("nights", format!("give 1 to {MAX_NIGHTS}")));
        }
        let last = today.plus(MAX_DAYS_AHEAD);
        if !(today..=last).contains(&self.arrival) {
            let problem = Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "arrival_out_of_range",
                "nothing can be booked for that day",
            );
            return Err(Problem {
                field: Some("arrival".into()),
                ..problem.detail(format!("give a day from {today} to {last}"))
            });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(arrival: &str, nights: u32) -> PlaceBooking {
        PlaceBooking {
            customer_id: "c-1".into(),
            room_id: "hotel-1-room-2".into(),
            arrival: Day::parse(arrival).expect("a day"),
            nights,
            car: None,
        }
    }

    fn checked(wish: PlaceBooking) -> Result<(), (u16, Option<String>)> {
        let today = Day::parse("2027-01-04").expect("a day");
        match wish.checked(today) {
            Ok(_) => Ok(()),
            Err(problem) => Err((problem.status, problem.field)),
        }
    }

    fn car(class: &str) -> Option<CarWish> {
        let class = class.to_owned();
        Some(CarWish { class, optional: true })
    }

    #[test]
    fn today_and_four_hundred_days_ahead_can_be_booked_and_nothing_beyond() {
        assert_eq!(checked(wish("2027-01-04", 1)), Ok(()));
        assert_eq!(checked(wish("2028-02-08", 30)), Ok(()));
        for arrival in ["2027-01-03", "2028-02-09", "1970-01-01"] {
            assert_eq!(
                checked(wish(arrival, 1)),
                Err((422, Some("arrival".into()))),
                "{arrival}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_names_its_field() {
        for nights in [0, 31, u32::MAX] {
            assert_eq!(checked(wish("2027-01-04", nights)), Err((400, Some("nights".into()))));
        }
        let room_id = "../x".to_owned();
        let odd_room = PlaceBooking {
            room_id,
            ..wish("2027-01-04", 1)
        };
        assert_eq!(checked(odd_room), Err((400, Some("room_id".into()))));
        let car = car("");
        let odd_car = PlaceBooking {
            car,
            ..wish("2027-01-04", 1)
        };
        assert_eq!(checked(odd_car), Err((400, Some("car.class".into()))));
    }
}
