//! What a booking costs: what the hotel asks for, and the car.

use serde::{Deserialize, Serialize};

use crate::booking::Price;

/// What a peer asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quote {
    /// In the smallest unit.
    pub(crate) total_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Room and car together; an error in words when they cannot be added up.
pub(crate) fn total(room: Option<&Quote>, car: Option<&Quote>) -> Result<Price, String> {
    let room = room.ok_or_else(|| "the hotel named no price".to_owned())?;
    if let Some(car) = car.filter(|car| car.currency != room.currency) {
        return Err(format!(
            "the room is priced in {}, the car in {}",
            room.currency, car.currency
        ));
    }
    let car_minor = car.map_or(0, |car| car.total_minor);
    let total_minor = room.total_minor.checked_add(car_minor);
    Ok(Price {
        total_minor: total_minor.ok_or_else(|| "the price is beyond all bounds".to_owned())?,
        currency: room.currency.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(total_minor: i64, currency: &str) -> Quote {
        let currency = currency.to_owned();
        Quote { total_minor, currency }
    }

    #[test]
    fn room_and_car_are_added_up() {
        let (room, car) = (quote(14_200, "EUR"), quote(7_000, "EUR"));
        assert_eq!(
            total(Some(&room), Some(&car)).map(|price| price.total_minor),
            Ok(21_200)
        );
        assert_eq!(total(Some(&room), None).map(|price| price.total_minor), Ok(14_200));
    }

    #[test]
    fn what_cannot_be_added_up_is_refused() {
        let room = quote(14_200, "EUR");
        assert!(total(None, Some(&room)).is_err());
        assert!(total(Some(&room), Some(&quote(1, "USD"))).is_err());
        assert!(total(Some(&room), Some(&quote(i64::MAX, "EUR"))).is_err());
    }
}
