//! So many requests a minute for each user. Pure: time comes in as an argument.

use std::collections::BTreeMap;
use std::time::Duration;

/// The minute that counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Users counted at once; above this those whose minute is over are forgotten, and then all.
const MAX_USERS: usize = 10_000;

/// Counts the requests of each user.
#[derive(Clone, Debug)]
pub(crate) struct RateLimit {
    per_minute: u32,
    users: BTreeMap<String, Minute>,
}

#[derive(Clone, Copy, Debug)]
struct Minute {
    began: Duration,
    count: u32,
}

impl RateLimit {
    /// At most so many.
    pub(crate) const fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            users: BTreeMap::new(),
        }
    }

    /// One more request of a user; how long to wait when it is one too many.
    pub(crate) fn admit(&mut self, user: &str, now: Duration) -> Result<(), Duration> {
        if self.users.len() >= MAX_USERS && !self.users.contains_key(user) {
            self.users.retain(|_, minute| now < minute.began + WINDOW);
            if self.users.len() >= MAX_USERS {
                self.users.clear();
            }
        }
        let fresh = Minute { began: now, count: 0 };
        let minute = self.users.entry(user.to_owned()).or_insert(fresh);
        if now >= minute.began + WINDOW {
            *minute = fresh;
        }
        if minute.count >= self.per_minute {
            return Err(minute.began + WINDOW - now);
        }
        minute.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_hundred_a_minute_and_each_for_themselves() {
        let mut limit = RateLimit::new(100);
        for n in 0..100 {
            assert_eq!(limit.admit("ada", second(n / 10)), Ok(()), "{n}");
        }
        assert_eq!(limit.admit("ada", second(10)), Err(second(50)));
        assert_eq!(limit.admit("eve", second(10)), Ok(()));
        assert_eq!(limit.admit("ada", second(59)), Err(second(1)));
        assert_eq!(limit.admit("ada", second(60)), Ok(()));
    }

    #[test]
    fn what_is_counted_has_an_end() {
        let mut limit = RateLimit::new(1);
        for n in 0..3 * MAX_USERS {
            let _ = limit.admit(&format!("u-{n}"), second(0));
            assert!(limit.users.len() <= MAX_USERS);
        }
    }
}
