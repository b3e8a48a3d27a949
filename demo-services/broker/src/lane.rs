//! One group in one partition: what is ready, leased or waiting. Pure; the time comes in.
//!
//! Only one message of a key is out at a time, so a message that cannot be handled holds up its own key and no other.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::log::Entry;

/// Messages of a partition that a group looks ahead at once: what is blocked behind more of them waits.
pub(crate) const WINDOW: usize = 1_024;
/// Messages of the window that may come again without end; beyond that each is given up in time, so that a partition
/// moves on whatever cannot be handled.
pub(crate) const MOST_POSTPONED: usize = WINDOW / 2;

/// How messages are delivered.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A delivery that is not answered within this time is made again.
    pub visibility: Duration,
    /// Deliveries before a message becomes a dead letter.
    pub max_attempts: u32,
    /// Wait after the first rejection; doubles from there.
    pub retry_base: Duration,
    /// Longest wait after a rejection.
    pub retry_cap: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility: Duration::from_secs(10),
            max_attempts: 8,
            retry_base: Duration::from_millis(100),
            retry_cap: Duration::from_secs(2),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Everything before it was looked at.
    next: u64,
    pending: BTreeMap<u64, Pending>,
    /// Done before a restart, found again when they are loaded.
    done_before: BTreeSet<u64>,
    attempts_before: BTreeMap<u64, u32>,
}

#[derive(Debug)]
struct Pending {
    key: String,
    /// Unix nanoseconds.
    published_at: u64,
    attempts: u32,
    /// Attempts of these that were answered with "not now, but in the end": they do not count against it.
    pardoned: u32,
    state: State,
}

impl Pending {
    /// Attempts that count.
    const fn counted(&self) -> u32 {
        self.attempts.saturating_sub(self.pardoned)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    Leased { until: Instant, to: Holder },
    Waiting { until: Instant },
}

/// Who holds a lease: consumers of one name are one, also after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holder(u64);

impl Holder {
    /// By the name that a consumer gives; none at all for an empty one.
    pub(crate) fn named(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(if name.is_empty() { 0 } else { hasher.finish().max(1) })
    }
}

/// What a lease gave.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Leased {
    /// Offset and number of the delivery.
    pub(crate) taken: Vec<(u64, u32)>,
    /// Offset and deliveries of what nobody answered for too often.
    pub(crate) given_up: Vec<(u64, u32)>,
}

/// What follows from a rejection.
#[derive(Debug, PartialEq)]
pub(crate) enum Rejected {
    /// It comes again; so many attempts count against it.
    Again { counted: u32 },
    /// It has been tried often enough.
    GiveUp { attempts: u32 },
    /// It is not out any more.
    Unknown,
}

impl Lane {
    /// As it stood before a restart. Leases are gone: what was out is delivered again.
    pub(crate) fn resume(committed: u64, done: BTreeSet<u64>, attempts: BTreeMap<u64, u32>) -> Self {
        Self {
            next: committed,
            pending: BTreeMap::new(),
            done_before: done,
            attempts_before: attempts,
        }
    }

    /// From which offset on, and how many, it would look at.
    pub(crate) fn wants(&self) -> (u64, usize) {
        (self.next, WINDOW.saturating_sub(self.pending.len()))
    }

    /// Takes a message of the log; those of other groups only move it on.
    pub(crate) fn load(&mut self, entry: Entry) {
        let Entry {
            offset,
            key,
            published_at,
            for_this_group,
        } = entry;
        if offset < self.next {
            return;
        }
        self.next = offset + 1;
        let attempts = self.attempts_before.remove(&offset).unwrap_or(0);
        if !self.done_before.remove(&offset) && for_this_group {
            self.pending.insert(
                offset,
                Pending {
                    key,
                    published_at,
                    attempts,
                    pardoned: 0,
                    state: State::Ready,
                },
            );
        }
    }

    /// Leases up to `max` messages, the oldest of each key. What is given up stays until it is [`Lane::done`].
    pub(crate) fn lease(&mut self, now: Instant, max: usize, to: Holder, settings: &Settings) -> Leased {
        let mut leased = Leased::default();
        let mut busy = HashSet::new();
        for (&offset, pending) in &mut self.pending {
            if leased.taken.len() >= max {
                break;
            }
            if !busy.insert(pending.key.as_str()) || !pending.state.is_due(now) {
                continue;
            }
            if pending.counted() >= settings.max_attempts {
                leased.given_up.push((offset, pending.attempts));
                continue;
            }
            pending.attempts = pending.attempts.saturating_add(1);
            pending.state = State::Leased {
                until: now + settings.visibility,
                to,
            };
            leased.taken.push((offset, pending.attempts));
        }
        leased
    }

    /// A consumer has begun anew: what it had out is at work nowhere, and need not wait for its lease to end.
    pub(crate) fn begin_anew(&mut self, holder: Holder) {
        for pending in self.pending.values_mut() {
            if matches!(pending.state, State::Leased { to, .. } if to == holder && to != Holder::default()) {
                pending.state = State::Ready;
            }
        }
    }

    /// Is it known and not done?
    pub(crate) fn is_out(&self, offset: u64) -> bool {
        self.pending.contains_key(&offset)
    }

    /// It is done, or given up for good.
    pub(crate) fn done(&mut self, offset: u64) {
        self.pending.remove(&offset);
    }

    /// It could not be handled.
    pub(crate) fn reject(&mut self, offset: u64, now: Instant, settings: &Settings) -> Rejected {
        let Some(pending) = self.pending.get_mut(&offset) else {
            return Rejected::Unknown;
        };
        let (attempts, counted) = (pending.attempts, pending.counted());
        if counted >= settings.max_attempts {
            return Rejected::GiveUp { attempts };
        }
        let growth = 1_u32 << attempts.saturating_sub(1).min(16);
        let wait = settings.retry_base.saturating_mul(growth).min(settings.retry_cap);
        pending.state = State::Waiting { until: now + wait };
        Rejected::Again { counted }
    }

    /// It could not be handled now and must be in the end: its attempts so far do not count, as long as the window has room
    /// for more of its like.
    pub(crate) fn postpone(&mut self, offset: u64, now: Instant, settings: &Settings) -> Rejected {
        let of_its_like = |(&other, pending): (&u64, &Pending)| other != offset && pending.pardoned > 0;
        let has_room = self.pending.iter().filter(|&pair| of_its_like(pair)).count() < MOST_POSTPONED;
        if let Some(pending) = self.pending.get_mut(&offset).filter(|_| has_room) {
            pending.pardoned = pending.attempts;
        }
        self.reject(offset, now, settings)
    }

    /// Those of a key that wait for their next attempt wait no longer; answers how many there were.
    pub(crate) fn hurry(&mut self, key: &str) -> u64 {
        let waits = |pending: &&mut Pending| pending.key == key && matches!(pending.state, State::Waiting { .. });
        let mut count = 0;
        for pending in self.pending.values_mut().filter(waits) {
            pending.state = State::Ready;
            count += 1;
        }
        count
    }

    /// Deliveries of a message that is not done; `None` when it is not out.
    pub(crate) fn attempts(&self, offset: u64) -> Option<u32> {
        self.pending.get(&offset).map(|pending| pending.attempts)
    }

    /// Up to where everything is done, once these are too.
    pub(crate) fn committed_without(&self, offsets: &BTreeSet<u64>) -> u64 {
        self.pending
            .keys()
            .find(|other| !offsets.contains(other))
            .copied()
            .unwrap_or(self.next)
    }

    /// Messages before `next` that are not done.
    pub(crate) fn unfinished(&self) -> u64 {
        self.pending.len() as u64
    }

    /// When the oldest message that is not done was published, in Unix nanoseconds.
    pub(crate) fn oldest_at(&self) -> Option<u64> {
        self.pending.values().next().map(|pending| pending.published_at)
    }

    /// Everything before it was looked at.
    pub(crate) fn looked_at(&self) -> u64 {
        self.next
    }

    /// What is out at a consumer.
    pub(crate) fn leased(&self, now: Instant) -> u64 {
        let out = |pending: &&Pending| matches!(pending.state, State::Leased { until, .. } if until > now);
        self.pending.values().filter(out).count() as u64
    }

    /// When a lease or a wait ends.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.pending.values().filter_map(|pending| pending.state.until()).min()
    }
}

impl State {
    fn until(self) -> Option<Instant> {
        match self {
            Self::Ready => None,
            Self::Leased { until, .. } | Self::Waiting { until } => Some(until),
        }
    }

    fn is_due(self, now: Instant) -> bool {
        self.until().is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        visibility: Duration::from_secs(10),
        max_attempts: 3,
        retry_base: Duration::from_secs(1),
        retry_cap: Duration::from_secs(2),
    };

    /// Published at ten nanoseconds for each offset.
    fn entry(offset: u64, key: &str, for_this_group: bool) -> Entry {
        Entry {
            offset,
            key: key.to_owned(),
            published_at: offset * 10,
            for_this_group,
        }
    }

    fn lane(keys: &[&str]) -> Lane {
        let mut lane = Lane::default();
        for (offset, key) in keys.iter().enumerate() {
            lane.load(entry(offset as u64, key, true));
        }
        lane
    }

    fn lease(lane: &mut Lane, now: Instant, max: usize) -> Leased {
        lane.lease(now, max, Holder::default(), &SETTINGS)
    }

    fn committed(lane: &Lane) -> u64 {
        lane.committed_without(&BTreeSet::new())
    }

    fn offsets(leased: &Leased) -> Vec<u64> {
        leased.taken.iter().map(|&(offset, _)| offset).collect()
    }

    #[test]
    fn one_message_of_a_key_is_out_at_a_time_and_in_order() {
        let (mut lane, now) = (lane(&["a", "b", "a", "b", "a"]), Instant::now());
        assert_eq!(offsets(&lease(&mut lane, now, 10)), [0, 1]);
        assert_eq!(offsets(&lease(&mut lane, now, 10)), [] as [u64; 0]);
        lane.done(1);
        assert_eq!(offsets(&lease(&mut lane, now, 10)), [3]);
        lane.done(0);
        assert_eq!(offsets(&lease(&mut lane, now, 10)), [2]);
    }

    #[test]
    fn it_is_committed_up_to_the_first_unfinished_one() {
        let (mut lane, now) = (lane(&["a", "b", "c"]), Instant::now());
        lease(&mut lane, now, 10);
        lane.done(1);
        assert_eq!((committed(&lane), lane.unfinished()), (0, 2));
        assert_eq!(lane.oldest_at(), Some(0));
        assert_eq!(lane.committed_without(&BTreeSet::from([0, 2])), 3);
        lane.done(0);
        assert_eq!((committed(&lane), lane.is_out(0), lane.is_out(2)), (2, false, true));
        assert_eq!(lane.oldest_at(), Some(20));
        lane.done(2);
        assert_eq!((committed(&lane), lane.oldest_at()), (3, None));
    }

    #[test]
    fn what_nobody_answers_comes_again_and_is_given_up_in_the_end() {
        let (mut lane, mut now) = (lane(&["a", "a"]), Instant::now());
        for attempt in 1..=3 {
            assert_eq!(lease(&mut lane, now, 10).taken, [(0, attempt)]);
            assert_eq!(lane.next_due(), Some(now + SETTINGS.visibility));
            now += SETTINGS.visibility;
        }
        assert_eq!(
            lease(&mut lane, now, 10),
            Leased {
                taken: vec![],
                given_up: vec![(0, 3)]
            }
        );
        lane.done(0);
        assert_eq!(lease(&mut lane, now, 10).taken, [(1, 1)]);
    }

    #[test]
    fn a_poison_message_holds_up_its_own_key_only() {
        let (mut lane, mut now) = (lane(&["poison", "poison", "b"]), Instant::now());
        assert_eq!(offsets(&lease(&mut lane, now, 10)), [0, 2]);
        lane.done(2);
        assert_eq!(lane.reject(0, now, &SETTINGS), Rejected::Again { counted: 1 });
        assert_eq!(
            offsets(&lease(&mut lane, now, 10)),
            [] as [u64; 0],
            "its key waits with it"
        );
        lane.load(entry(3, "c", true));
        assert_eq!(offsets(&lease(&mut lane, now, 10)), [3]);
        for attempts in 2..=3 {
            now += SETTINGS.retry_cap;
            assert_eq!(lease(&mut lane, now, 1).taken, [(0, attempts)]);
            let expected = if attempts == 3 {
                Rejected::GiveUp { attempts }
            } else {
                Rejected::Again { counted: attempts }
            };
            assert_eq!(lane.reject(0, now, &SETTINGS), expected);
        }
        lane.done(0);
        assert_eq!(lane.reject(0, now, &SETTINGS), Rejected::Unknown);
        assert_eq!(lease(&mut lane, now, 1).taken, [(1, 1)]);
    }

    #[test]
    fn after_a_restart_it_goes_on_with_what_was_not_done() {
        let mut lane = Lane::resume(2, BTreeSet::from([3]), BTreeMap::from([(2, 2)]));
        for offset in 0..6 {
            lane.load(entry(offset, &format!("k-{offset}"), offset != 5));
        }
        assert_eq!(lease(&mut lane, Instant::now(), 10).taken, [(2, 3), (4, 1)]);
        assert_eq!((lane.looked_at(), committed(&lane)), (6, 2));
    }

    #[test]
    fn it_looks_ahead_no_further_than_its_window() {
        let mut lane = Lane::default();
        for offset in 0..WINDOW as u64 {
            lane.load(entry(offset, "k", true));
        }
        assert_eq!(lane.wants(), (WINDOW as u64, 0));
        lane.done(0);
        assert_eq!(lane.wants().1, 1);
    }

    #[test]
    fn a_consumer_that_begins_anew_gets_at_once_what_it_had_and_nothing_of_others() {
        let (mut lane, now) = (lane(&["a", "b", "c"]), Instant::now());
        let (orders, other) = (Holder::named("orders"), Holder::named("other"));
        assert_eq!(offsets(&lane.lease(now, 1, orders, &SETTINGS)), [0]);
        assert_eq!(offsets(&lane.lease(now, 1, other, &SETTINGS)), [1]);
        assert_eq!(offsets(&lane.lease(now, 1, Holder::named(""), &SETTINGS)), [2]);
        lane.begin_anew(Holder::named("orders"));
        assert_eq!(
            lane.lease(now, 10, orders, &SETTINGS).taken,
            [(0, 2)],
            "its second delivery"
        );
        lane.begin_anew(Holder::named(""));
        assert_eq!(
            offsets(&lane.lease(now, 10, orders, &SETTINGS)),
            [] as [u64; 0],
            "nobody is not one"
        );
    }

    #[test]
    fn what_must_be_handled_in_the_end_comes_again_for_ever() {
        let (mut lane, mut now) = (lane(&["a", "a"]), Instant::now());
        for delivery in 1..=20 {
            assert_eq!(lease(&mut lane, now, 1).taken, [(0, delivery)]);
            assert_eq!(lane.postpone(0, now, &SETTINGS), Rejected::Again { counted: 0 });
            assert_eq!(
                lane.next_due().expect("waits") - now,
                SETTINGS.retry_cap.min(SETTINGS.retry_base * delivery),
                "the wait grows to its cap and no further"
            );
            assert_eq!(
                offsets(&lease(&mut lane, now, 10)),
                [] as [u64; 0],
                "its key waits with it"
            );
            now += SETTINGS.retry_cap;
        }
        lane.done(0);
        assert_eq!(lease(&mut lane, now, 1).taken, [(1, 1)], "what waited behind it");
    }

    #[test]
    fn attempts_after_it_was_postponed_count_anew() {
        let (mut lane, mut now) = (lane(&["a"]), Instant::now());
        for _ in 0..5 {
            lease(&mut lane, now, 1);
            lane.postpone(0, now, &SETTINGS);
            now += SETTINGS.retry_cap;
        }
        lease(&mut lane, now, 1);
        now += SETTINGS.visibility;
        lease(&mut lane, now, 1);
        assert_eq!(lane.reject(0, now, &SETTINGS), Rejected::Again { counted: 2 });
        now += SETTINGS.retry_cap;
        lease(&mut lane, now, 1);
        assert_eq!(lane.reject(0, now, &SETTINGS), Rejected::GiveUp { attempts: 8 });
    }

    #[test]
    fn half_of_the_window_may_be_postponed_and_the_rest_is_given_up_in_time() {
        let keys: Vec<String> = (0..=MOST_POSTPONED).map(|n| format!("k-{n}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (mut lane, mut now) = (lane(&keys), Instant::now());
        let last = MOST_POSTPONED as u64;
        for round in 1..=SETTINGS.max_attempts {
            assert_eq!(lease(&mut lane, now, WINDOW).taken.len(), keys.len());
            for offset in 0..last {
                assert_eq!(lane.postpone(offset, now, &SETTINGS), Rejected::Again { counted: 0 });
            }
            let expected = match round {
                3 => Rejected::GiveUp { attempts: 3 },
                counted => Rejected::Again { counted },
            };
            assert_eq!(lane.postpone(last, now, &SETTINGS), expected);
            now += SETTINGS.retry_cap;
        }
        assert!(lane.wants().1 > 0, "others are looked at all the while");
    }
}
