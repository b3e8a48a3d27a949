//! Commands in one transaction each: load, decide, move the goods, write down, tell the others through the outbox.

use serde_json::json;
use shop_kit::{
    context::Context,
    database::{DatabaseError, Tx},
    idempotency::{self, Answer, Begin},
    outbox,
    problem::Problem,
};

use crate::{
    confirm::confirm,
    release::release,
    reservation::{Decision, Line, Refusal, Reservation, ReservationState},
    reserve::reserve,
    restock::restock,
    stock::{Movement, MovementKind, Shelf},
    store,
};

/// Where the service tells what happened.
pub(crate) const TOPIC: &str = "inventory.events";

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

/// Promises goods to an order, or keeps the refusal: a repeat that comes late must not find goods that have come in since,
/// when nobody is left to give them back. `refused` says what has been found out before.
pub(crate) fn reserve_once(
    tx: &Tx<'_>,
    id: &str,
    lines: Vec<Line>,
    refused: Option<Refusal>,
    context: &Context,
) -> Result<Answer, Problem> {
    match idempotency::seen(tx, RESERVE, id, &lines)? {
        Begin::Stored(refusal) => return Ok(refusal),
        Begin::Conflict => return Err(Refusal::OtherLines.into()),
        Begin::First | Begin::Unfinished => {}
    }
    let is_new = store::find_reservation(tx, id)?.is_none();
    let outcome = match refused {
        Some(refusal) if is_new => Err(refusal.into()),
        _ => reserve_goods(tx, id, lines.clone(), context),
    };
    match outcome {
        Ok(reservation) => Ok(Answer {
            status: 201,
            body: json!(reservation),
        }),
        Err(CommandError::Refused(refusal)) if is_new => {
            let answer = Problem::from(refusal).into();
            idempotency::keep(tx, RESERVE, id, &lines, &answer)?;
            Ok(answer)
        }
        Err(error) => Err(error.into()),
    }
}

/// Promises goods to an order.
pub(crate) fn reserve_goods(
    tx: &Tx<'_>,
    id: &str,
    lines: Vec<Line>,
    context: &Context,
) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let decision = reserve(&store::shelves_for(tx, &lines)?, existing.as_ref(), &lines)?;
    carry_out(tx, id, lines, existing, decision, context)
}

/// Gives goods back.
pub(crate) fn release_goods(tx: &Tx<'_>, id: &str, context: &Context) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let decision = release(existing.as_ref());
    let lines = existing.as_ref().map(|known| known.lines.clone()).unwrap_or_default();
    carry_out(tx, id, lines, existing, decision, context)
}

/// Counts goods as sold.
pub(crate) fn confirm_goods(tx: &Tx<'_>, id: &str, context: &Context) -> Result<Reservation, CommandError> {
    let existing = store::find_reservation(tx, id)?;
    let decision = confirm(existing.as_ref())?;
    let lines = existing.as_ref().map(|known| known.lines.clone()).unwrap_or_default();
    carry_out(tx, id, lines, existing, decision, context)
}

fn carry_out(
    tx: &Tx<'_>,
    id: &str,
    lines: Vec<Line>,
    existing: Option<Reservation>,
    decision: Decision,
    context: &Context,
) -> Result<Reservation, CommandError> {
    let reservation = Reservation {
        reservation_id: id.to_owned(),
        state: decision.state,
        lines,
    };
    if existing.as_ref() == Some(&reservation) {
        return Ok(reservation);
    }
    store::put_reservation(tx, &reservation)?;
    for movement in &decision.movements {
        let shelf = store::move_goods(tx, Some(id), movement)?;
        if let Some(delivery) = (movement.kind == MovementKind::Sold).then(|| restock(&shelf)).flatten() {
            receive_delivery(tx, &delivery, context)?;
        }
    }
    let event_type = match reservation.state {
        ReservationState::Reserved => "StockReserved",
        ReservationState::Confirmed => "StockSold",
        ReservationState::Released => "StockReleased",
    };
    let payload = json!({ "reservation_id": id, "lines": reservation.lines });
    outbox::enqueue(tx, TOPIC, id, event_type, &payload, context)?;
    Ok(reservation)
}

fn receive_delivery(tx: &Tx<'_>, delivery: &Movement, context: &Context) -> Result<Shelf, DatabaseError> {
    let shelf = store::move_goods(tx, None, delivery)?;
    let payload = json!({ "product_id": delivery.product_id, "quantity": delivery.quantity, "on_hand": shelf.on_hand });
    outbox::enqueue(tx, TOPIC, &delivery.product_id, "StockRestocked", &payload, context)?;
    Ok(shelf)
}
