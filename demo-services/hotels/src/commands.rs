//! Commands in one transaction each: load, decide, take or free the nights, tell the others through the outbox.

use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::outbox;

use crate::confirm::confirm;
use crate::release::release;
use crate::reservation::{Decision, Refusal, Reservation, ReservationState, Stay};
use crate::reserve::reserve;
use crate::store;

/// Where the service tells what happened.
pub(crate) const TOPIC: &str = "hotels.events";

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

/// Promises a stay.
pub(crate) fn reserve_room(
    tx: &Tx<'_>,
    id: &str,
    stay: Stay,
    promise: ReservationState,
    context: &Context,
) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let (room, taken) = (store::find_room(tx, &stay.room_id)?, store::taken(tx, &stay)?);
    let decision = reserve(room.as_ref(), &taken, existing.as_ref(), &stay, promise)?;
    carry_out(tx, id, Some(stay), existing, decision, context)
}

/// Frees the nights.
pub(crate) fn release_room(tx: &Tx<'_>, id: &str, context: &Context) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let decision = release(existing.as_ref());
    carry_out(tx, id, None, existing, decision, context)
}

/// Makes the promise final.
pub(crate) fn confirm_room(tx: &Tx<'_>, id: &str, context: &Context) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let decision = confirm(existing.as_ref())?;
    carry_out(tx, id, None, existing, decision, context)
}

fn carry_out(
    tx: &Tx<'_>,
    id: &str,
    stay: Option<Stay>,
    existing: Option<Reservation>,
    decision: Decision,
    context: &Context,
) -> Result<Reservation, CommandError> {
    let known = existing.unwrap_or_else(|| Reservation {
        reservation_id: id.to_owned(),
        state: ReservationState::Released,
        stay,
        total_minor: 0,
        currency: String::new(),
    });
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
            store::take_nights(tx, &taken)?;
            (taken, "RoomReserved")
        }
        Decision::Confirm => {
            let state = ReservationState::Confirmed;
            (Reservation { state, ..known }, "RoomConfirmed")
        }
        Decision::Free => {
            store::free_nights(tx, id)?;
            let state = ReservationState::Released;
            (Reservation { state, ..known }, "RoomReleased")
        }
    };
    store::put_reservation(tx, &reservation)?;
    outbox::enqueue(tx, TOPIC, id, event_type, &json!(reservation), context)?;
    Ok(reservation)
}
