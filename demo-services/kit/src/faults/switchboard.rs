//! The fault switchboard of a service: what was armed, which requests it hits, and when it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt;
use sagascope_conventions::fault::{ArmedFault, FaultStrength};
use sagascope_conventions::{Fault, FaultKind, attributes};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::context;

/// Most faults in force at once; more are refused.
const MAX_FAULTS: usize = 64;
/// No fault outlives this, whatever the collector says.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How often a held-up piece of work looks whether it may go on.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Faults in force. They end on this process's own monotonic clock, whether or not the collector still lives.
#[derive(Clone, Debug, Default)]
pub struct Switchboard {
    armed: Arc<Mutex<Vec<Armed>>>,
    acted: Arc<Mutex<BTreeMap<FaultKind, u64>>>,
    /// The crash that has been reached.
    dying: watch::Sender<Option<String>>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    ends: Instant,
    rolls: u64,
}

/// A fault that acts on the work at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// `fault.id`.
    pub id: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How strongly.
    pub strength: FaultStrength,
}

impl Hit {
    /// The delay asked for, zero when none.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.strength.delay_ms.unwrap_or(0))
    }
}

impl Switchboard {
    /// Nothing armed.
    #[must_use]
    pub fn idle() -> Self {
        Self::default()
    }

    /// Does a fault of this kind act now? Rolls its dice, marks the current span, and counts. `operation` is the route
    /// or use case at hand.
    #[must_use]
    pub fn hit(&self, kind: FaultKind, operation: &str) -> Option<Hit> {
        let hit = self.roll(kind, operation, Instant::now())?;
        self.note(kind);
        let context = context::current();
        let span = context.trace.span();
        span.set_attribute(KeyValue::new(attributes::FAULT_ID, hit.id.clone()));
        span.set_attribute(KeyValue::new(attributes::FAULT_KIND, hit.kind.as_str()));
        Some(hit)
    }

    /// A point in the middle of a piece of work, named `operation`, at which the process can be made to end or to stand
    /// still: it ends when a crash is armed for it, and waits for as long as a hang is.
    pub async fn point(&self, operation: &str) {
        if let Some(hit) = self.hit(FaultKind::Crash, operation) {
            self.dying.send_replace(Some(hit.id));
            return std::future::pending().await;
        }
        while let Some(hit) = self.hit(FaultKind::Hang, operation) {
            while self.is_in_force(&hit.id) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Resolves with the id of the crash fault whose [`Switchboard::point`] was reached.
    pub async fn dying(&self) -> String {
        let mut dying = self.dying.subscribe();
        let id = dying.wait_for(Option::is_some).await.map(|id| id.clone());
        // The sender lives in this switchboard, so there is always an id in the end.
        id.ok().flatten().unwrap_or_default()
    }

    fn is_in_force(&self, id: &str) -> bool {
        let now = Instant::now();
        let armed = self.lock();
        armed.iter().any(|armed| armed.fault.id == id && now < armed.ends)
    }

    /// The first fault of this kind in force; no dice, no mark.
    #[must_use]
    pub fn active(&self, kind: FaultKind) -> Option<Hit> {
        let now = Instant::now();
        let hit = self
            .lock()
            .iter()
            .find(|armed| armed.fault.kind == kind && now < armed.ends)
            .map(Armed::as_hit)?;
        self.note(kind);
        Some(hit)
    }

    /// How often faults of each kind have acted so far.
    #[must_use]
    pub fn acted(&self) -> BTreeMap<FaultKind, u64> {
        self.acted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, kind: FaultKind) {
        *self
            .acted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(kind)
            .or_default() += 1;
    }

    /// Takes a fault. One that is in force already goes on with its dice. False when there are too many.
    pub fn arm(&self, armed: ArmedFault) -> bool {
        self.arm_at(armed, Instant::now())
    }

    /// Is this fault in force, or waiting to be collected as ended?
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.lock().iter().any(|armed| armed.fault.id == id)
    }

    /// Ends every fault but those, and gives back the ended ones.
    pub fn keep_only(&self, ids: &[&str]) -> Vec<Fault> {
        self.take(|armed| !ids.contains(&armed.fault.id.as_str()))
    }

    /// Ends the faults whose time is up, and gives them back.
    pub fn expire(&self, now: Instant) -> Vec<Fault> {
        self.take(|armed| now >= armed.ends)
    }

    /// Ends a fault; gives it back when it was in force.
    pub fn clear(&self, id: &str) -> Option<Fault> {
        let mut armed = self.lock();
        let place = armed.iter().position(|armed| armed.fault.id == id)?;
        Some(armed.remove(place).fault)
    }

    fn arm_at(&self, taken: ArmedFault, now: Instant) -> bool {
        let limit = Duration::from_secs(taken.fault.duration_seconds);
        let ends = now + Duration::from_millis(taken.remaining_ms).min(limit).min(LONGEST);
        let mut armed = self.lock();
        if let Some(known) = armed.iter_mut().find(|known| known.fault.id == taken.fault.id) {
            known.ends = ends;
            return true;
        }
        if armed.len() >= MAX_FAULTS {
            return false;
        }
        armed.push(Armed {
            fault: taken.fault,
            ends,
            rolls: 0,
        });
        true
    }

    fn take(&self, ended: impl Fn(&Armed) -> bool) -> Vec<Fault> {
        self.lock()
            .extract_if(.., |armed| ended(armed))
            .map(|armed| armed.fault)
            .collect()
    }

    fn roll(&self, kind: FaultKind, operation: &str, now: Instant) -> Option<Hit> {
        let mut armed = self.lock();
        armed.iter_mut().find_map(|armed| armed.roll(kind, operation, now))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn roll(&mut self, kind: FaultKind, operation: &str, now: Instant) -> Option<Hit> {
        let wanted = self.fault.target.operation.as_deref();
        if self.fault.kind != kind || now >= self.ends || !wanted.is_none_or(|name| names(name, operation)) {
            return None;
        }
        self.rolls += 1;
        let percent = u64::from(self.fault.strength.percent.unwrap_or(100));
        if dice(self.fault.seed, self.rolls) % 100 >= percent {
            return None;
        }
        Some(self.as_hit())
    }

    fn as_hit(&self) -> Hit {
        Hit {
            id: self.fault.id.clone(),
            kind: self.fault.kind,
            strength: self.fault.strength.clone(),
        }
    }
}

/// An operation `POST /charges` is named by that, or by its route alone.
fn names(wanted: &str, operation: &str) -> bool {
    wanted == operation || operation.split_once(' ').is_some_and(|(_, route)| route == wanted)
}

/// The `n`th throw of the dice with that seed (SplitMix64): the same seed hits the same requests.
fn dice(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagascope_conventions::FaultTarget;

    fn fault(id: &str, kind: FaultKind, percent: Option<u8>) -> ArmedFault {
        let fault = Fault {
            id: id.to_owned(),
            target: FaultTarget {
                service: "payments".to_owned(),
                ..FaultTarget::default()
            },
            kind,
            strength: FaultStrength {
                percent,
                ..FaultStrength::default()
            },
            duration_seconds: 30,
            seed: 7,
        };
        ArmedFault {
            fault,
            remaining_ms: 30_000,
        }
    }

    fn hits(board: &Switchboard, rolls: usize) -> usize {
        (0..rolls)
            .filter(|_| board.hit(FaultKind::ErrorRate, "POST /charges").is_some())
            .count()
    }

    #[test]
    fn about_the_share_asked_for_is_hit_and_the_same_seed_hits_the_same() {
        let pattern = || {
            let board = Switchboard::idle();
            assert!(board.arm(fault("f", FaultKind::ErrorRate, Some(30))));
            (0..1_000)
                .map(|_| board.hit(FaultKind::ErrorRate, "x").is_some())
                .collect::<Vec<_>>()
        };
        let first = pattern();
        let share = first.iter().filter(|&&hit| hit).count();
        assert!((250..=350).contains(&share), "{share}");
        assert_eq!(first, pattern());
    }

    #[test]
    fn all_or_nothing_are_exact() {
        let board = Switchboard::idle();
        assert_eq!(hits(&board, 100), 0);
        board.arm(fault("f", FaultKind::ErrorRate, Some(100)));
        assert_eq!(hits(&board, 100), 100);
        board.clear("f");
        assert_eq!(hits(&board, 100), 0);
    }

    #[test]
    fn it_ends_on_our_own_clock() {
        let (board, now) = (Switchboard::idle(), Instant::now());
        assert!(board.arm_at(fault("f", FaultKind::OutOfStock, None), now));
        let at = |seconds| board.roll(FaultKind::OutOfStock, "x", now + Duration::from_secs(seconds));
        assert!(at(29).is_some());
        assert!(at(30).is_none());
        assert!(board.expire(now + Duration::from_secs(29)).is_empty());
        assert_eq!(board.expire(now + Duration::from_secs(30)).len(), 1);
        assert!(!board.holds("f"));
    }

    #[test]
    fn it_never_outlives_its_duration_whatever_the_collector_says() {
        let (board, now) = (Switchboard::idle(), Instant::now());
        board.arm_at(
            ArmedFault {
                remaining_ms: u64::MAX,
                ..fault("f", FaultKind::OutOfStock, None)
            },
            now,
        );
        assert_eq!(board.expire(now + Duration::from_secs(30)).len(), 1);
    }

    #[test]
    fn it_can_be_narrowed_to_one_operation() {
        for wanted in ["POST /charges", "/charges"] {
            let board = Switchboard::idle();
            let mut narrow = fault("f", FaultKind::Hang, Some(100));
            narrow.fault.target.operation = Some(wanted.to_owned());
            board.arm(narrow);
            assert!(board.hit(FaultKind::Hang, "POST /charges").is_some());
            assert!(board.hit(FaultKind::Hang, "POST /refunds").is_none());
        }
    }

    #[tokio::test]
    async fn a_point_is_passed_unless_a_crash_or_a_hang_is_armed_for_it() {
        let board = Switchboard::idle();
        let narrow = |kind, operation: &str| {
            let mut narrow = fault("f", kind, Some(100));
            narrow.fault.target.operation = Some(operation.to_owned());
            narrow
        };
        board.arm(narrow(FaultKind::Crash, "elsewhere"));
        board.point("2pc.decide").await;
        board.clear("f");

        board.arm(narrow(FaultKind::Hang, "2pc.decide"));
        let mut held_up = Box::pin(board.point("2pc.decide"));
        assert!(futures_util::poll!(&mut held_up).is_pending());
        board.clear("f");
        held_up.await;

        board.arm(narrow(FaultKind::Crash, "2pc.decide"));
        tokio::select! {
            () = board.point("2pc.decide") => panic!("nothing happens after a crash"),
            id = board.dying() => assert_eq!(id, "f"),
        }
    }

    #[test]
    fn a_known_one_goes_on_with_its_dice_and_unlisted_ones_end() {
        let board = Switchboard::idle();
        board.arm(fault("a", FaultKind::ErrorRate, Some(50)));
        board.arm(fault("b", FaultKind::ErrorRate, Some(50)));
        let before = hits(&board, 10);
        assert!(board.arm(fault("a", FaultKind::ErrorRate, Some(50))));
        assert!(before > 0 && board.lock().len() == 2);
        let ended = board.keep_only(&["a"]);
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].id, "b");
    }

    #[test]
    fn the_number_of_faults_is_bounded() {
        let board = Switchboard::idle();
        for place in 0..MAX_FAULTS {
            assert!(board.arm(fault(&place.to_string(), FaultKind::Hang, Some(1))));
        }
        assert!(!board.arm(fault("one too many", FaultKind::Hang, Some(1))));
    }
}
