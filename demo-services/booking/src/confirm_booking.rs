//! Confirm a booking: room, car and money are there.

use crate::booking::{Booking, Price, Refusal, Status};

/// The confirmed booking with its price; `None` when it is confirmed already.
pub(crate) fn confirm_booking(existing: Option<Booking>, price: Price) -> Result<Option<Booking>, Refusal> {
    let known = existing.ok_or(Refusal::NotFound)?;
    match known.status {
        Status::Cancelled => Err(Refusal::Cancelled),
        Status::Confirmed => Ok(None),
        Status::Pending => Ok(Some(Booking {
            status: Status::Confirmed,
            price: Some(price),
            ..known
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::cases::booking;

    fn price() -> Price {
        Price {
            total_minor: 20_000,
            currency: "EUR".into(),
        }
    }

    #[test]
    fn a_pending_booking_is_confirmed_once() {
        let confirmed = confirm_booking(Some(booking(Status::Pending)), price()).expect("allowed");
        let confirmed = confirmed.expect("something new");
        assert_eq!(
            (confirmed.status, confirmed.price.clone()),
            (Status::Confirmed, Some(price()))
        );
        assert_eq!(confirm_booking(Some(confirmed), price()), Ok(None));
    }

    #[test]
    fn what_is_not_there_or_cancelled_cannot_be_confirmed() {
        assert_eq!(confirm_booking(None, price()), Err(Refusal::NotFound));
        let cancelled = Some(booking(Status::Cancelled));
        assert_eq!(confirm_booking(cancelled, price()), Err(Refusal::Cancelled));
    }
}
