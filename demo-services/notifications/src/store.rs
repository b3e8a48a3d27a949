//! Letters in the service's own database.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;
use shop_kit::broker::{Message, schema};
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::jobs;
use shop_kit::retention::{self, ENDED, Rule};
use shop_kit::totals;

use crate::letter::{Letter, forms, write};
use crate::mail;

/// Tables; one letter an order and final state, whatever is delivered how often.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS letters (
    number INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL,
    state TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (order_id, state)
) STRICT;
CREATE TABLE IF NOT EXISTS mails_sent (
    order_id TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (order_id, state)
) STRICT, WITHOUT ROWID;
"];

/// Letters of long ago go; their counts stay.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: ENDED, let_go }];

/// Handles one message of `orders.events`.
pub(crate) fn handle(tx: &Tx<'_>, message: &Message) -> anyhow::Result<()> {
    let Some(news) = schema::read(&forms(), message)? else {
        return Ok(());
    };
    if let Some(letter) = write(&message.event_type, news) {
        keep(tx, &letter)?;
        let context = Context::from_headers(&message.headers).caused_by(message.id.clone());
        jobs::add(
            tx,
            mail::QUEUE,
            &format!("{}/{}", letter.order_id, letter.state),
            &letter,
            &context,
        )?;
    }
    Ok(())
}

fn keep(tx: &Tx<'_>, letter: &Letter) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO letters (order_id, state, customer_id, subject, body) VALUES (?, ?, ?, ?, ?)",
    )?;
    let Letter {
        order_id,
        state,
        customer_id,
        subject,
        body,
    } = letter;
    insert.execute(params![order_id, state, customer_id, subject, body])?;
    retention::ended(tx, order_id)
}

/// Removes the letters about an order; they are counted on.
pub(crate) fn let_go(tx: &Tx<'_>, order_id: &str) -> Result<bool, DatabaseError> {
    for letter in about(tx, order_id)? {
        totals::carry(tx, &format!("letters/{}", letter.state), 1)?;
    }
    for table in ["letters", "mails_sent"] {
        tx.prepare_cached(&format!("DELETE FROM {table} WHERE order_id = ?"))?
            .execute([order_id])?;
    }
    Ok(true)
}

/// Notes a mail as sent; one that was sent before counts once.
pub(crate) fn sent(tx: &Tx<'_>, letter: &Letter) -> Result<(), DatabaseError> {
    tx.prepare_cached("INSERT OR IGNORE INTO mails_sent VALUES (?, ?)")?
        .execute([&letter.order_id, &letter.state])?;
    Ok(())
}

/// How mails stand, of orders that are still kept.
#[derive(Debug, Serialize)]
pub(crate) struct Mails {
    sent: u64,
    waiting: u64,
    failed: u64,
}

/// See [`Mails`].
pub(crate) fn mails(conn: &Connection) -> Result<Mails, DatabaseError> {
    let (waiting, failed) = jobs::counts(conn, mail::QUEUE)?;
    let sent: i64 = conn.query_row("SELECT count(*) FROM mails_sent", [], |row| row.get(0))?;
    Ok(Mails {
        sent: sent.unsigned_abs(),
        waiting,
        failed,
    })
}

/// Letters about an order.
pub(crate) fn about(conn: &Connection, order_id: &str) -> Result<Vec<Letter>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT order_id, state, customer_id, subject, body FROM letters WHERE order_id = ? ORDER BY number",
    )?;
    let letters = query.query_map([order_id], |row| {
        Ok(Letter {
            order_id: row.get(0)?,
            state: row.get(1)?,
            customer_id: row.get(2)?,
            subject: row.get(3)?,
            body: row.get(4)?,
        })
    })?;
    Ok(letters.collect::<Result<_, _>>()?)
}

/// Letters by the state that they tell of, those that were let go included.
pub(crate) fn counts(conn: &Connection) -> Result<BTreeMap<String, u32>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT state, count(*) FROM letters GROUP BY state")?;
    let mut counts: BTreeMap<String, u32> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (state, count) in totals::counts(conn, "letters")? {
        *counts.entry(state).or_default() += count;
    }
    Ok(counts)
}
