//! The fault switchboard of a service: what was armed, which requests it hits, and when it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt;
use sagascope_conventions::fault::{ArmedFault, FaultStrength};
use sagascope_conventions::{Fault, FaultKind, attributes};

use crate::context;

/// Most faults in force at once; more are refused.
const MAX_FAULTS: usize = 64;

/// Faults in force. They end on this process's own monotonic clock, whether or not the collector still lives.
#[derive(Clone, Debug, Default)]
pub struct Switchboard {
    armed: Arc<Mutex<Vec<Armed>>>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    ends: Instant,
    rolls: u64,
    hits: u64,
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
        let context = context::current();
        let span = context.trace.span();
        span.set_attribute(KeyValue::new(attributes::FAULT_ID, hit.id.clone()));
        span.set_attribute(KeyValue::new(attributes::FAULT_KIND, hit.kind.as_str()));
        Some(hit)
    }

    /// The first fault of this kind in force; no dice, no mark.
    #[must_use]
    pub fn active(&self, kind: FaultKind) -> Option<Hit> {
        let now = Instant::now();
        let armed = self.lock();
        armed
            .iter()
            .find(|armed| armed.fault.kind == kind && now < armed.ends)
            .map(Armed::as_hit)
    }

    /// Takes a fault; one with the same id is replaced. False when there are too many.
    pub fn arm(&self, armed: ArmedFault) -> bool {
        self.arm_at(armed, Instant::now())
    }

    /// Ends a fault; gives it back when it was in force.
    pub fn clear(&self, id: &str) -> Option<Fault> {
        let mut armed = self.lock();
        let place = armed.iter().position(|armed| armed.fault.id == id)?;
        Some(armed.remove(place).fault)
    }

    fn arm_at(&self, taken: ArmedFault, now: Instant) -> bool {
        let limit = Duration::from_secs(taken.fault.duration_seconds);
        let left = Duration::from_millis(taken.remaining_ms).min(limit);
        let mut armed = self.lock();
        armed.retain(|other| other.fault.id != taken.fault.id);
        if armed.len() >= MAX_FAULTS {
            return false;
        }
        armed.push(Armed {
            fault: taken.fault,
            ends: now + left,
            rolls: 0,
            hits: 0,
        });
        true
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
        if self.fault.kind != kind || now >= self.ends || !wanted.is_none_or(|name| name == operation) {
            return None;
        }
        self.rolls += 1;
        let percent = u64::from(self.fault.strength.percent.unwrap_or(100));
        if dice(self.fault.seed, self.rolls) % 100 >= percent {
            return None;
        }
        self.hits += 1;
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

/// The `n`th throw of the dice with that seed (SplitMix64): the same seed hits the same requests.
fn dice(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
