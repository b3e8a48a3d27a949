//! Shares equal strings within one request.

use std::collections::HashSet;
use std::sync::Arc;

/// Distinct strings remembered in one request; further ones are kept unshared.
const REMEMBERED_MAX: usize = 4_096;
/// Longest key or name kept, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 4 * 1024;

/// The strings of one request, and what was left out of it.
#[derive(Default)]
pub(super) struct Interner {
    known: HashSet<Arc<str>>,
    /// Values that are not kept as they were sent, and what was left out.
    pub(super) cut: u64,
}

impl Interner {
    /// The shared form of `text`, cut when it is too long for a name.
    pub(super) fn name(&mut self, text: &str) -> Arc<str> {
        self.cut += u64::from(text.len() > NAME_BYTES_MAX);
        self.copy(text)
    }

    /// A name taken from what is kept anyway.
    pub(super) fn copy(&mut self, text: &str) -> Arc<str> {
        self.whole(cut(text, NAME_BYTES_MAX))
    }

    /// The shared form of `text`, however long.
    pub(super) fn whole(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(text);
        if self.known.len() < REMEMBERED_MAX {
            self.known.insert(Arc::clone(&shared));
        }
        shared
    }
}

/// The longest beginning of `text` that fits `bytes` and ends between characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
