//! Payments as a participant of a two-phase commit: a yes holds the amount on the card, and money moves at the commit.
//!
//! While the amount is held nothing else may happen to the payment of that order, so that the promise can be kept.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::problem::Problem;
use shop_kit::two_phase::{self, Participant, Vote};

use crate::cards::Card;
use crate::charge::{Charge, charge};
use crate::commands::{ChargeOrder, declined, record};
use crate::http::Payments;
use crate::payment::{PaymentEvent, PaymentState};
use crate::refund::refund;
use crate::store;

/// Amounts held.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS holds (
    order_id TEXT PRIMARY KEY,
    charge TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Body of the question; the transaction's id is the order's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    customer_id: String,
    amount_minor: i64,
    currency: String,
}

impl Wish {
    fn charge(self) -> Charge {
        let Self {
            customer_id,
            amount_minor,
            currency,
        } = self;
        Charge {
            customer_id,
            amount_minor,
            currency,
        }
    }
}

impl Participant for Payments {
    type Wish = Wish;
    type Checked = (Wish, Card);

    async fn check(&self, id: &str, wish: Wish) -> Result<(Wish, Card), Problem> {
        let command = ChargeOrder {
            order_id: id.to_owned(),
            customer_id: wish.customer_id.clone(),
            amount_minor: wish.amount_minor,
            currency: wish.currency.clone(),
        };
        let card = self.authorise(&command).await?;
        Ok((wish, card))
    }

    fn prepare(&self, tx: &Tx<'_>, id: &str, (wish, card): (Wish, Card), _: &Context) -> Result<Vote, Problem> {
        let payment = store::load(tx, id)?;
        let answer = json!({ "order_id": id, "amount_minor": wish.amount_minor });
        // What the charge would be if it came now: the same rules, and nothing is written but the hold.
        let held = match charge(&payment, wish.clone().charge(), card)?.pop() {
            None => None,
            Some(PaymentEvent::PaymentDeclined { reason, .. }) => return Err(declined(reason)),
            Some(_) => {
                hold(tx, id, &wish)?;
                Some(format!("{} {} in the smallest unit", wish.amount_minor, wish.currency))
            }
        };
        Ok(Vote::Yes { answer, holds: held })
    }

    fn commit(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem> {
        let payment = store::load(tx, id)?;
        let Some(wish) = held(tx, id)? else {
            return match payment.state {
                PaymentState::Captured { .. } => Ok(()),
                _ => Err(Problem::conflict("not_prepared", "nothing is held for this order")),
            };
        };
        let events = charge(&payment, wish.charge(), Card::Accepts)?;
        record(tx, id, payment, &events, context)?;
        let_go(tx, id)
    }

    fn abort(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem> {
        let payment = store::load(tx, id)?;
        let events = refund(&payment, "the transaction was aborted");
        record(tx, id, payment, &events, context)?;
        let_go(tx, id)
    }
}

/// Refuses what would break a promise.
pub(crate) fn not_held(conn: &Connection, order_id: &str) -> Result<(), Problem> {
    match two_phase::is_in_doubt(conn, order_id)? {
        true => Err(Problem::conflict("in_doubt", "the payment is locked")
            .detail("a two-phase commit holds it; try again when its coordinator has decided")),
        false => Ok(()),
    }
}

fn hold(tx: &Tx<'_>, id: &str, wish: &Wish) -> Result<(), Problem> {
    let wish = serde_json::to_string(wish).map_err(DatabaseError::from)?;
    let held: Option<String> = tx
        .prepare_cached("SELECT charge FROM holds WHERE order_id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if held.is_some_and(|held| held != wish) {
        return Err(Problem::conflict(
            "other_amount",
            "another amount is held for this order",
        ));
    }
    tx.prepare_cached("INSERT OR IGNORE INTO holds VALUES (?, ?)")?
        .execute(params![id, wish])?;
    Ok(())
}

fn held(conn: &Connection, id: &str) -> Result<Option<Wish>, DatabaseError> {
    let text: Option<String> = conn
        .prepare_cached("SELECT charge FROM holds WHERE order_id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

fn let_go(tx: &Tx<'_>, id: &str) -> Result<(), Problem> {
    tx.prepare_cached("DELETE FROM holds WHERE order_id = ?")?
        .execute([id])?;
    Ok(())
}
