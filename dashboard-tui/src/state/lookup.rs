//! One thing asked of the collector: asked once at a time, kept until another is wanted, asked again when stale.

use sagascope_api::Time;
use sagascope_api::client::ClientError;
use sagascope_api::text;

/// After a failure the same question waits this long.
const RETRY_SECONDS: f64 = 2.0;

/// A question of kind `K` with answers of type `T`.
pub(crate) struct Lookup<K, T> {
    in_flight: Option<K>,
    answer: Option<(K, Result<T, String>)>,
    answered_at: Time,
    failed_at: Option<Time>,
}

impl<K, T> Default for Lookup<K, T> {
    fn default() -> Self {
        Self {
            in_flight: None,
            answer: None,
            answered_at: Time(0),
            failed_at: None,
        }
    }
}

/// What is known of the thing wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a, T> {
    /// Not answered yet.
    Waiting,
    /// Here.
    Here(&'a T),
    /// The collector gave none, for this reason.
    Failed(&'a str),
}

impl<K: Clone + PartialEq, T> Lookup<K, T> {
    /// The question to send now so that `key` is known and fresh; none while one is under way. `stale` judges an
    /// answer by itself and by its age in seconds.
    pub(crate) fn want(&mut self, key: &K, now: Time, stale: impl FnOnce(&T, f64) -> bool) -> Option<K> {
        if self.in_flight.is_some() {
            return None;
        }
        let may_retry = self.failed_at.is_none_or(|at| now.seconds_since(at) >= RETRY_SECONDS);
        let needed = match &self.answer {
            Some((known, Ok(value))) if known == key => may_retry && stale(value, now.seconds_since(self.answered_at)),
            Some((known, Err(_))) if known == key => may_retry,
            _ => true,
        };
        needed.then(|| {
            self.in_flight = Some(key.clone());
            key.clone()
        })
    }

    pub(crate) fn get(&self, key: &K) -> Found<'_, T> {
        match &self.answer {
            Some((known, Ok(value))) if known == key => Found::Here(value),
            Some((known, Err(reason))) if known == key => Found::Failed(reason),
            _ => Found::Waiting,
        }
    }

    pub(crate) fn answer(&mut self, key: K, reply: Result<T, ClientError>, now: Time) {
        self.in_flight = None;
        let failed = reply.is_err();
        // A good answer is not thrown away for a hiccup on the way.
        let keeps_old = failed && matches!(&self.answer, Some((known, Ok(_))) if *known == key);
        if !keeps_old {
            let reply = reply.map_err(|error| text::scrub(&error.to_string(), 300));
            self.answer = Some((key, reply));
        }
        self.failed_at = failed.then_some(now);
        self.answered_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> ClientError {
        ClientError::Unreachable {
            url: "http://x".into(),
            reason: "gone".into(),
        }
    }

    #[test]
    fn one_question_is_under_way_at_a_time() {
        let mut lookup = Lookup::<&str, u32>::default();
        let now = Time(0);
        assert_eq!(lookup.want(&"a", now, |_, _| false), Some("a"));
        assert_eq!(lookup.want(&"b", now, |_, _| false), None);
        lookup.answer("a", Ok(1), now);
        assert_eq!(lookup.get(&"b"), Found::Waiting);
        assert_eq!(lookup.want(&"b", now, |_, _| false), Some("b"));
        lookup.answer("b", Ok(2), now);
        assert_eq!(lookup.get(&"b"), Found::Here(&2));
        assert_eq!(lookup.want(&"b", now, |_, _| false), None);
        assert_eq!(lookup.want(&"b", now, |_, _| true), Some("b"));
    }

    #[test]
    fn a_failure_is_told_and_asked_again_later() {
        let mut lookup = Lookup::<&str, u32>::default();
        lookup.want(&"a", Time(0), |_, _| false);
        lookup.answer("a", Err(unreachable()), Time(0));
        assert!(matches!(lookup.get(&"a"), Found::Failed(_)));
        assert_eq!(lookup.want(&"a", Time(0), |_, _| false), None);
        assert_eq!(lookup.want(&"a", Time(3_000_000_000), |_, _| false), Some("a"));
    }

    #[test]
    fn a_hiccup_keeps_the_last_good_answer() {
        let mut lookup = Lookup::<&str, u32>::default();
        lookup.answer("a", Ok(1), Time(0));
        lookup.answer("a", Err(unreachable()), Time(0));
        assert_eq!(lookup.get(&"a"), Found::Here(&1));
    }
}
