//! Rows that the broker would not take, set aside for a person: sent once more, or thrown away.

use crate::clock::unix_nanos_now;
use rusqlite::params;
use sagascope_conventions::action::{Action, ActionOutcome};
use sagascope_instrument::message_events::{LetterOutcome, letter_settled};

use crate::actions;
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::sql::{Headers, json};
use crate::state_events;

/// Rows settled at once.
const AT_ONCE: i64 = 1_000;

/// Carries out what is asked about rows of this outbox.
pub(crate) async fn carry_out(db: Database, action: Action) -> ActionOutcome {
    let (outcome, destination, id) = match action {
        Action::ReplayDeadLetters {
            destination,
            message_id,
        } => (LetterOutcome::Replayed, destination, message_id),
        Action::PurgeDeadLetters {
            destination,
            message_id,
        } => (LetterOutcome::Purged, destination, message_id),
        _ => return ActionOutcome::Unknown,
    };
    let work = db.write(move |tx| settle(tx, &destination, id.as_deref(), outcome));
    match work.await {
        Ok(0) => ActionOutcome::Unknown,
        Ok(count) => ActionOutcome::Done {
            count,
            detail: format!("{count} of the outbox {}.", outcome.as_str()),
        },
        Err(error) => actions::failed(&error),
    }
}

fn settle(tx: &Tx<'_>, topic: &str, id: Option<&str>, outcome: LetterOutcome) -> Result<u64, DatabaseError> {
    let found = tx
        .prepare_cached(
            "SELECT id, headers FROM outbox WHERE processed = 2 AND topic = ?1 AND (?2 IS NULL OR id = ?2)
             ORDER BY number LIMIT ?3",
        )?
        .query_and_then(params![topic, id, AT_ONCE], |row| {
            Ok::<_, DatabaseError>((row.get::<_, String>(0)?, json::<Headers>(row, 1)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    for (id, headers) in &found {
        let mut sql = match outcome {
            // Behind what waits already, as a new row: the relay is woken by it.
            LetterOutcome::Replayed => tx.prepare_cached(
                "INSERT OR REPLACE INTO outbox (id, topic, key, event_type, payload, headers, created_at)
                     SELECT id, topic, key, event_type, payload, headers, created_at FROM outbox WHERE id = ?",
            )?,
            LetterOutcome::Purged | LetterOutcome::Handled => tx.prepare_cached("DELETE FROM outbox WHERE id = ?")?,
        };
        sql.execute([id])?;
        let context = Context::from_headers(headers);
        let event = letter_settled(unix_nanos_now(), topic, id, outcome).correlated(&context.correlation_id);
        state_events::record(tx, event, &context)?;
    }
    Ok(found.len() as u64)
}
