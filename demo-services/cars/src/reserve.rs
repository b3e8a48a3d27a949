//! Reserve a car: one of the class on every day of the rental, or none.

use std::collections::BTreeMap;

use shop_kit::day::Day;

use crate::fleet::Class;
use crate::reservation::{Decision, Refusal, Rental, Reservation, ReservationState};

/// Cars of a class that are out on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Out {
    /// All of them.
    pub(crate) taken: u32,
    /// Those among them whose reservation is prepared, and may end either way.
    pub(crate) locked: u32,
}

/// Promises a rental, as `Reserved` to a saga or as `Prepared` to a two-phase commit. A repeat is answered as before;
/// after a release (which may overtake the reserve) it is refused.
pub(crate) fn reserve(
    class: Option<&Class>,
    out: &BTreeMap<Day, Out>,
    existing: Option<&Reservation>,
    rental: &Rental,
    promise: ReservationState,
) -> Result<Decision, Refusal> {
    if let Some(known) = existing {
        let same = known.rental.as_ref() == Some(rental);
        return match known.state {
            ReservationState::Released => Err(Refusal::Released),
            state if same && (state == promise || state == ReservationState::Confirmed) => Ok(Decision::NothingNew),
            _ => Err(Refusal::OtherRental),
        };
    }
    let class = class.ok_or_else(|| Refusal::UnknownClass {
        class: rental.class.clone(),
    })?;
    for day in rental.from.run(rental.days) {
        let Out { taken, locked } = out.get(&day).copied().unwrap_or_default();
        if taken >= class.cars {
            let class = class.class.clone();
            return Err(match locked {
                0 => Refusal::NoCar { class, day },
                locked => Refusal::InDoubt { class, day, locked },
            });
        }
    }
    Ok(Decision::Take {
        state: promise,
        total_minor: class.day_minor.saturating_mul(i64::from(rental.days)),
        currency: class.currency.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReservationState::{Confirmed, Prepared, Released, Reserved};

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a day")
    }

    fn vans(cars: u32) -> Class {
        Class {
            class: "van".into(),
            cars,
            day_minor: 8_000,
            currency: "EUR".into(),
        }
    }

    fn rental(days: u32) -> Rental {
        Rental {
            class: "van".into(),
            from: day("2027-01-04"),
            days,
        }
    }

    fn out(on: &str, taken: u32, locked: u32) -> BTreeMap<Day, Out> {
        BTreeMap::from([(day(on), Out { taken, locked })])
    }

    fn known(state: ReservationState, rental: Option<Rental>) -> Reservation {
        Reservation {
            reservation_id: "b".into(),
            state,
            rental,
            total_minor: 0,
            currency: "EUR".into(),
        }
    }

    #[test]
    fn the_last_car_of_a_day_can_be_taken() {
        for promise in [Reserved, Prepared] {
            let decision = reserve(Some(&vans(2)), &out("2027-01-05", 1, 0), None, &rental(2), promise);
            let (total_minor, currency) = (16_000, "EUR".into());
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
    fn one_day_without_a_car_refuses_the_whole_rental() {
        let refused = reserve(Some(&vans(2)), &out("2027-01-05", 2, 0), None, &rental(2), Reserved);
        let (class, day) = ("van".into(), day("2027-01-05"));
        assert_eq!(refused, Err(Refusal::NoCar { class, day }));
    }

    #[test]
    fn a_day_whose_last_cars_are_locked_is_in_doubt() {
        let refused = reserve(Some(&vans(2)), &out("2027-01-05", 2, 1), None, &rental(2), Reserved);
        assert!(matches!(refused, Err(Refusal::InDoubt { locked: 1, .. })));
    }

    #[test]
    fn a_repeat_is_nothing_new_and_another_use_of_the_id_is_refused() {
        let full = out("2027-01-04", 2, 0);
        let again = |state, days, promise| {
            let existing = known(state, Some(rental(1)));
            reserve(Some(&vans(2)), &full, Some(&existing), &rental(days), promise)
        };
        assert_eq!(again(Reserved, 1, Reserved), Ok(Decision::NothingNew));
        assert_eq!(again(Prepared, 1, Prepared), Ok(Decision::NothingNew));
        assert_eq!(again(Confirmed, 1, Reserved), Ok(Decision::NothingNew));
        assert_eq!(again(Reserved, 2, Reserved), Err(Refusal::OtherRental));
        assert_eq!(again(Reserved, 1, Prepared), Err(Refusal::OtherRental));
    }

    /// G06: the compensation, or the abort, overtook the forward step.
    #[test]
    fn a_reserve_that_comes_after_its_release_is_refused() {
        let tombstone = known(Released, None);
        let late = reserve(Some(&vans(2)), &BTreeMap::new(), Some(&tombstone), &rental(1), Prepared);
        assert_eq!(late, Err(Refusal::Released));
    }

    #[test]
    fn an_unknown_class_is_named() {
        let refused = reserve(None, &BTreeMap::new(), None, &rental(1), Reserved);
        assert_eq!(refused, Err(Refusal::UnknownClass { class: "van".into() }));
    }
}
