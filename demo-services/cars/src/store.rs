//! The fleet, reservations and how many cars are out on each day, in the service's own database.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::day::Day;
use shop_kit::retention::{self, Rule};
use shop_kit::totals;

use crate::fleet::{self, Class};
use crate::reservation::{Rental, Reservation, ReservationState};
use crate::reserve::Out;

/// Tables; the checks refuse to rent a car twice even if a decision were wrong.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS fleet (
    class TEXT PRIMARY KEY,
    cars INTEGER NOT NULL CHECK (cars > 0),
    day_minor INTEGER NOT NULL CHECK (day_minor > 0),
    currency TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    reservation_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    class TEXT,
    first_day INTEGER,
    days INTEGER,
    total_minor INTEGER NOT NULL,
    currency TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS days (
    class TEXT NOT NULL,
    day INTEGER NOT NULL,
    cars INTEGER NOT NULL,
    taken INTEGER NOT NULL CHECK (taken BETWEEN 0 AND cars),
    locked INTEGER NOT NULL CHECK (locked BETWEEN 0 AND taken),
    PRIMARY KEY (class, day)
) STRICT, WITHOUT ROWID;
"];

/// Ended reservations that are kept. A demo cannot wait for its customers to travel: the oldest rentals count as over
/// once so many newer ones have ended, and their cars are rented again.
const KEPT: u64 = 10_000;

/// What may go.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: KEPT, let_go }];

/// Enters the classes that are not there yet.
pub(crate) fn fill(tx: &Tx<'_>) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO fleet VALUES (?, ?, ?, ?)")?;
    for class in fleet::all() {
        insert.execute(params![class.class, class.cars, class.day_minor, class.currency])?;
    }
    Ok(())
}

/// Every class.
pub(crate) fn classes(conn: &Connection) -> Result<Vec<Class>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT class, cars, day_minor, currency FROM fleet ORDER BY class")?;
    let classes = query.query_map([], class_of)?.collect::<Result<_, _>>()?;
    Ok(classes)
}

/// One class.
pub(crate) fn find_class(conn: &Connection, name: &str) -> Result<Option<Class>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT class, cars, day_minor, currency FROM fleet WHERE class = ?")?;
    Ok(query.query_row([name], class_of).optional()?)
}

fn class_of(row: &Row<'_>) -> rusqlite::Result<Class> {
    Ok(Class {
        class: row.get(0)?,
        cars: row.get(1)?,
        day_minor: row.get(2)?,
        currency: row.get(3)?,
    })
}

/// Cars that are out on the days of a rental.
pub(crate) fn out(conn: &Connection, rental: &Rental) -> Result<BTreeMap<Day, Out>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT day, taken, locked FROM days WHERE class = ? AND day >= ? AND day < ?")?;
    let rows = query.query_map(
        params![rental.class, rental.from, rental.from.plus(rental.days)],
        |row| {
            let (taken, locked) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, Out { taken, locked }))
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Counts what a command changes on the days of its rental; fails when there is no car left to count.
pub(crate) fn count(tx: &Tx<'_>, before: &Reservation, after: &Reservation) -> Result<(), DatabaseError> {
    let Some(rental) = &after.rental else { return Ok(()) };
    let holds = |state| i32::from(state != ReservationState::Released);
    let locks = |state| i32::from(state == ReservationState::Prepared);
    let taken = holds(after.state) - holds(before.state);
    let locked = locks(after.state) - locks(before.state);
    if (taken, locked) == (0, 0) {
        return Ok(());
    }
    let mut open =
        tx.prepare_cached("INSERT OR IGNORE INTO days SELECT class, ?, cars, 0, 0 FROM fleet WHERE class = ?")?;
    let mut update =
        tx.prepare_cached("UPDATE days SET taken = taken + ?, locked = locked + ? WHERE class = ? AND day = ?")?;
    for day in rental.from.run(rental.days) {
        open.execute(params![day, rental.class])?;
        update.execute(params![taken, locked, rental.class, day])?;
    }
    Ok(())
}

/// One reservation.
pub(crate) fn find_reservation(conn: &Connection, id: &str) -> Result<Option<Reservation>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT state, class, first_day, days, total_minor, currency FROM reservations WHERE reservation_id = ?",
    )?;
    let found = query.query_row([id], |row| {
        let state: String = row.get(0)?;
        let class: Option<String> = row.get(1)?;
        let rental = match class {
            Some(class) => Some(Rental {
                class,
                from: row.get(2)?,
                days: row.get(3)?,
            }),
            None => None,
        };
        Ok(Reservation {
            reservation_id: id.to_owned(),
            state: ReservationState::parse(&state).ok_or(rusqlite::Error::InvalidQuery)?,
            rental,
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
        rental,
        total_minor,
        currency,
    } = reservation;
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    insert.execute(params![
        reservation_id,
        state.as_str(),
        rental.as_ref().map(|rental| &rental.class),
        rental.as_ref().map(|rental| rental.from),
        rental.as_ref().map(|rental| rental.days),
        total_minor,
        currency
    ])?;
    match state {
        ReservationState::Prepared | ReservationState::Reserved => Ok(()),
        ReservationState::Confirmed | ReservationState::Released => retention::ended(tx, reservation_id),
    }
}

/// Removes an ended reservation, and its car is free; it is counted on.
pub(crate) fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
    if let Some(before) = find_reservation(tx, id)? {
        let state = ReservationState::Released;
        count(
            tx,
            &before,
            &Reservation {
                state,
                ..before.clone()
            },
        )?;
        tx.prepare_cached("DELETE FROM reservations WHERE reservation_id = ?")?
            .execute([id])?;
        totals::carry(tx, &format!("reservations/{}", before.state.as_str()), 1)?;
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

/// Car days that reservations hold by their words, and car days that are counted: the same, or the books are wrong.
pub(crate) fn days(conn: &Connection) -> Result<(u32, u32), DatabaseError> {
    let number = |sql: &str| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, u32>(0));
    Ok((
        number("SELECT coalesce(sum(days), 0) FROM reservations WHERE state <> 'released'")?,
        number("SELECT coalesce(sum(taken), 0) FROM days")?,
    ))
}
