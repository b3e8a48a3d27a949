//! Answers of the catalog kept for bad times: customers still browse while it is down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Answers kept; above this all are let go.
const MAX_KEPT: usize = 512;

/// The last good answer of each path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    kept: Arc<Mutex<HashMap<String, Value>>>,
}

impl Shelf {
    /// Keeps a good answer.
    pub(crate) fn keep(&self, path: &str, answer: &Value) {
        let mut kept = self.lock();
        if kept.len() >= MAX_KEPT && !kept.contains_key(path) {
            kept.clear();
        }
        kept.insert(path.to_owned(), answer.clone());
    }

    /// The last good answer.
    pub(crate) fn find(&self, path: &str) -> Option<Value> {
        self.lock().get(path).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_answer_is_kept_and_the_shelf_is_bounded() {
        let shelf = Shelf::default();
        assert_eq!(shelf.find("/a"), None);
        shelf.keep("/a", &Value::from(1));
        shelf.keep("/a", &Value::from(2));
        assert_eq!(shelf.find("/a"), Some(Value::from(2)));
        for n in 0..3 * MAX_KEPT {
            shelf.keep(&format!("/{n}"), &Value::from(n));
        }
        assert!(shelf.lock().len() <= MAX_KEPT);
    }
}
