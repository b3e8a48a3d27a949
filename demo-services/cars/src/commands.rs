//! Commands in one transaction each: load, decide, take or free the car, tell the others through the outbox.

use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::outbox;

use crate::confirm::confirm;
use crate::release::release;
use crate::reservation::{Decision, Refusal, Rental, Reservation, ReservationState};
use crate::reserve::reserve;
use crate::store;

/// Where the service tells what happened.
pub(crate) const TOPIC: &str = "cars.events";

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// By our rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Promises a car.
pub(crate) fn reserve_car(
    tx: &Tx<'_>,
    id: &str,
    rental: Rental,
    promise: ReservationState,
    context: &Context,
) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let (class, out) = (store::find_class(tx, &rental.class)?, store::out(tx, &rental)?);
    let decision = reserve(class.as_ref(), &out, existing.as_ref(), &rental, promise)?;
    carry_out(tx, id, Some(rental), existing, decision, context)
}

/// Frees the car.
pub(crate) fn release_car(tx: &Tx<'_>, id: &str, context: &Context) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let decision = release(existing.as_ref());
    carry_out(tx, id, None, existing, decision, context)
}

/// Makes the promise final.
pub(crate) fn confirm_car(tx: &Tx<'_>, id: &str, context: &Context) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let decision = confirm(existing.as_ref())?;
    carry_out(tx, id, None, existing, decision, context)
}

fn carry_out(
    tx: &Tx<'_>,
    id: &str,
    rental: Option<Rental>,
    existing: Option<Reservation>,
    decision: Decision,
    context: &Context,
) -> Result<Reservation, CommandError> {
    let known = existing.unwrap_or_else(|| Reservation {
        reservation_id: id.to_owned(),
        state: ReservationState::Released,
        rental,
        total_minor: 0,
        currency: String::new(),
    });
    let before = known.clone();
    let (reservation, event_type) = match decision {
        Decision::NothingNew => return Ok(known),
        Decision::Take {
            state,
            total_minor,
            currency,
        } => {
            let taken = Reservation {
                state,
                total_minor,
                currency,
                ..known
            };
            (taken, "CarReserved")
        }
        Decision::Confirm => {
            let state = ReservationState::Confirmed;
            (Reservation { state, ..known }, "CarConfirmed")
        }
        Decision::Free => {
            let state = ReservationState::Released;
            (Reservation { state, ..known }, "CarReleased")
        }
    };
    store::count(tx, &before, &reservation)?;
    store::put_reservation(tx, &reservation)?;
    outbox::enqueue(tx, TOPIC, id, event_type, &json!(reservation), context)?;
    Ok(reservation)
}
