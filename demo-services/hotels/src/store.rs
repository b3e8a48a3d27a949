//! Rooms, reservations and the nights they hold, in the service's own database.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::retention::{self, Rule};
use shop_kit::totals;

use crate::reservation::{Reservation, ReservationState, Stay};
use crate::reserve::Holder;
use crate::room::{self, Room};

/// Tables; the key of `nights` refuses to sell a room night twice even if a decision were wrong.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS rooms (
    number INTEGER PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    hotel_id TEXT NOT NULL,
    beds INTEGER NOT NULL,
    night_minor INTEGER NOT NULL CHECK (night_minor > 0),
    currency TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS reservations (
    reservation_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    room_id TEXT,
    arrival INTEGER,
    nights INTEGER,
    total_minor INTEGER NOT NULL,
    currency TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nights (
    room_id TEXT NOT NULL,
    night INTEGER NOT NULL,
    reservation_id TEXT NOT NULL,
    PRIMARY KEY (room_id, night)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nights_by_reservation ON nights (reservation_id);
"];

/// Ended reservations that are kept. A demo cannot wait for its guests to travel: the oldest stays count as over once
/// so many newer ones have ended, and their nights are let again.
const KEPT: u64 = 10_000;

/// What may go.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: KEPT, let_go }];

const ROOM: &str = "room_id, hotel_id, beds, night_minor, currency";

/// Enters the rooms that are not there yet.
pub(crate) fn fill(tx: &Tx<'_>) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached(&format!("INSERT OR IGNORE INTO rooms ({ROOM}) VALUES (?, ?, ?, ?, ?)"))?;
    for room in room::all() {
        let Room {
            room_id,
            hotel_id,
            beds,
            night_minor,
            currency,
        } = room;
        insert.execute(params![room_id, hotel_id, beds, night_minor, currency])?;
    }
    Ok(())
}

/// A page of rooms after number `after`, with the number of each.
pub(crate) fn rooms(conn: &Connection, after: i64, limit: u32) -> Result<Vec<(i64, Room)>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {ROOM}, number FROM rooms WHERE number > ? ORDER BY number LIMIT ?"
    ))?;
    let rooms = query
        .query_map(params![after, limit], |row| Ok((row.get(5)?, room_of(row)?)))?
        .collect::<Result<_, _>>()?;
    Ok(rooms)
}

/// One room.
pub(crate) fn find_room(conn: &Connection, id: &str) -> Result<Option<Room>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!("SELECT {ROOM} FROM rooms WHERE room_id = ?"))?;
    Ok(query.query_row([id], room_of).optional()?)
}

fn room_of(row: &Row<'_>) -> rusqlite::Result<Room> {
    Ok(Room {
        room_id: row.get(0)?,
        hotel_id: row.get(1)?,
        beds: row.get(2)?,
        night_minor: row.get(3)?,
        currency: row.get(4)?,
    })
}

/// Nights of a stay that somebody has.
pub(crate) fn taken(conn: &Connection, stay: &Stay) -> Result<BTreeMap<shop_kit::day::Day, Holder>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT night, reservation_id, state FROM nights JOIN reservations USING (reservation_id)
         WHERE nights.room_id = ? AND night >= ? AND night < ?",
    )?;
    let rows = query.query_map(
        params![stay.room_id, stay.arrival, stay.arrival.plus(stay.nights)],
        |row| {
            let (reservation_id, state): (String, String) = (row.get(1)?, row.get(2)?);
            let in_doubt = state == ReservationState::Prepared.as_str();
            Ok((
                row.get(0)?,
                Holder {
                    reservation_id,
                    in_doubt,
                },
            ))
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes every night of a reservation; fails when one is taken.
pub(crate) fn take_nights(tx: &Tx<'_>, reservation: &Reservation) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached("INSERT INTO nights VALUES (?, ?, ?)")?;
    if let Some(stay) = &reservation.stay {
        for night in stay.each_night() {
            insert.execute(params![stay.room_id, night, reservation.reservation_id])?;
        }
    }
    Ok(())
}

/// Frees the nights of a reservation.
pub(crate) fn free_nights(tx: &Tx<'_>, id: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached("DELETE FROM nights WHERE reservation_id = ?")?
        .execute([id])?;
    Ok(())
}

/// One reservation.
pub(crate) fn find_reservation(conn: &Connection, id: &str) -> Result<Option<Reservation>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT state, room_id, arrival, nights, total_minor, currency FROM reservations WHERE reservation_id = ?",
    )?;
    let found = query.query_row([id], |row| {
        let state: String = row.get(0)?;
        let room_id: Option<String> = row.get(1)?;
        let stay = match room_id {
            Some(room_id) => Some(Stay {
                room_id,
                arrival: row.get(2)?,
                nights: row.get(3)?,
            }),
            None => None,
        };
        Ok(Reservation {
            reservation_id: id.to_owned(),
            state: ReservationState::parse(&state).ok_or(rusqlite::Error::InvalidQuery)?,
            stay,
            total_minor: row.get(4)?,
            currency: row.get(5)?,
        })
    });
    Ok(found.optional()?)
}

/// Writes a reservation down.
pub(crate) fn put_reservation(tx: &Tx<'_>, reservation: &Reservation) -> Result<(), DatabaseError> {
    let Reservation {
        reservation_id,
        state,
        stay,
        total_minor,
        currency,
    } = reservation;
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    insert.execute(params![
        reservation_id,
        state.as_str(),
        stay.as_ref().map(|stay| &stay.room_id),
        stay.as_ref().map(|stay| stay.arrival),
        stay.as_ref().map(|stay| stay.nights),
        total_minor,
        currency
    ])?;
    match state {
        ReservationState::Prepared | ReservationState::Reserved => Ok(()),
        ReservationState::Confirmed | ReservationState::Released => retention::ended(tx, reservation_id),
    }
}

/// Removes an ended reservation with its nights; it is counted on.
pub(crate) fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
    if let Some(reservation) = find_reservation(tx, id)? {
        free_nights(tx, id)?;
        tx.prepare_cached("DELETE FROM reservations WHERE reservation_id = ?")?
            .execute([id])?;
        totals::carry(tx, &format!("reservations/{}", reservation.state.as_str()), 1)?;
    }
    Ok(true)
}

/// Reservations by state, those that were let go included.
pub(crate) fn counts(conn: &Connection) -> Result<BTreeMap<String, u32>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT state, count(*) FROM reservations GROUP BY state")?;
    let mut counts: BTreeMap<String, u32> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (state, count) in totals::counts(conn, "reservations")? {
        *counts.entry(state).or_default() += count;
    }
    Ok(counts)
}

/// Nights that reservations hold by their words, and nights that are held: the same, or the books are wrong.
pub(crate) fn nights(conn: &Connection) -> Result<(u32, u32), DatabaseError> {
    let number = |sql: &str| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, u32>(0));
    Ok((
        number("SELECT coalesce(sum(nights), 0) FROM reservations WHERE state <> 'released'")?,
        number("SELECT count(*) FROM nights JOIN reservations USING (reservation_id) WHERE state <> 'released'")?,
    ))
}
