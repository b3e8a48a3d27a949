//! What the coordinator says to its participants, and what it makes of their answers.

use serde_json::{Value, json};
use shop_kit::caller::CallError;
use shop_kit::two_phase::Decision;

use super::transaction::{Answer, Transaction};
use crate::price::Quote;
use crate::remote::{Peer, Remote};

/// Asks a participant for its vote.
pub(super) async fn ask<R: Remote>(remote: &R, transaction: &Transaction, peer: Peer) -> Answer {
    let question = match question(transaction, peer) {
        Ok(Some(question)) => question,
        Ok(None) => return Answer::Yes(None),
        Err(reason) => return Answer::No("no_price".to_owned(), reason),
    };
    let (path, key) = (path(transaction, "prepare"), key(transaction, "prepare"));
    match remote.post(peer, &path, &key, &question).await {
        Ok(answer) => voted(peer, &answer),
        Err(error) => refused(transaction, peer, &error),
    }
}

/// Tells it the decision.
pub(super) async fn tell<R: Remote>(
    remote: &R,
    transaction: &Transaction,
    peer: Peer,
    decision: Decision,
) -> Result<(), CallError> {
    if !transaction.takes_part(peer) {
        return Ok(());
    }
    let word = decision.as_str();
    let (path, key) = (path(transaction, word), key(transaction, word));
    remote.post(peer, &path, &key, &json!({})).await.map(drop)
}

/// `None` when nothing is wanted of it.
fn question(transaction: &Transaction, peer: Peer) -> Result<Option<Value>, String> {
    let wish = &transaction.wish;
    Ok(match peer {
        Peer::Hotels => Some(json!({
            "room_id": wish.room_id,
            "arrival": wish.arrival,
            "nights": wish.nights,
        })),
        Peer::Cars => wish.car.as_ref().map(|car| {
            json!({
                "class": car.class,
                "from": wish.arrival,
                "days": wish.nights,
            })
        }),
        Peer::Payments => {
            let price = transaction.price()?;
            Some(json!({
                "customer_id": wish.customer_id,
                "amount_minor": price.total_minor,
                "currency": price.currency,
            }))
        }
    })
}

fn voted(peer: Peer, answer: &Value) -> Answer {
    if peer == Peer::Payments {
        return Answer::Yes(None);
    }
    match serde_json::from_value::<Quote>(answer.clone()) {
        Ok(quote) => Answer::Yes(Some(quote)),
        // It may hold a lock all the same.
        Err(error) => Answer::Lost("malformed".to_owned(), format!("a vote without a price: {error}")),
    }
}

fn refused(transaction: &Transaction, peer: Peer, error: &CallError) -> Answer {
    let (word, reason) = (error.error_type().to_owned(), error.reason());
    let optional = transaction.wish.car.as_ref().is_some_and(|car| car.optional);
    match error {
        CallError::Refused { .. } if peer == Peer::Cars && optional && word == "no_car" => Answer::Yes(None),
        CallError::Refused { .. } | CallError::BreakerOpen { .. } | CallError::BulkheadFull { .. } => {
            Answer::No(word, reason)
        }
        CallError::Unavailable { .. } | CallError::TimedOut { .. } | CallError::Malformed { .. } => {
            Answer::Lost(word, reason)
        }
    }
}

fn path(transaction: &Transaction, word: &str) -> String {
    format!("/api/v1/transactions/{}/{word}", transaction.id)
}

fn key(transaction: &Transaction, word: &str) -> String {
    format!("{}/{word}", transaction.id)
}
