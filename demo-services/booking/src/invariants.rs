//! What must always hold for bookings, as checks over the database.

use std::time::Duration;

use shop_kit::invariants::{Check, answers_are_whole, compensations_are_complete, nothing_is_overtaken, sagas_move_on};

use crate::booking_saga;

const SAGAS: &[&str] = &[booking_saga::NAME];
/// So long after its time was over a saga may stand.
const GRACE: Duration = Duration::from_secs(60);

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    vec![
        sagas_move_on(SAGAS, GRACE),
        compensations_are_complete(SAGAS),
        answers_are_whole(),
        nothing_is_overtaken(),
    ]
}
