//! The states of a breaker, pure: time comes in as an argument, nothing goes out but answers and transitions.

use std::collections::VecDeque;
use std::time::Duration;

use sagascope_conventions::BreakerState;

use super::BreakerPolicy;
use super::window::Window;

/// Most transitions kept for a reader that does not come.
const MAX_TRANSITIONS: usize = 64;

/// How a call ended, as far as the callee is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered (a business refusal is an answer).
    Success,
    /// It failed or did not answer in time.
    Failure,
    /// It says nothing about the callee: cancelled, or refused on our side.
    Ignored,
}

/// The right to make one call; hand it back with [`Machine::record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    generation: u64,
    started: Duration,
}

/// The call must not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When asking again makes sense; `None` when only a person can change it.
    pub retry_after: Option<Duration>,
}

/// One change of state.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// One-based, without gaps.
    pub sequence: u64,
    /// State left.
    pub from: BreakerState,
    /// State entered.
    pub to: BreakerState,
    /// When.
    pub at: Duration,
    /// Why.
    pub reason: String,
    /// Share of failures in the window left, when there were enough calls to tell.
    pub failure_rate: Option<f64>,
    /// How long it refuses, for an open breaker.
    pub open_for: Option<Duration>,
}

/// A breaker without a clock, a lock or a name.
#[derive(Clone, Debug)]
pub struct Machine {
    policy: BreakerPolicy,
    state: BreakerState,
    /// Goes up with each change of state: the result of a call that began before it is ignored.
    generation: u64,
    window: Window,
    consecutive: u32,
    /// Since when it is in this state.
    since: Duration,
    open_for: Duration,
    /// Openings since it was last closed.
    openings: u32,
    probes_out: u32,
    probes_good: u32,
    transitions: VecDeque<Transition>,
    sequence: u64,
}

impl Machine {
    /// Closed.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: BreakerState::Closed,
            generation: 0,
            window: Window::new(policy.window, policy.window_age),
            consecutive: 0,
            since: Duration::ZERO,
            open_for: Duration::ZERO,
            openings: 0,
            probes_out: 0,
            probes_good: 0,
            transitions: VecDeque::new(),
            sequence: 0,
        }
    }

    /// State in force. An open breaker whose wait is over still says open: it changes with the next call.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Share of failures; `None` below the minimum of calls.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        self.window.failure_rate(self.policy.minimum_calls)
    }

    /// May a call be made now?
    ///
    /// # Errors
    /// With the time to wait, when it may not.
    pub fn acquire(&mut self, now: Duration) -> Result<Ticket, Refused> {
        self.pass_time(now);
        match self.state {
            BreakerState::Closed | BreakerState::Disabled => {}
            BreakerState::ForcedOpen => return Err(Refused { retry_after: None }),
            BreakerState::Open => {
                return Err(Refused {
                    retry_after: Some(self.left(self.open_for, now)),
                });
            }
            BreakerState::HalfOpen if self.probes_out + self.probes_good >= self.policy.half_open_permits => {
                return Err(Refused {
                    retry_after: Some(self.left(self.policy.half_open_wait, now)),
                });
            }
            BreakerState::HalfOpen => self.probes_out += 1,
        }
        Ok(Ticket {
            generation: self.generation,
            started: now,
        })
    }

    /// Tells how the call went. True when it was slow and successful. A result from before the last change of state
    /// counts for nothing.
    pub fn record(&mut self, ticket: Ticket, outcome: Outcome, now: Duration) -> bool {
        let slow = now.saturating_sub(ticket.started) >= self.policy.slow_call;
        if ticket.generation == self.generation {
            match self.state {
                BreakerState::Closed => self.record_closed(outcome, slow, now),
                BreakerState::HalfOpen => self.record_probe(outcome, now),
                BreakerState::Open | BreakerState::ForcedOpen | BreakerState::Disabled => {}
            }
        }
        slow && outcome == Outcome::Success
    }

    /// A person refuses all calls.
    pub fn force_open(&mut self, now: Duration) {
        self.change(
            BreakerState::ForcedOpen,
            "forced open by a person".to_owned(),
            None,
            now,
        );
    }

    /// A person lets all calls through, unrecorded.
    pub fn disable(&mut self, now: Duration) {
        self.change(BreakerState::Disabled, "disabled by a person".to_owned(), None, now);
    }

    /// A person closes it.
    pub fn reset(&mut self, now: Duration) {
        self.close("closed by a person".to_owned(), now);
    }

    /// Changes of state since this was last asked, oldest first.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        self.transitions.drain(..).collect()
    }

    /// What happens by itself when time goes on: no timer is needed, since every question passes here first.
    fn pass_time(&mut self, now: Duration) {
        if self.state == BreakerState::Open && self.left(self.open_for, now).is_zero() {
            self.change(
                BreakerState::HalfOpen,
                "the wait is over, probing".to_owned(),
                None,
                now,
            );
        }
        if self.state == BreakerState::HalfOpen && self.left(self.policy.half_open_wait, now).is_zero() {
            self.open("the probes gave no answer in time".to_owned(), None, now);
        }
    }

    fn record_closed(&mut self, outcome: Outcome, slow: bool, now: Duration) {
        if outcome == Outcome::Ignored {
            return;
        }
        let failed = outcome == Outcome::Failure;
        self.consecutive = if failed { self.consecutive.saturating_add(1) } else { 0 };
        self.window.push(failed, slow, now);
        let failure_rate = self.failure_rate();
        if let Some(reason) = self.reason_to_open(failure_rate) {
            self.open(reason, failure_rate, now);
        }
    }

    fn reason_to_open(&self, failure_rate: Option<f64>) -> Option<String> {
        let BreakerPolicy {
            consecutive_failures,
            rate,
            minimum_calls,
            ..
        } = self.policy;
        if consecutive_failures > 0 && self.consecutive >= consecutive_failures {
            return Some(format!("{consecutive_failures} failures in a row"));
        }
        if let Some(share) = failure_rate.filter(|&share| share >= rate) {
            return Some(format!("{:.0} % of calls failed", share * 100.0));
        }
        let slow = self.window.slow_rate(minimum_calls).filter(|&share| share >= rate)?;
        Some(format!("{:.0} % of calls were slow", slow * 100.0))
    }

    fn record_probe(&mut self, outcome: Outcome, now: Duration) {
        self.probes_out = self.probes_out.saturating_sub(1);
        match outcome {
            Outcome::Ignored => {}
            Outcome::Failure => self.open("a probe failed".to_owned(), None, now),
            Outcome::Success => {
                self.probes_good += 1;
                if self.probes_good >= self.policy.half_open_permits {
                    self.close(format!("{} probes succeeded", self.probes_good), now);
                }
            }
        }
    }

    fn open(&mut self, reason: String, failure_rate: Option<f64>, now: Duration) {
        let growth = self.policy.open_growth.max(1).saturating_pow(self.openings);
        self.open_for = self.policy.open_for.saturating_mul(growth).min(self.policy.open_cap);
        self.openings = self.openings.saturating_add(1);
        self.change(BreakerState::Open, reason, failure_rate, now);
    }

    fn close(&mut self, reason: String, now: Duration) {
        self.openings = 0;
        self.change(BreakerState::Closed, reason, None, now);
    }

    fn change(&mut self, to: BreakerState, reason: String, failure_rate: Option<f64>, now: Duration) {
        let from = self.state;
        if from == to {
            return;
        }
        self.state = to;
        self.generation += 1;
        self.since = now;
        self.window.clear();
        (self.consecutive, self.probes_out, self.probes_good) = (0, 0, 0);
        self.sequence += 1;
        if self.transitions.len() == MAX_TRANSITIONS {
            self.transitions.pop_front();
        }
        let open_for = (to == BreakerState::Open).then_some(self.open_for);
        let transition = Transition {
            sequence: self.sequence,
            from,
            to,
            at: now,
            reason,
            failure_rate,
            open_for,
        };
        self.transitions.push_back(transition);
    }

    /// Time left of `wait`, counted from the last change of state.
    fn left(&self, wait: Duration, now: Duration) -> Duration {
        wait.saturating_sub(now.saturating_sub(self.since))
    }
}
