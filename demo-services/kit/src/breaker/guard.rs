//! A breaker that lives in a process: named, timed, shared, and telling each of its changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sagascope_conventions::BreakerState;
use sagascope_instrument::breaker_events::BreakerChange;
use sagascope_instrument::metrics::BreakerMetrics;
use tokio::time::Instant;

use super::{BreakerPolicy, Machine, Outcome, Refused, Ticket};
use crate::clock::unix_nanos_now;
use crate::events::StateEvents;
use crate::telemetry;

/// A cheap clone of one breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    peer: String,
    machine: Mutex<Machine>,
    epoch: Instant,
    metrics: BreakerMetrics,
    events: StateEvents,
}

/// The right to make one call. Dropped without a word (a cancelled call), it counts for nothing; dropped by a panic,
/// it counts as a failure.
#[derive(Debug)]
pub struct Permit {
    breaker: Breaker,
    ticket: Option<Ticket>,
}

impl Breaker {
    /// A closed one that protects the service `peer`.
    #[must_use]
    pub fn new(name: &str, peer: &str, policy: BreakerPolicy, events: StateEvents) -> Self {
        let shared = Shared {
            name: name.to_owned(),
            peer: peer.to_owned(),
            machine: Mutex::new(Machine::new(policy)),
            epoch: Instant::now(),
            metrics: BreakerMetrics::new(&telemetry::meter(), name, peer),
            events,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// State in force.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.shared.machine().state()
    }

    /// Share of failures; `None` when there were too few calls to tell.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.shared.machine().failure_rate()
    }

    /// May a call be made now?
    ///
    /// # Errors
    /// With the time to wait, when it may not; the refusal is counted.
    pub fn acquire(&self) -> Result<Permit, Refused> {
        let answer = self.shared.turn(|machine, now| machine.acquire(now));
        if answer.is_err() {
            self.shared.metrics.call("rejected");
        }
        answer.map(|ticket| Permit {
            breaker: self.clone(),
            ticket: Some(ticket),
        })
    }

    /// Records which state is in force.
    pub fn report(&self) {
        self.shared.metrics.state(self.state());
    }

    /// Counts a call that was answered by a fallback.
    pub fn fallback(&self) {
        self.shared.metrics.call("fallback");
    }
}

impl Permit {
    /// Tells how the call went.
    pub fn done(mut self, outcome: Outcome) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Outcome) {
        let Some(ticket) = self.ticket.take() else { return };
        let shared = &self.breaker.shared;
        let slow = shared.turn(|machine, now| machine.record(ticket, outcome, now));
        match outcome {
            Outcome::Success if slow => shared.metrics.call("slow"),
            Outcome::Success => shared.metrics.call("success"),
            Outcome::Failure => shared.metrics.call("failure"),
            Outcome::Ignored => {}
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() {
            Outcome::Failure
        } else {
            Outcome::Ignored
        };
        self.settle(outcome);
    }
}

impl Shared {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of the machine; what changed is told before the lock is given up, so that changes are told in order.
    fn turn<T>(&self, step: impl FnOnce(&mut Machine, Duration) -> T) -> T {
        let mut machine = self.machine();
        let answer = step(&mut machine, self.epoch.elapsed());
        for change in machine.take_transitions() {
            let at = unix_nanos_now();
            let next_probe = change.open_for.map(|wait| at.saturating_add(wait.as_nanos() as u64));
            let change = BreakerChange {
                breaker: &self.name,
                peer: &self.peer,
                from: change.from,
                to: change.to,
                sequence: change.sequence,
                reason: &change.reason,
                failure_rate: change.failure_rate,
                next_probe_unix_nanos: next_probe,
            };
            self.events.emit(change.event(at));
            self.metrics.state(change.to);
        }
        answer
    }
}
