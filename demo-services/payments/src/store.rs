//! The books: payments in the event store, transactions and their entries beside it, in one transaction.

use rusqlite::{Connection, params};
use serde::Serialize;
use shop_kit::{
    clock,
    context::Context,
    database::{DatabaseError, Tx},
    event_store::{self, AppendError, NewEvent, StoredEvent},
    outbox,
    retention::{self, ENDED, Rule},
    totals,
};

use crate::{
    ledger::{Transaction, transaction},
    payment::{Payment, PaymentEvent},
};

/// Where the service tells what happened.
pub(crate) const TOPIC: &str = "payments.events";
const AGGREGATE: &str = "payment";
/// Sum of the entries that were let go.
const ENTRIES: &str = "ledger.entries";

/// Tables; one charge and one refund an order, whatever a decision says.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS transactions (
    number INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    UNIQUE (order_id, kind)
) STRICT;
CREATE TABLE IF NOT EXISTS entries (
    transaction_number INTEGER NOT NULL REFERENCES transactions (number),
    account TEXT NOT NULL,
    amount_minor INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_transaction ON entries (transaction_number);
CREATE TABLE IF NOT EXISTS accounts (
    account TEXT PRIMARY KEY,
    balance_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"];

/// Payments nobody asks for any more go; the ledger's sums stay.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: ENDED, let_go }];

/// The payment of an order, folded from its events.
pub(crate) fn load(conn: &Connection, order_id: &str) -> Result<Payment, DatabaseError> {
    let mut payment = Payment::default();
    for stored in event_store::load(conn, order_id, 1)? {
        match PaymentEvent::read(&stored.event_type, stored.data)? {
            Some(event) => payment.apply(&event),
            None => payment.version = stored.version,
        }
    }
    Ok(payment)
}

/// The events of a payment as stored.
pub(crate) fn history(conn: &Connection, order_id: &str) -> Result<Vec<StoredEvent>, DatabaseError> {
    event_store::load(conn, order_id, 1)
}

/// Appends the events, books the money that they moved, and tells the others.
pub(crate) fn record(
    tx: &Tx<'_>,
    order_id: &str,
    payment: &Payment,
    events: &[PaymentEvent],
    context: &Context,
) -> Result<(), AppendError> {
    let stored: Vec<NewEvent> = events
        .iter()
        .map(|event| NewEvent {
            event_type: event.name().into(),
            data: event.data(),
            schema_version: 1,
        })
        .collect();
    event_store::append(tx, AGGREGATE, order_id, payment.version, &stored, context)?;
    let at = clock::rfc3339_now();
    for (event, stored) in events.iter().zip(stored) {
        if let Some(transaction) = transaction(event) {
            book(tx, order_id, &transaction)?;
        }
        let mut payload = stored.data;
        payload["order_id"] = order_id.into();
        payload["at"] = at.clone().into();
        outbox::enqueue(tx, TOPIC, order_id, event.name(), &payload, context)?;
    }
    Ok(retention::ended(tx, order_id)?)
}

fn book(tx: &Tx<'_>, order_id: &str, transaction: &Transaction) -> Result<(), DatabaseError> {
    let Transaction {
        kind,
        amount_minor,
        currency,
        entries,
    } = transaction;
    let mut insert =
        tx.prepare_cached("INSERT INTO transactions (order_id, kind, amount_minor, currency) VALUES (?, ?, ?, ?)")?;
    insert.execute(params![order_id, kind.as_str(), amount_minor, currency])?;
    let number = tx.last_insert_rowid();
    let mut entry = tx.prepare_cached("INSERT INTO entries VALUES (?, ?, ?)")?;
    let mut balance = tx.prepare_cached(
        "INSERT INTO accounts VALUES (?, ?)
         ON CONFLICT (account) DO UPDATE SET balance_minor = balance_minor + excluded.balance_minor",
    )?;
    for (account, amount_minor) in entries {
        entry.execute(params![number, account, amount_minor])?;
        balance.execute(params![account, amount_minor])?;
    }
    Ok(())
}

/// Removes the payment of an order, and carries its sums forward.
pub(crate) fn let_go(tx: &Tx<'_>, order_id: &str) -> Result<bool, DatabaseError> {
    if event_store::let_go(tx, order_id)?.is_none() {
        return Ok(false);
    }
    let mut query = tx.prepare_cached("SELECT number, kind, amount_minor FROM transactions WHERE order_id = ?")?;
    let booked: Vec<(i64, String, i64)> = query
        .query_map([order_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (number, kind, amount_minor) in booked {
        let entries: i64 = tx
            .prepare_cached("SELECT coalesce(sum(amount_minor), 0) FROM entries WHERE transaction_number = ?")?
            .query_row([number], |row| row.get(0))?;
        totals::carry(tx, &format!("ledger.count/{kind}"), 1)?;
        totals::carry(tx, &format!("ledger.minor/{kind}"), amount_minor)?;
        totals::carry(tx, ENTRIES, entries)?;
        for sql in [
            "DELETE FROM entries WHERE transaction_number = ?",
            "DELETE FROM transactions WHERE number = ?",
        ] {
            tx.prepare_cached(sql)?.execute([number])?;
        }
    }
    Ok(true)
}

/// Sums of the whole ledger, the payments that were let go included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// Sum of all charges.
    pub(crate) captured_minor: i64,
    /// Sum of all refunds.
    pub(crate) refunded_minor: i64,
    /// Number of charges.
    pub(crate) charges: u32,
    /// Number of refunds.
    pub(crate) refunds: u32,
    /// What the shop's account holds.
    pub(crate) shop_balance_minor: i64,
    /// Sum over all accounts: zero, or the books are wrong.
    pub(crate) accounts_sum_minor: i64,
    /// Sum over all entries: zero, or the books are wrong.
    pub(crate) entries_sum_minor: i64,
}

impl Totals {
    /// True when every amount is where it should be.
    pub(crate) fn agree(&self) -> bool {
        self.accounts_sum_minor == 0
            && self.entries_sum_minor == 0
            && self.captured_minor - self.refunded_minor == self.shop_balance_minor
    }
}

/// Sums up the ledger.
pub(crate) fn totals(conn: &Connection) -> Result<Totals, DatabaseError> {
    let mut totals = Totals::default();
    let mut query = conn.prepare_cached("SELECT kind, count(*), sum(amount_minor) FROM transactions GROUP BY kind")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, count, sum): (String, u32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match kind.as_str() {
            "CHARGE" => (totals.charges, totals.captured_minor) = (count, sum),
            _ => (totals.refunds, totals.refunded_minor) = (count, sum),
        }
    }
    totals.charges += u32::try_from(totals::carried(conn, "ledger.count/CHARGE")?).unwrap_or(0);
    totals.refunds += u32::try_from(totals::carried(conn, "ledger.count/REFUND")?).unwrap_or(0);
    totals.captured_minor += totals::carried(conn, "ledger.minor/CHARGE")?;
    totals.refunded_minor += totals::carried(conn, "ledger.minor/REFUND")?;
    let number = |sql: &str| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    totals.shop_balance_minor = number("SELECT coalesce(sum(balance_minor), 0) FROM accounts WHERE account = 'shop'")?;
    totals.accounts_sum_minor = number("SELECT coalesce(sum(balance_minor), 0) FROM accounts")?;
    totals.entries_sum_minor =
        number("SELECT coalesce(sum(amount_minor), 0) FROM entries")? + totals::carried(conn, ENTRIES)?;
    Ok(totals)
}

/// Money of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct OrderSums {
    /// The order.
    pub(crate) order_id: String,
    /// What it was charged.
    pub(crate) captured_minor: i64,
    /// What it got back.
    pub(crate) refunded_minor: i64,
}

/// Sums of up to `limit` orders still kept, after `after`, in order of their ids.
pub(crate) fn order_sums(conn: &Connection, after: &str, limit: u32) -> Result<Vec<OrderSums>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT order_id, sum(iif(kind = 'CHARGE', amount_minor, 0)), sum(iif(kind = 'REFUND', amount_minor, 0))
         FROM transactions WHERE order_id > ? GROUP BY order_id ORDER BY order_id LIMIT ?",
    )?;
    let sums = query
        .query_map(params![after, limit], |row| {
            Ok(OrderSums {
                order_id: row.get(0)?,
                captured_minor: row.get(1)?,
                refunded_minor: row.get(2)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(sums)
}
