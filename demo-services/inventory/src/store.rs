//! Shelves, reservations and the trail of movements in the service's own database.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::retention::{self, ENDED, Rule};
use shop_kit::totals;

use crate::{
    first_filling,
    reservation::{Line, Reservation, ReservationState},
    stock::{Movement, Shelf},
};

/// Tables; the checks refuse to oversell even if a decision were wrong.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS shelves (
    product_id TEXT PRIMARY KEY,
    initial INTEGER NOT NULL,
    restocked INTEGER NOT NULL,
    on_hand INTEGER NOT NULL CHECK (on_hand >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    sold INTEGER NOT NULL CHECK (sold >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    reservation_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    lines TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS movements (
    number INTEGER PRIMARY KEY,
    reservation_id TEXT,
    product_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    quantity INTEGER NOT NULL
) STRICT;
"];

/// Reservations of ended orders and old movements go; the shelves and the counts stay.
pub(crate) const RULES: [Rule; 2] = [
    Rule::Ended { kept: ENDED, let_go },
    Rule::Newest {
        table: "movements",
        kept: 4 * ENDED,
    },
];

const SHELF: &str = "product_id, initial, restocked, on_hand, reserved, sold";

/// Fills the shelves that are not there yet.
pub(crate) fn fill(tx: &Tx<'_>) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO shelves VALUES (?, ?, ?, ?, ?, ?)")?;
    for shelf in first_filling::shelves() {
        let Shelf {
            product_id,
            initial,
            restocked,
            on_hand,
            reserved,
            sold,
        } = shelf;
        insert.execute(params![product_id, initial, restocked, on_hand, reserved, sold])?;
    }
    Ok(())
}

/// Every shelf, by product.
pub(crate) fn shelves(conn: &Connection) -> Result<Vec<Shelf>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!("SELECT {SHELF} FROM shelves ORDER BY product_id"))?;
    let shelves = query.query_map([], shelf)?.collect::<Result<_, _>>()?;
    Ok(shelves)
}

/// One shelf.
pub(crate) fn find_shelf(conn: &Connection, product_id: &str) -> Result<Option<Shelf>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!("SELECT {SHELF} FROM shelves WHERE product_id = ?"))?;
    Ok(query.query_row([product_id], shelf).optional()?)
}

/// The shelves that `lines` need, as far as they exist.
pub(crate) fn shelves_for(conn: &Connection, lines: &[Line]) -> Result<BTreeMap<String, Shelf>, DatabaseError> {
    let mut shelves = BTreeMap::new();
    for line in lines {
        if let Some(shelf) = find_shelf(conn, &line.product_id)? {
            shelves.insert(line.product_id.clone(), shelf);
        }
    }
    Ok(shelves)
}

/// One reservation.
pub(crate) fn find_reservation(conn: &Connection, id: &str) -> Result<Option<Reservation>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT state, lines FROM reservations WHERE reservation_id = ?")?;
    let row: Option<(String, String)> = query.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((state, lines)) = row else { return Ok(None) };
    let state = ReservationState::parse(&state).ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(Some(Reservation {
        reservation_id: id.to_owned(),
        state,
        lines: serde_json::from_str(&lines)?,
    }))
}

/// Writes a reservation down.
pub(crate) fn put_reservation(tx: &Tx<'_>, reservation: &Reservation) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO reservations VALUES (?, ?, ?)")?;
    let lines = serde_json::to_string(&reservation.lines)?;
    insert.execute(params![reservation.reservation_id, reservation.state.as_str(), lines])?;
    if reservation.state != ReservationState::Reserved {
        retention::ended(tx, &reservation.reservation_id)?;
    }
    Ok(())
}

/// Removes the reservation of an ended order; it is counted on.
pub(crate) fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
    if let Some(reservation) = find_reservation(tx, id)? {
        tx.prepare_cached("DELETE FROM reservations WHERE reservation_id = ?")?
            .execute([id])?;
        totals::carry(tx, &format!("reservations/{}", reservation.state.as_str()), 1)?;
    }
    Ok(true)
}

/// Moves goods and notes it in the trail; answers the shelf afterwards.
pub(crate) fn move_goods(
    tx: &Tx<'_>,
    reservation_id: Option<&str>,
    movement: &Movement,
) -> Result<Shelf, DatabaseError> {
    let shelf = find_shelf(tx, &movement.product_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    // A decision counted these pieces in this very transaction; a miss means that the books are wrong, so nothing stays.
    let shelf = shelf
        .after(movement.kind, movement.quantity)
        .ok_or(rusqlite::Error::StatementChangedRows(0))?;
    let mut update = tx
        .prepare_cached("UPDATE shelves SET restocked = ?, on_hand = ?, reserved = ?, sold = ? WHERE product_id = ?")?;
    update.execute(params![
        shelf.restocked,
        shelf.on_hand,
        shelf.reserved,
        shelf.sold,
        shelf.product_id
    ])?;
    let mut note =
        tx.prepare_cached("INSERT INTO movements (reservation_id, product_id, kind, quantity) VALUES (?, ?, ?, ?)")?;
    note.execute(params![
        reservation_id,
        movement.product_id,
        movement.kind.as_str(),
        movement.quantity
    ])?;
    Ok(shelf)
}

/// Reservations by state, those that were let go included.
pub(crate) fn reservation_counts(conn: &Connection) -> Result<BTreeMap<String, u32>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT state, count(*) FROM reservations GROUP BY state")?;
    let mut counts: BTreeMap<String, u32> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (state, count) in totals::counts(conn, "reservations")? {
        *counts.entry(state).or_default() += count;
    }
    Ok(counts)
}

fn shelf(row: &Row<'_>) -> rusqlite::Result<Shelf> {
    Ok(Shelf {
        product_id: row.get(0)?,
        initial: row.get(1)?,
        restocked: row.get(2)?,
        on_hand: row.get(3)?,
        reserved: row.get(4)?,
        sold: row.get(5)?,
    })
}
