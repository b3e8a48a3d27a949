//! Why a call has no answer to work with.

use std::time::Duration;

use crate::breaker::Outcome;
use crate::problem::Problem;

/// What a caller acts on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The callee understood and said no; asking again will not help.
    #[error("{}", .problem)]
    Refused {
        /// HTTP status, 4xx.
        status: u16,
        /// Its words.
        problem: Problem,
    },
    /// The callee failed or could not be reached.
    #[error("{reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// HTTP status, when it answered.
        status: Option<u16>,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// No answer within the limit. It may have been done all the same.
    #[error("no answer within {} ms", .after.as_millis())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// Our breaker did not let the call out.
    #[error("circuit breaker {breaker} is open")]
    BreakerOpen {
        /// Its name.
        breaker: String,
        /// When asking again makes sense; `None` when only a person can change it.
        retry_after: Option<Duration>,
    },
    /// Too many calls to it are under way already.
    #[error("bulkhead {bulkhead} is full")]
    BulkheadFull {
        /// Its name.
        bulkhead: String,
    },
    /// The answer is not what was agreed.
    #[error("malformed answer: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

impl CallError {
    /// Would the same call stand a chance later?
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { status, .. } => matches!(status, None | Some(429 | 500 | 502 | 503 | 504)),
            Self::TimedOut { .. } | Self::BreakerOpen { .. } | Self::BulkheadFull { .. } => true,
            Self::Refused { .. } | Self::Malformed { .. } => false,
        }
    }

    /// In words, for a person.
    #[must_use]
    pub fn reason(&self) -> String {
        self.to_string()
    }

    /// A short stable word, for `error.type`.
    #[must_use]
    pub fn error_type(&self) -> &str {
        match self {
            Self::Refused { problem, .. } => &problem.code,
            Self::Unavailable { .. } => "unavailable",
            Self::TimedOut { .. } => "timeout",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::BulkheadFull { .. } => "bulkhead_full",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// How long the other side, or the breaker, asks us to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::BreakerOpen { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What it says about the callee: a refusal is an answer, "too many requests" says nothing, the rest is failure.
    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Refused { .. } => Outcome::Success,
            Self::Unavailable { status: Some(429), .. } | Self::BreakerOpen { .. } | Self::BulkheadFull { .. } => {
                Outcome::Ignored
            }
            Self::Unavailable { .. } | Self::TimedOut { .. } | Self::Malformed { .. } => Outcome::Failure,
        }
    }
}
