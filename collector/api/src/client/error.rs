//! Why a call gave nothing, in words that say what to do.

use std::error::Error;

use crate::Problem;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The collector answered, and said no.
    #[error("{0}")]
    Refused(Problem),
    /// Nobody answered.
    #[error("cannot reach the collector at {url}: {reason}. Is `sagascope collect` or `cargo demo` running there?")]
    Unreachable {
        /// Where it was sought.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// Something answered that is no collector of this version.
    #[error(
        "{url} answered in a way this version does not understand: {reason}. Is it a Sagascope collector of the same version?"
    )]
    Unexpected {
        /// Who answered.
        url: String,
        /// What was odd.
        reason: String,
    },
    /// The address itself is of no use.
    #[error("{url} is no address of a collector: {reason}")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl ClientError {
    pub(super) fn unreachable(url: &str, error: &reqwest::Error) -> Self {
        Self::Unreachable {
            url: url.to_owned(),
            reason: plain_reason(error),
        }
    }

    pub(super) fn unexpected(url: &str, reason: String) -> Self {
        Self::Unexpected {
            url: url.to_owned(),
            reason,
        }
    }

    /// The few words a status line has room for.
    #[must_use]
    pub fn short(&self) -> String {
        match self {
            Self::Refused(problem) => problem.title.clone(),
            Self::Unreachable { reason, .. } | Self::Unexpected { reason, .. } => reason.clone(),
            Self::BadUrl { reason, .. } => (*reason).to_owned(),
        }
    }
}

/// The innermost cause, which says what happened; the outer ones only say where.
fn plain_reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => "connection refused".into(),
        Some(std::io::ErrorKind::ConnectionReset) => "connection reset".into(),
        _ => cause.to_string(),
    }
}
