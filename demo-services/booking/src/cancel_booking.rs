//! Cancel a booking: the undo of its creation.

use crate::booking::{Booking, Protocol, Status};
use crate::place_booking::PlaceBooking;

/// The cancelled booking; `None` when it is cancelled already. It cannot be refused: a booking that was never created
/// is written down as cancelled, so that a creation still on its way finds it so.
pub(crate) fn cancel_booking(
    existing: Option<Booking>,
    id: &str,
    wish: PlaceBooking,
    protocol: Protocol,
    reason: &str,
) -> Option<Booking> {
    if existing.as_ref().is_some_and(|known| known.status == Status::Cancelled) {
        return None;
    }
    let known = existing.unwrap_or_else(|| Booking {
        booking_id: id.to_owned(),
        wish,
        protocol,
        status: Status::Pending,
        reason: None,
        price: None,
    });
    Some(Booking {
        status: Status::Cancelled,
        reason: Some(reason.to_owned()),
        price: None,
        ..known
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::cases::{booking, wish};

    #[test]
    fn it_is_cancelled_once_created_or_not() {
        for existing in [None, Some(booking(Status::Pending)), Some(booking(Status::Confirmed))] {
            let cancelled = cancel_booking(existing, "b-1", wish(), Protocol::Saga, "no room").expect("something new");
            assert_eq!(
                (cancelled.status, cancelled.reason.as_deref()),
                (Status::Cancelled, Some("no room"))
            );
            assert_eq!(
                cancel_booking(Some(cancelled), "b-1", wish(), Protocol::Saga, "again"),
                None
            );
        }
    }
}
