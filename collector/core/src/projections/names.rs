//! Long-lived names (services, steps, operations, reasons), each kept once.

use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Distinct names shared; further ones are kept unshared, each with the row that holds it.
const NAMES_MAX: usize = 20_000;
/// Longest name kept in a projection, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// Names shared among the rows of the picture.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Names(HashSet<Arc<str>, RandomState>);

impl Names {
    /// The shared form of `text`, cut when it is too long.
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        let text = cut(text);
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(text);
        if self.0.len() < NAMES_MAX {
            self.0.insert(Arc::clone(&name));
        }
        name
    }
}

/// The beginning of `text` that a projection keeps.
pub(crate) fn cut(text: &str) -> &str {
    if text.len() <= NAME_BYTES_MAX {
        return text;
    }
    let end = (0..=NAME_BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    &text[..end]
}
