//! Release a reservation: the undo of a reserve, and of a confirm.

use crate::{
    reservation::{Decision, Reservation, ReservationState},
    stock::MovementKind,
};

/// Gives the goods back, wherever they are now. It cannot be refused: an unknown reservation becomes a tombstone.
pub(crate) fn release(existing: Option<&Reservation>) -> Decision {
    let released = ReservationState::Released;
    match existing {
        None
        | Some(Reservation {
            state: ReservationState::Released,
            ..
        }) => Decision::nothing_new(released),
        Some(Reservation {
            state: ReservationState::Reserved,
            lines,
            ..
        }) => Decision::moves(released, MovementKind::Released, lines),
        Some(Reservation {
            state: ReservationState::Confirmed,
            lines,
            ..
        }) => Decision::moves(released, MovementKind::Returned, lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reservation::Line;

    fn movement_of(state: ReservationState) -> Vec<MovementKind> {
        let lines = vec![Line {
            product_id: "a".into(),
            quantity: 1,
        }];
        let decision = release(Some(&Reservation {
            reservation_id: "r".into(),
            state,
            lines,
        }));
        assert_eq!(decision.state, ReservationState::Released);
        decision.movements.iter().map(|movement| movement.kind).collect()
    }

    #[test]
    fn goods_come_back_from_where_they_are() {
        assert_eq!(movement_of(ReservationState::Reserved), [MovementKind::Released]);
        assert_eq!(movement_of(ReservationState::Confirmed), [MovementKind::Returned]);
        assert_eq!(movement_of(ReservationState::Released), []);
    }

    #[test]
    fn an_unknown_reservation_leaves_a_tombstone() {
        assert_eq!(release(None), Decision::nothing_new(ReservationState::Released));
    }
}
