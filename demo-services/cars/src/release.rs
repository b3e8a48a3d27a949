//! Release a reservation: the undo of a reserve and of a confirm, and the abort of a two-phase commit.

use crate::reservation::{Decision, Reservation, ReservationState};

/// Frees the car. It cannot be refused: an unknown reservation becomes a tombstone.
pub(crate) fn release(existing: Option<&Reservation>) -> Decision {
    match existing.map(|known| known.state) {
        Some(ReservationState::Released) => Decision::NothingNew,
        None | Some(ReservationState::Prepared | ReservationState::Reserved | ReservationState::Confirmed) => {
            Decision::Free
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cars_come_back_from_every_state_and_once() {
        let released = |state| {
            release(Some(&Reservation {
                reservation_id: "b".into(),
                state,
                rental: None,
                total_minor: 0,
                currency: String::new(),
            }))
        };
        for state in [
            ReservationState::Prepared,
            ReservationState::Reserved,
            ReservationState::Confirmed,
        ] {
            assert_eq!(released(state), Decision::Free);
        }
        assert_eq!(released(ReservationState::Released), Decision::NothingNew);
    }

    #[test]
    fn an_unknown_reservation_leaves_a_tombstone() {
        assert_eq!(release(None), Decision::Free);
    }
}
