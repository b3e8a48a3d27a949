//! How lists are answered.

use serde::{Deserialize, Serialize};

/// One page of a list; `next_cursor` asks for the next, absent at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Opaque; hand it back as `cursor`.
    pub next_cursor: Option<String>,
    /// The search ended at its limit of time: older rows may be missing, ask for a shorter range.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Files that may hold more of it could not be read: rows may be missing wherever they lie.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

impl<T> Page<T> {
    /// A list that fits on one page.
    #[must_use]
    pub const fn whole(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
            truncated: false,
            incomplete: false,
        }
    }
}
