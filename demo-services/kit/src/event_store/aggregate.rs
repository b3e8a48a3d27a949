//! An aggregate's state: the newest snapshot and the events after it, or all events when there is none.

use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AppendError, NewEvent, REPLACED, StoredEvent, snapshots, stream};
use crate::context::Context;
use crate::database::{DatabaseError, Tx};

/// What a stream folds to.
pub trait Aggregate: Clone + Default + Serialize + DeserializeOwned {
    /// The word in the event store, such as `order`.
    const TYPE: &'static str;
    /// Form of the state in snapshots: raise it when the state changes, and older snapshots are passed over.
    const SNAPSHOT_SCHEMA: u32;
    /// A snapshot is kept each time the stream grows past a multiple of this.
    const SNAPSHOT_EVERY: u64;
    /// What happens to it.
    type Event;

    /// Reads a stored event. `None` for a type or a form that this version does not know: it is kept, and skipped.
    ///
    /// # Errors
    /// When it is known and its content is not what it should be.
    fn read(stored: StoredEvent) -> Result<Option<Self::Event>, serde_json::Error>;

    /// Takes one event in. Never refuses: what happened, happened.
    fn apply(&mut self, event: &Self::Event);
}

/// A state, and how it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded<A> {
    /// The fold.
    pub state: A,
    /// Version of the stream, that the next append expects; 0 when there is no such stream.
    pub version: u64,
    /// Events that this version does not know: kept in the stream, without effect on the state.
    pub unknown: u64,
    /// Version of the snapshot that the fold began with; 0 without one.
    pub from_snapshot: u64,
}

/// What an append came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended<A> {
    /// The state afterwards.
    pub state: A,
    /// Version of the stream afterwards.
    pub version: u64,
    /// Positions of the events appended.
    pub positions: Vec<u64>,
}

/// The state as it stands.
///
/// # Errors
/// When the database fails, or a known event cannot be read.
pub fn fold<A: Aggregate>(conn: &Connection, aggregate_id: &str) -> Result<Loaded<A>, DatabaseError> {
    fold_as_of(conn, aggregate_id, i64::MAX.unsigned_abs())
}

/// The state as it stood at a time (unix nanoseconds).
///
/// # Errors
/// When the database fails, or a known event cannot be read.
pub fn fold_as_of<A: Aggregate>(conn: &Connection, aggregate_id: &str, at: u64) -> Result<Loaded<A>, DatabaseError> {
    let mut loaded = match snapshots::newest::<A>(conn, aggregate_id, A::SNAPSHOT_SCHEMA, at)? {
        Some(snapshot) => Loaded {
            state: snapshot.state,
            version: snapshot.version,
            unknown: 0,
            from_snapshot: snapshot.version,
        },
        None => Loaded::default(),
    };
    for stored in stream::load_between(conn, aggregate_id, loaded.version + 1, at)? {
        loaded.version = stored.version;
        if stored.event_type == REPLACED {
            continue;
        }
        match A::read(stored)? {
            Some(event) => loaded.state.apply(&event),
            None => loaded.unknown += 1,
        }
    }
    Ok(loaded)
}

/// Appends what was decided on `loaded`, and keeps a snapshot in the same transaction when it is time for one.
///
/// `events` are what was decided, `stored` the same as they are kept.
///
/// # Errors
/// [`AppendError::Conflict`] when the aggregate has moved on.
pub fn append_to<A: Aggregate>(
    tx: &Tx<'_>,
    aggregate_id: &str,
    loaded: &Loaded<A>,
    events: &[A::Event],
    stored: &[NewEvent],
    context: &Context,
) -> Result<Appended<A>, AppendError> {
    let positions = stream::append(tx, A::TYPE, aggregate_id, loaded.version, stored, context)?;
    let mut state = loaded.state.clone();
    events.iter().for_each(|event| state.apply(event));
    let version = loaded.version + stored.len() as u64;
    let due = loaded.version / A::SNAPSHOT_EVERY < version / A::SNAPSHOT_EVERY;
    // A state that passed over unknown events is not kept: a later version may know them.
    if due && loaded.unknown == 0 {
        snapshots::keep(tx, aggregate_id, version, A::SNAPSHOT_SCHEMA, &state)?;
    }
    Ok(Appended {
        state,
        version,
        positions,
    })
}
