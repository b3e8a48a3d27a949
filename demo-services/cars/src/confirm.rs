//! Confirm a reservation: the customer will come. Also the commit of a two-phase commit.

use crate::reservation::{Decision, Refusal, Reservation, ReservationState};

/// Makes the promise final, once.
pub(crate) fn confirm(existing: Option<&Reservation>) -> Result<Decision, Refusal> {
    match existing.ok_or(Refusal::NotFound)?.state {
        ReservationState::Released => Err(Refusal::Released),
        ReservationState::Confirmed => Ok(Decision::NothingNew),
        ReservationState::Prepared | ReservationState::Reserved => Ok(Decision::Confirm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(state: ReservationState) -> Reservation {
        Reservation {
            reservation_id: "b".into(),
            state,
            rental: None,
            total_minor: 0,
            currency: String::new(),
        }
    }

    #[test]
    fn a_promise_is_confirmed_once() {
        for state in [ReservationState::Prepared, ReservationState::Reserved] {
            assert_eq!(confirm(Some(&known(state))), Ok(Decision::Confirm));
        }
        assert_eq!(
            confirm(Some(&known(ReservationState::Confirmed))),
            Ok(Decision::NothingNew)
        );
    }

    #[test]
    fn what_was_never_promised_or_is_released_cannot_be_confirmed() {
        assert_eq!(confirm(None), Err(Refusal::NotFound));
        assert_eq!(
            confirm(Some(&known(ReservationState::Released))),
            Err(Refusal::Released)
        );
    }
}
