//! The fleet: so many cars of each class. A customer books a class, and gets any car of it.

use serde::Serialize;

/// Currency of all prices.
const CURRENCY: &str = "EUR";

/// Cars of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Class {
    /// Such as `compact`.
    pub(crate) class: String,
    /// How many there are.
    pub(crate) cars: u32,
    /// Of one day, in the smallest unit.
    pub(crate) day_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// The whole fleet, when the rental opens for the first time. Convertibles are few.
pub(crate) fn all() -> impl Iterator<Item = Class> {
    [
        ("compact", 120, 3_500),
        ("estate", 60, 5_500),
        ("van", 30, 8_000),
        ("convertible", 4, 9_900),
    ]
    .into_iter()
    .map(|(class, cars, day_minor)| Class {
        class: class.to_owned(),
        cars,
        day_minor,
        currency: CURRENCY.to_owned(),
    })
}
