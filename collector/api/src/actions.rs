//! What a person asks running services to do, and what came of it.

use serde::{Deserialize, Serialize};

/// `POST /api/v1/actions/dead-letters/replay` and `…/purge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LettersRequest {
    /// Topic or queue.
    pub destination: String,
    /// Id of one message; every letter of the destination when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// `POST /api/v1/actions/sagas/{id}/retry`, `…/cancel`, `…/compensate`, `…/commit-in-doubt` and `…/abort-in-doubt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SagaRequest {
    /// `saga.name`, where two types share an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How a saga is helped on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SagaAction {
    /// The next attempt now; a parked one is taken up again.
    Retry,
    /// Turn back, as long as the last step has not begun.
    Cancel,
    /// Turn back, whatever it is at.
    Compensate,
    /// Participants of a two-phase commit that are in doubt keep what they hold, without their coordinator.
    CommitInDoubt,
    /// They give it back.
    AbortInDoubt,
}

impl SagaAction {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Retry,
        Self::Cancel,
        Self::Compensate,
        Self::CommitInDoubt,
        Self::AbortInDoubt,
    ];

    /// As in the path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Compensate => "compensate",
            Self::CommitInDoubt => "commit-in-doubt",
            Self::AbortInDoubt => "abort-in-doubt",
        }
    }

    /// True for what participants do without their coordinator.
    #[must_use]
    pub const fn ends_a_doubt(self) -> bool {
        matches!(self, Self::CommitInDoubt | Self::AbortInDoubt)
    }

    /// From the path.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// What is done with dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterAction {
    /// Deliver once more.
    Replay,
    /// Throw away.
    Purge,
}

impl LetterAction {
    /// As in the path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Purge => "purge",
        }
    }
}

/// An action that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionDone {
    /// Services that did it.
    pub services: Vec<String>,
    /// Things that it changed.
    pub count: u64,
    /// What was done, for people.
    pub detail: String,
    /// How it is known.
    pub verified: Verified,
}

impl ActionDone {
    /// In a line, with how it is known.
    #[must_use]
    pub fn line(&self) -> String {
        let known = match self.verified {
            Verified::Telemetry => "the telemetry shows it",
            Verified::Answer => "the telemetry does not show it yet",
        };
        format!("{} ({}; {known})", self.detail, self.services.join(", "))
    }
}

/// How it is known that an action had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// The service said so, and its telemetry shows it.
    Telemetry,
    /// The service said so; its telemetry does not show it yet.
    Answer,
}
