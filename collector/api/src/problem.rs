//! How a refusal is answered: `application/problem+json` (RFC 9457) with a stable code.

use serde::{Deserialize, Serialize};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Stable word for scripts, such as `unknown_service`.
    pub code: String,
    /// What went wrong, in few words.
    pub title: String,
    /// The field or parameter it is about.
    #[serde(default)]
    pub field: Option<String>,
    /// What to do.
    pub detail: String,
}
