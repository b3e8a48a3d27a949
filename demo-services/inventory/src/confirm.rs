//! Confirm a reservation: its goods are sold.

use crate::{
    reservation::{Decision, Refusal, Reservation, ReservationState},
    stock::MovementKind,
};

/// Counts the promised goods as sold, once.
pub(crate) fn confirm(existing: Option<&Reservation>) -> Result<Decision, Refusal> {
    let known = existing.ok_or(Refusal::NotFound)?;
    match known.state {
        ReservationState::Released => Err(Refusal::Released),
        ReservationState::Confirmed => Ok(Decision::nothing_new(ReservationState::Confirmed)),
        ReservationState::Reserved => Ok(Decision::moves(
            ReservationState::Confirmed,
            MovementKind::Sold,
            &known.lines,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reservation::Line;

    fn known(state: ReservationState) -> Reservation {
        let lines = vec![Line {
            product_id: "a".into(),
            quantity: 2,
        }];
        Reservation {
            reservation_id: "r".into(),
            state,
            lines,
        }
    }

    #[test]
    fn promised_goods_are_sold_once() {
        let sold = confirm(Some(&known(ReservationState::Reserved))).unwrap();
        assert_eq!(sold.state, ReservationState::Confirmed);
        assert_eq!(
            (sold.movements[0].kind, sold.movements[0].quantity),
            (MovementKind::Sold, 2)
        );
        let again = confirm(Some(&known(ReservationState::Confirmed)));
        assert_eq!(again, Ok(Decision::nothing_new(ReservationState::Confirmed)));
    }

    #[test]
    fn what_was_never_reserved_or_is_released_cannot_be_sold() {
        assert_eq!(confirm(None), Err(Refusal::NotFound));
        assert_eq!(
            confirm(Some(&known(ReservationState::Released))),
            Err(Refusal::Released)
        );
    }
}
