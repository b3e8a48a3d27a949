//! Create a booking: the wish is written down, nothing is promised yet.

use crate::booking::{Booking, Protocol, Refusal, Status};
use crate::place_booking::PlaceBooking;

/// The new booking; `None` when it is there already. After a cancellation, which may overtake it, it is refused.
pub(crate) fn create_booking(
    existing: Option<&Booking>,
    id: &str,
    wish: PlaceBooking,
    protocol: Protocol,
) -> Result<Option<Booking>, Refusal> {
    match existing.map(|known| known.status) {
        None => Ok(Some(Booking {
            booking_id: id.to_owned(),
            wish,
            protocol,
            status: Status::Pending,
            reason: None,
            price: None,
        })),
        Some(Status::Pending | Status::Confirmed) => Ok(None),
        Some(Status::Cancelled) => Err(Refusal::Cancelled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::cases::{booking, wish};

    #[test]
    fn it_is_created_once() {
        let new = create_booking(None, "b-1", wish(), Protocol::Saga);
        assert_eq!(new, Ok(Some(booking(Status::Pending))));
        for status in [Status::Pending, Status::Confirmed] {
            let again = create_booking(Some(&booking(status)), "b-1", wish(), Protocol::Saga);
            assert_eq!(again, Ok(None));
        }
    }

    /// G06: the compensation overtook the step.
    #[test]
    fn after_its_cancellation_it_is_refused() {
        let late = create_booking(Some(&booking(Status::Cancelled)), "b-1", wish(), Protocol::Saga);
        assert_eq!(late, Err(Refusal::Cancelled));
    }
}
