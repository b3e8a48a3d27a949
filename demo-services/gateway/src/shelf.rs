//! Answers of the catalog: for a moment instead of asking again, and for bad times, so that customers still browse
//! while it is down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// Answers kept; above this all are let go.
const MAX_KEPT: usize = 512;
/// An answer this young is given without asking.
pub(crate) const FRESH: Duration = Duration::from_secs(2);

/// The last good answer of each path, and when it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    kept: Arc<Mutex<BTreeMap<String, (Value, Instant)>>>,
}

impl Shelf {
    /// Keeps a good answer.
    pub(crate) fn keep(&self, path: &str, answer: &Value, now: Instant) {
        let mut kept = self.lock();
        if kept.len() >= MAX_KEPT && !kept.contains_key(path) {
            kept.clear();
        }
        kept.insert(path.to_owned(), (answer.clone(), now));
    }

    /// The last good answer.
    pub(crate) fn find(&self, path: &str) -> Option<Value> {
        self.lock().get(path).map(|(answer, _)| answer.clone())
    }

    /// The last good answer, when it is young.
    pub(crate) fn fresh(&self, path: &str, now: Instant) -> Option<Value> {
        let kept = self.lock();
        let young = kept.get(path).filter(|(_, at)| now.duration_since(*at) < FRESH);
        young.map(|(answer, _)| answer.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Value, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_answer_is_kept_and_the_shelf_is_bounded() {
        let (shelf, now) = (Shelf::default(), Instant::now());
        assert_eq!(shelf.find("/a"), None);
        shelf.keep("/a", &Value::from(1), now);
        shelf.keep("/a", &Value::from(2), now);
        assert_eq!(shelf.find("/a"), Some(Value::from(2)));
        for n in 0..3 * MAX_KEPT {
            shelf.keep(&format!("/{n}"), &Value::from(n), now);
        }
        assert!(shelf.lock().len() <= MAX_KEPT);
    }

    #[test]
    fn a_young_answer_is_fresh_and_an_old_one_is_for_bad_times() {
        let (shelf, now) = (Shelf::default(), Instant::now());
        assert_eq!(shelf.fresh("/a", now), None);
        shelf.keep("/a", &Value::from(1), now);
        assert_eq!(shelf.fresh("/a", now + FRESH / 2), Some(Value::from(1)));
        assert_eq!(shelf.fresh("/a", now + FRESH), None);
        assert_eq!(shelf.find("/a"), Some(Value::from(1)));
    }
}
