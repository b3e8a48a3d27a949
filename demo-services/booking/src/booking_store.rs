//! Bookings in the service's own database; news go out through the outbox.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::retention::{self, Rule};
use shop_kit::{outbox, saga, totals};

use crate::booking::{Booking, Price, Protocol, Status};
use crate::booking_saga;
use crate::place_booking::PlaceBooking;
use crate::two_phase;

/// Where the service tells what happened.
pub(crate) const TOPIC: &str = "booking.events";

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS bookings (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    booking_id TEXT NOT NULL UNIQUE,
    customer_id TEXT NOT NULL,
    wish TEXT NOT NULL,
    protocol TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    total_minor INTEGER,
    currency TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS bookings_by_customer ON bookings (customer_id, number);
";

/// Ended bookings kept to be looked at.
const KEPT: u64 = 10_000;

/// What may go; the sums of the audit stay.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: KEPT, let_go }];

const CONFIRMED_MINOR: &str = "bookings.confirmed_minor";
const BOOKING: &str = "booking_id, wish, protocol, status, reason, total_minor, currency";

/// One booking.
pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<Booking>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!("SELECT {BOOKING} FROM bookings WHERE booking_id = ?"))?;
    let row = query.query_row([id], |row| Ok(booking(row))).optional()?;
    row.transpose()
}

/// Bookings before number `before`, newest first, with the number of each; of one customer when given.
pub(crate) fn list(
    conn: &Connection,
    customer_id: Option<&str>,
    before: i64,
    limit: u32,
) -> Result<Vec<(i64, Booking)>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {BOOKING}, number FROM bookings
         WHERE (?1 IS NULL OR customer_id = ?1) AND number < ?2 ORDER BY number DESC LIMIT ?3"
    ))?;
    let mut rows = query.query(params![customer_id, before, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(7)?, booking(row)?));
    }
    Ok(found)
}

fn booking(row: &Row<'_>) -> Result<Booking, DatabaseError> {
    let (wish, protocol, status): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let wish: PlaceBooking = serde_json::from_str(&wish)?;
    let (total_minor, currency): (Option<i64>, Option<String>) = (row.get(5)?, row.get(6)?);
    let price = total_minor.zip(currency);
    Ok(Booking {
        booking_id: row.get(0)?,
        wish,
        protocol: Protocol::parse(&protocol).ok_or(rusqlite::Error::InvalidQuery)?,
        status: Status::parse(&status).ok_or(rusqlite::Error::InvalidQuery)?,
        reason: row.get(4)?,
        price: price.map(|(total_minor, currency)| Price { total_minor, currency }),
    })
}

/// Writes a booking down and tells of it.
pub(crate) fn put(tx: &Tx<'_>, booking: &Booking, context: &Context) -> Result<(), DatabaseError> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO bookings (booking_id, customer_id, wish, protocol, status, reason, total_minor, currency)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (booking_id) DO UPDATE SET status = excluded.status, reason = excluded.reason,
            total_minor = excluded.total_minor, currency = excluded.currency",
    )?;
    upsert.execute(params![
        booking.booking_id,
        booking.wish.customer_id,
        serde_json::to_string(&booking.wish)?,
        booking.protocol.as_str(),
        booking.status.as_str(),
        booking.reason,
        booking.price.as_ref().map(|price| price.total_minor),
        booking.price.as_ref().map(|price| &price.currency),
    ])?;
    let event_type = match booking.status {
        Status::Pending => "BookingCreated",
        Status::Confirmed => "BookingConfirmed",
        Status::Cancelled => "BookingCancelled",
    };
    outbox::enqueue(tx, TOPIC, &booking.booking_id, event_type, &json!(booking), context)?;
    Ok(())
}

/// Notes that a booking has ended, with all that belongs to it.
pub(crate) fn ended(tx: &Tx<'_>, id: &str) -> Result<(), DatabaseError> {
    retention::ended(tx, id)
}

/// Removes an ended booking and its saga; it is counted on.
pub(crate) fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
    if !saga::let_go(tx, booking_saga::NAME, id)? || !two_phase::let_go(tx, id)? {
        return Ok(false);
    }
    if let Some(booking) = find(tx, id)? {
        tx.prepare_cached("DELETE FROM bookings WHERE booking_id = ?")?
            .execute([id])?;
        let word = format!("bookings/{}/{}", booking.protocol.as_str(), booking.status.as_str());
        totals::carry(tx, &word, 1)?;
        if let Some(price) = booking.price {
            totals::carry(tx, CONFIRMED_MINOR, price.total_minor)?;
        }
    }
    Ok(true)
}

/// Bookings by protocol and status, such as `saga/confirmed`, those that were let go included.
pub(crate) fn counts(conn: &Connection) -> Result<BTreeMap<String, u32>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT protocol || '/' || status AS word, count(*) FROM bookings GROUP BY word")?;
    let mut counts: BTreeMap<String, u32> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (word, count) in totals::counts(conn, "bookings")? {
        *counts.entry(word).or_default() += count;
    }
    Ok(counts)
}

/// Sum of all confirmed bookings, those that were let go included.
pub(crate) fn confirmed_minor(conn: &Connection) -> Result<i64, DatabaseError> {
    let here: i64 = conn
        .prepare_cached("SELECT coalesce(sum(total_minor), 0) FROM bookings")?
        .query_row([], |row| row.get(0))?;
    Ok(here + totals::carried(conn, CONFIRMED_MINOR)?)
}
