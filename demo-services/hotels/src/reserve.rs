//! Reserve a room: every night of the stay or none.

use std::collections::BTreeMap;

use shop_kit::day::Day;

use crate::reservation::{Decision, Refusal, Reservation, ReservationState, Stay};
use crate::room::Room;

/// Who has a night.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Their reservation.
    pub(crate) reservation_id: String,
    /// It is prepared, and may end either way.
    pub(crate) in_doubt: bool,
}

/// Promises a stay, as `Reserved` to a saga or as `Prepared` to a two-phase commit. A repeat is answered as before;
/// after a release (which may overtake the reserve) it is refused.
pub(crate) fn reserve(
    room: Option<&Room>,
    taken: &BTreeMap<Day, Holder>,
    existing: Option<&Reservation>,
    stay: &Stay,
    promise: ReservationState,
) -> Result<Decision, Refusal> {
    if let Some(known) = existing {
        return match known.state {
            ReservationState::Released => Err(Refusal::Released),
            state if known.stay.as_ref() == Some(stay) && repeats(state, promise) => Ok(Decision::NothingNew),
            _ => Err(Refusal::OtherStay),
        };
    }
    let room = room.ok_or_else(|| Refusal::UnknownRoom {
        room_id: stay.room_id.clone(),
    })?;
    if let Some((night, holder)) = stay.each_night().find_map(|night| Some((night, taken.get(&night)?))) {
        let room_id = stay.room_id.clone();
        return Err(match holder.in_doubt {
            true => Refusal::InDoubt {
                room_id,
                night,
                holder: holder.reservation_id.clone(),
            },
            false => Refusal::NoRoom { room_id, night },
        });
    }
    Ok(Decision::Take {
        state: promise,
        total_minor: room.night_minor.saturating_mul(i64::from(stay.nights)),
        currency: room.currency.clone(),
    })
}

/// True when a reservation in `state` may have begun as this promise.
fn repeats(state: ReservationState, promise: ReservationState) -> bool {
    state == promise || state == ReservationState::Confirmed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        Room {
            room_id: "r".into(),
            hotel_id: "h".into(),
            beds: 2,
            night_minor: 10_000,
            currency: "EUR".into(),
        }
    }

    fn stay(arrival: &str, nights: u32) -> Stay {
        Stay {
            room_id: "r".into(),
            arrival: Day::parse(arrival).expect("a day"),
            nights,
        }
    }

    fn taken(nights: &[(&str, bool)]) -> BTreeMap<Day, Holder> {
        let holder = |&(night, in_doubt): &(&str, bool)| {
            let reservation_id = "other".to_owned();
            (
                Day::parse(night).expect("a day"),
                Holder {
                    reservation_id,
                    in_doubt,
                },
            )
        };
        nights.iter().map(holder).collect()
    }

    fn known(state: ReservationState, stay: Option<Stay>) -> Reservation {
        Reservation {
            reservation_id: "b".into(),
            state,
            stay,
            total_minor: 0,
            currency: "EUR".into(),
        }
    }

    #[test]
    fn a_free_room_is_taken_for_the_price_of_its_nights() {
        for promise in [ReservationState::Reserved, ReservationState::Prepared] {
            // The night before and the day of departure belong to others.
            let others = taken(&[("2027-01-03", false), ("2027-01-07", true)]);
            let decision = reserve(Some(&room()), &others, None, &stay("2027-01-04", 3), promise);
            let (total_minor, currency) = (30_000, "EUR".into());
            assert_eq!(
                decision,
                Ok(Decision::Take {
                    state: promise,
                    total_minor,
                    currency
                })
            );
        }
    }

    #[test]
    fn one_taken_night_refuses_the_whole_stay() {
        for night in ["2027-01-04", "2027-01-05", "2027-01-06"] {
            let refused = reserve(
                Some(&room()),
                &taken(&[(night, false)]),
                None,
                &stay("2027-01-04", 3),
                ReservationState::Reserved,
            );
            let night = Day::parse(night).expect("a day");
            assert_eq!(
                refused,
                Err(Refusal::NoRoom {
                    room_id: "r".into(),
                    night
                })
            );
        }
    }

    #[test]
    fn a_night_in_doubt_refuses_too_and_names_who_holds_it() {
        let others = taken(&[("2027-01-05", true)]);
        let refused = reserve(
            Some(&room()),
            &others,
            None,
            &stay("2027-01-04", 3),
            ReservationState::Reserved,
        );
        assert!(matches!(refused, Err(Refusal::InDoubt { holder, .. }) if holder == "other"));
    }

    #[test]
    fn a_repeat_is_nothing_new_also_after_the_confirmation() {
        let wish = stay("2027-01-04", 1);
        for state in [ReservationState::Reserved, ReservationState::Confirmed] {
            let existing = known(state, Some(wish.clone()));
            let own = taken(&[("2027-01-04", false)]);
            let again = reserve(Some(&room()), &own, Some(&existing), &wish, ReservationState::Reserved);
            assert_eq!(again, Ok(Decision::NothingNew));
        }
    }

    #[test]
    fn the_same_id_for_another_stay_or_protocol_is_refused() {
        let existing = known(ReservationState::Reserved, Some(stay("2027-01-04", 1)));
        let free = BTreeMap::new();
        for (wish, promise) in [
            (stay("2027-01-04", 2), ReservationState::Reserved),
            (stay("2027-01-04", 1), ReservationState::Prepared),
        ] {
            let refused = reserve(Some(&room()), &free, Some(&existing), &wish, promise);
            assert_eq!(refused, Err(Refusal::OtherStay));
        }
    }

    /// G06: the compensation, or the abort, overtook the forward step.
    #[test]
    fn a_reserve_that_comes_after_its_release_is_refused() {
        let tombstone = known(ReservationState::Released, None);
        for promise in [ReservationState::Reserved, ReservationState::Prepared] {
            let late = reserve(
                Some(&room()),
                &BTreeMap::new(),
                Some(&tombstone),
                &stay("2027-01-04", 1),
                promise,
            );
            assert_eq!(late, Err(Refusal::Released));
        }
    }

    #[test]
    fn an_unknown_room_is_named() {
        let refused = reserve(
            None,
            &BTreeMap::new(),
            None,
            &stay("2027-01-04", 1),
            ReservationState::Reserved,
        );
        assert_eq!(refused, Err(Refusal::UnknownRoom { room_id: "r".into() }));
    }
}
