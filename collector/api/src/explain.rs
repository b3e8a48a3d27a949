//! What happened to one business operation, with evidence.

use serde::{Deserialize, Serialize};

/// `GET /api/v1/explain/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The id asked for.
    pub id: String,
    /// `saga`, `correlation` or `trace`.
    pub kind: String,
    /// One sentence.
    pub summary: String,
    /// Likely cause; absent when nothing went wrong.
    pub cause: Option<String>,
    /// What it rests on, in causal order.
    pub evidence: Vec<Evidence>,
}

/// One piece of evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// A sentence.
    pub text: String,
    /// Page that shows it, such as `/traces/4bf9…`.
    pub link: Option<String>,
}
