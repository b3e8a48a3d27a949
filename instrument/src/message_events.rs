//! Events of messages and read models.

use sagascope_conventions::{attributes as key, events};

use crate::event::{Event, Severity};

/// `message.dead_lettered`: given up after `attempts` deliveries.
#[must_use]
pub fn dead_lettered(at: u64, destination: &str, message_id: &str, reason: &str, attempts: u32) -> Event {
    Event::new(events::MESSAGE_DEAD_LETTERED, at)
        .with(key::MESSAGING_DESTINATION_NAME, destination)
        .with(key::MESSAGING_MESSAGE_ID, message_id)
        .with(key::DEAD_LETTER_REASON, reason)
        .with(key::DEAD_LETTER_ATTEMPTS, attempts)
        .severity(Severity::Error)
}

/// `message.redelivered`: delivered for the `attempts`th time.
#[must_use]
pub fn redelivered(at: u64, destination: &str, message_id: &str, attempts: u32) -> Event {
    Event::new(events::MESSAGE_REDELIVERED, at)
        .with(key::MESSAGING_DESTINATION_NAME, destination)
        .with(key::MESSAGING_MESSAGE_ID, message_id)
        .with(key::DEAD_LETTER_ATTEMPTS, attempts)
        .severity(Severity::Warn)
}

/// What became of a message that had been given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterOutcome {
    /// It is delivered once more.
    Replayed,
    /// It was thrown away.
    Purged,
    /// The answer to its last delivery came late: it was handled.
    Handled,
}

impl LetterOutcome {
    /// As `dead_letter.outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Purged => "purged",
            Self::Handled => "handled",
        }
    }
}

/// `message.dead_letter.settled`: what had been given up is no dead letter any more.
#[must_use]
pub fn letter_settled(at: u64, destination: &str, message_id: &str, outcome: LetterOutcome) -> Event {
    Event::new(events::MESSAGE_DEAD_LETTER_SETTLED, at)
        .with(key::MESSAGING_DESTINATION_NAME, destination)
        .with(key::MESSAGING_MESSAGE_ID, message_id)
        .with(key::DEAD_LETTER_OUTCOME, outcome.as_str())
}

/// `projection.rebuild.started`: the read model starts from zero.
#[must_use]
pub fn rebuild_started(at: u64, projection: &str) -> Event {
    Event::new(events::PROJECTION_REBUILD_STARTED, at).with(key::PROJECTION_NAME, projection)
}

/// `projection.rebuild.finished`: it has caught up.
#[must_use]
pub fn rebuild_finished(at: u64, projection: &str) -> Event {
    Event::new(events::PROJECTION_REBUILD_FINISHED, at).with(key::PROJECTION_NAME, projection)
}

/// `projection.failed`: an event could not be applied.
#[must_use]
pub fn projection_failed(at: u64, projection: &str, error_type: &str, reason: &str) -> Event {
    let mut event = Event::new(events::PROJECTION_FAILED, at)
        .with(key::PROJECTION_NAME, projection)
        .with(key::ERROR_TYPE, error_type)
        .severity(Severity::Error);
    event.body = Some(reason.to_owned());
    event
}
