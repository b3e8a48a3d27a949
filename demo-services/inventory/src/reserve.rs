//! Reserve goods for an order: all lines or none.

use std::collections::BTreeMap;

use crate::{
    reservation::{Decision, Line, Refusal, Reservation, ReservationState},
    stock::{MovementKind, Shelf},
};

/// Promises `lines`. A repeat is answered as before; after a release (which may overtake the reserve) it is refused.
pub(crate) fn reserve(
    shelves: &BTreeMap<String, Shelf>,
    existing: Option<&Reservation>,
    lines: &[Line],
) -> Result<Decision, Refusal> {
    match existing {
        Some(Reservation {
            state: ReservationState::Released,
            ..
        }) => return Err(Refusal::Released),
        Some(known) if known.lines != lines => return Err(Refusal::OtherLines),
        Some(known) => return Ok(Decision::nothing_new(known.state)),
        None => {}
    }
    for line in lines {
        let shelf = shelves.get(&line.product_id).ok_or_else(|| Refusal::UnknownProduct {
            product_id: line.product_id.clone(),
        })?;
        if shelf.on_hand < line.quantity {
            let (product_id, wanted) = (line.product_id.clone(), line.quantity);
            return Err(Refusal::OutOfStock {
                product_id,
                wanted,
                on_hand: shelf.on_hand,
            });
        }
    }
    Ok(Decision::moves(
        ReservationState::Reserved,
        MovementKind::Reserved,
        lines,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelves(on_hand: &[(&str, u32)]) -> BTreeMap<String, Shelf> {
        on_hand
            .iter()
            .map(|&(id, pieces)| (id.to_owned(), Shelf::new(id, pieces)))
            .collect()
    }

    fn lines(wanted: &[(&str, u32)]) -> Vec<Line> {
        wanted
            .iter()
            .map(|&(id, quantity)| Line {
                product_id: id.into(),
                quantity,
            })
            .collect()
    }

    fn known(state: ReservationState, wanted: &[(&str, u32)]) -> Reservation {
        Reservation {
            reservation_id: "r".into(),
            state,
            lines: lines(wanted),
        }
    }

    #[test]
    fn all_lines_are_promised_at_once() {
        let decision = reserve(&shelves(&[("a", 5), ("b", 5)]), None, &lines(&[("a", 5), ("b", 1)])).unwrap();
        assert_eq!(decision.state, ReservationState::Reserved);
        assert_eq!(
            decision.movements.iter().map(|m| m.quantity).collect::<Vec<_>>(),
            [5, 1]
        );
    }

    #[test]
    fn one_short_line_refuses_the_whole() {
        let refusal = reserve(&shelves(&[("a", 5), ("b", 1)]), None, &lines(&[("a", 1), ("b", 2)]));
        assert_eq!(
            refusal,
            Err(Refusal::OutOfStock {
                product_id: "b".into(),
                wanted: 2,
                on_hand: 1
            })
        );
    }

    #[test]
    fn an_unknown_product_is_named() {
        let refusal = reserve(&shelves(&[]), None, &lines(&[("a", 1)]));
        assert_eq!(refusal, Err(Refusal::UnknownProduct { product_id: "a".into() }));
    }

    #[test]
    fn a_repeat_takes_nothing_more_even_when_the_shelf_is_empty_now() {
        for state in [ReservationState::Reserved, ReservationState::Confirmed] {
            let again = reserve(
                &shelves(&[("a", 0)]),
                Some(&known(state, &[("a", 2)])),
                &lines(&[("a", 2)]),
            );
            assert_eq!(again, Ok(Decision::nothing_new(state)));
        }
    }

    #[test]
    fn the_same_id_for_other_goods_is_refused() {
        let other = reserve(
            &shelves(&[("a", 9)]),
            Some(&known(ReservationState::Reserved, &[("a", 2)])),
            &lines(&[("a", 3)]),
        );
        assert_eq!(other, Err(Refusal::OtherLines));
    }

    /// G06: the compensation overtook the forward step.
    #[test]
    fn a_reserve_that_comes_after_its_release_is_refused() {
        let tombstone = known(ReservationState::Released, &[]);
        assert_eq!(
            reserve(&shelves(&[("a", 9)]), Some(&tombstone), &lines(&[("a", 1)])),
            Err(Refusal::Released)
        );
    }
}
