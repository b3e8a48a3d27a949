//! Commands in one transaction each: load, decide, take or free the car, tell the others through the outbox.

use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::idempotency::{self, Answer, Begin};
use shop_kit::outbox;
use shop_kit::problem::Problem;

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

/// Name under which refused reservations are kept.
const RESERVE: &str = "reserve";

/// Promises a car, or keeps the refusal: a copy of the request that comes late must not find a car that has
/// come free since, when nobody is left to give it back. `refused` says what has been found out before.
pub(crate) fn reserve_once(
    tx: &Tx<'_>,
    id: &str,
    rental: Rental,
    promise: ReservationState,
    refused: Option<Refusal>,
    context: &Context,
) -> Result<Result<Reservation, Answer>, CommandError> {
    let asked = (rental, promise);
    match idempotency::seen(tx, RESERVE, id, &asked)? {
        Begin::Stored(refusal) => return Ok(Err(refusal)),
        Begin::Conflict => return Err(Refusal::OtherRental.into()),
        Begin::First | Begin::Unfinished => {}
    }
    let is_new = store::find_reservation(tx, id)?.is_none();
    let outcome = match refused {
        Some(refusal) if is_new => Err(refusal.into()),
        _ => reserve_car(tx, id, asked.0.clone(), promise, context),
    };
    match outcome {
        Ok(reservation) => Ok(Ok(reservation)),
        Err(CommandError::Refused(refusal)) if is_new => {
            let answer = Problem::from(refusal).into();
            idempotency::keep(tx, RESERVE, id, &asked, &answer)?;
            Ok(Err(answer))
        }
        Err(error) => Err(error),
    }
}

fn reserve_car(
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
