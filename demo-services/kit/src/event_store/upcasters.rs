//! Reads events of old forms as the newest. What is stored is never changed.
//!
//! A field that was added needs no step here: give it a default where it is read. A step is for a change of meaning.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{NewEvent, StoredEvent};

/// Turns the content of one form into the next.
pub type Upcast = fn(Value) -> Result<Value, serde_json::Error>;

/// Event types that a service knows, and the steps from their first form to the newest.
#[derive(Clone, Debug, Default)]
pub struct Upcasters {
    steps: BTreeMap<&'static str, &'static [Upcast]>,
}

/// An event as this version sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// In the newest form.
    Current(StoredEvent),
    /// Of a type that this version does not know.
    UnknownType(StoredEvent),
    /// Of a form that only a later version knows.
    NewerForm(StoredEvent),
}

impl Reading {
    /// The event, when it is known.
    #[must_use]
    pub fn known(self) -> Option<StoredEvent> {
        match self {
            Self::Current(event) => Some(event),
            Self::UnknownType(_) | Self::NewerForm(_) => None,
        }
    }
}

impl Upcasters {
    /// Knows no type.
    #[must_use]
    pub const fn new() -> Self {
        Self { steps: BTreeMap::new() }
    }

    /// Knows a type: the first of `steps` turns form 1 into form 2, and so on. Without steps form 1 is the newest.
    #[must_use]
    pub fn event(mut self, event_type: &'static str, steps: &'static [Upcast]) -> Self {
        self.steps.insert(event_type, steps);
        self
    }

    /// The newest form of a type; `None` when it is not known.
    #[must_use]
    pub fn newest(&self, event_type: &str) -> Option<u32> {
        let steps = self.steps.get(event_type)?;
        Some(u32::try_from(steps.len()).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// Whether an event of that type and form can be read.
    #[must_use]
    pub fn knows(&self, event_type: &str, schema_version: u32) -> bool {
        self.newest(event_type).is_some_and(|newest| schema_version <= newest)
    }

    /// Brings an event into the newest form.
    ///
    /// # Errors
    /// When a step cannot read the content.
    pub fn read(&self, mut event: StoredEvent) -> Result<Reading, serde_json::Error> {
        let Some((steps, newest)) = self.steps.get(&*event.event_type).zip(self.newest(&event.event_type)) else {
            return Ok(Reading::UnknownType(event));
        };
        if event.schema_version > newest {
            return Ok(Reading::NewerForm(event));
        }
        event.data = through(&steps[passed(event.schema_version)..], event.data)?;
        event.schema_version = newest;
        Ok(Reading::Current(event))
    }

    /// Brings content of a known type and form into the newest form.
    ///
    /// # Errors
    /// When a step cannot read it.
    pub fn lift(&self, event_type: &str, schema_version: u32, data: Value) -> Result<Value, serde_json::Error> {
        let steps = self.steps.get(event_type).copied().unwrap_or_default();
        through(steps.get(passed(schema_version)..).unwrap_or_default(), data)
    }

    /// An event to be stored in the newest form of its type.
    #[must_use]
    pub fn new_event(&self, event_type: &str, data: Value) -> NewEvent {
        NewEvent {
            event_type: event_type.to_owned(),
            data,
            schema_version: self.newest(event_type).unwrap_or(1),
        }
    }
}

const fn passed(schema_version: u32) -> usize {
    schema_version.saturating_sub(1) as usize
}

fn through(steps: &[Upcast], data: Value) -> Result<Value, serde_json::Error> {
    steps.iter().try_fold(data, |data, step| step(data))
}
