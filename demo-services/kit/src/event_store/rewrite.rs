//! Copy and replace: a stream written anew in later forms under another id, while the old one stays, marked and closed.

use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

use super::stream::{self, Slot};
use super::{AppendError, NewEvent, StoredEvent};
use crate::context::Context;
use crate::database::{DatabaseError, Tx};

/// Type of the mark that closes a replaced stream: its last event. Read models drop the old stream on it.
pub const REPLACED: &str = "StreamReplaced";

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Copied now: events of the new stream.
    Now(u64),
    /// It had been copied to that stream before; nothing was done.
    Before,
}

/// Why a stream was not copied. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// There is nothing to copy.
    #[error("there is no stream {0}")]
    NoSuchStream(String),
    /// It was copied to another stream before.
    #[error("{old_id} is replaced by {by} already")]
    Elsewhere {
        /// The old stream.
        old_id: String,
        /// The one that took its place.
        by: String,
    },
    /// The new stream has events.
    #[error("{0} has events of its own")]
    Taken(String),
    /// An event could not be written anew.
    #[error("event {version} cannot be written anew: {reason}")]
    Event {
        /// Of the old stream.
        version: u64,
        /// Why.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The mark could not be set.
    #[error(transparent)]
    Mark(#[from] AppendError),
}

/// Copies the stream `old_id` to `new_id`, each event as `rewrite` says (none, one or several), with its time and its
/// headers, and closes the old one with a mark. Done again, it changes nothing.
///
/// # Errors
/// See [`RewriteError`].
pub fn copy_and_replace(
    tx: &Tx<'_>,
    old_id: &str,
    new_id: &str,
    rewrite: impl Fn(&StoredEvent) -> anyhow::Result<Vec<NewEvent>>,
    context: &Context,
) -> Result<Replaced, RewriteError> {
    match replaced_by(tx, old_id)? {
        Some(by) if by == new_id => return Ok(Replaced::Before),
        Some(by) => {
            let old_id = old_id.to_owned();
            return Err(RewriteError::Elsewhere { old_id, by });
        }
        None => {}
    }
    let old = stream::load(tx, old_id, 1)?;
    let Some(last) = old.last() else {
        return Err(RewriteError::NoSuchStream(old_id.to_owned()));
    };
    if stream::version(tx, new_id)? > 0 {
        return Err(RewriteError::Taken(new_id.to_owned()));
    }
    let mark = NewEvent {
        event_type: REPLACED.to_owned(),
        data: json!({ "by": new_id }),
        schema_version: 1,
    };
    // The mark comes first in the order over all streams: a read model drops the old before it meets the new.
    stream::append(tx, &last.aggregate_type, old_id, last.version, &[mark], context)?;
    let mut version = 0;
    for event in &old {
        let rewritten = rewrite(event).map_err(|error| RewriteError::Event {
            version: event.version,
            reason: format!("{error:#}"),
        })?;
        for new in rewritten {
            version += 1;
            let at = Slot {
                aggregate_type: &event.aggregate_type,
                aggregate_id: new_id,
                version,
                headers: &event.headers,
                created_at: event.created_at,
            };
            stream::insert(tx, &at, &new)?;
        }
    }
    Ok(Replaced::Now(version))
}

/// The stream that took the place of `old_id`, when one did.
///
/// # Errors
/// When the database fails.
pub fn replaced_by(conn: &Connection, old_id: &str) -> Result<Option<String>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT iif(event_type = ?, event_data ->> 'by', NULL) FROM events
         WHERE aggregate_id = ? ORDER BY event_version DESC LIMIT 1",
    )?;
    let by: Option<Option<String>> = query.query_row([REPLACED, old_id], |row| row.get(0)).optional()?;
    Ok(by.flatten())
}
