//! CB-06 and CB-26: random histories against a reference that keeps everything and counts anew each time.

use std::time::Duration;

use proptest::prelude::*;
use sagascope_conventions::BreakerState::{self, Closed, HalfOpen, Open};

use super::BreakerPolicy;
use super::machine::{Machine, Outcome, Ticket};

const POLICY: BreakerPolicy = BreakerPolicy {
    consecutive_failures: 4,
    window: 6,
    window_age: Duration::from_secs(50),
    minimum_calls: 3,
    rate: 0.6,
    slow_call: Duration::from_secs(2),
    open_for: Duration::from_secs(5),
    open_growth: 2,
    open_cap: Duration::from_secs(12),
    half_open_permits: 2,
    half_open_wait: Duration::from_secs(9),
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    End(usize, Outcome),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Ignored)];
    let step = prop_oneof![
        4 => Just(Step::Begin),
        4 => (0_usize..4, outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => (0_u64..7).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..120)
}

/// A call let out: the round of the reference it belongs to, and when it began.
type Let = (u32, u64);

/// The rules in their plainest form: whole seconds, every call of the present state kept.
#[derive(Debug)]
struct Reference {
    state: BreakerState,
    since: u64,
    wait: u64,
    openings: u32,
    round: u32,
    calls: Vec<(u64, bool, bool)>,
    out: u32,
    good: u32,
}

impl Reference {
    fn enter(&mut self, state: BreakerState, now: u64) {
        if state == Open {
            self.wait = (5 << self.openings.min(8)).min(12);
            self.openings += 1;
        }
        if state == Closed {
            self.openings = 0;
        }
        (self.state, self.since, self.out, self.good) = (state, now, 0, 0);
        self.round += 1;
        self.calls.clear();
    }

    fn begin(&mut self, now: u64) -> Option<Let> {
        if self.state == Open && now >= self.since + self.wait {
            self.enter(HalfOpen, now);
        }
        if self.state == HalfOpen && now >= self.since + 9 {
            self.enter(Open, now);
        }
        let may = self.state == Closed || (self.state == HalfOpen && self.out + self.good < 2);
        self.out += u32::from(may && self.state == HalfOpen);
        may.then_some((self.round, now))
    }

    fn end(&mut self, (round, began): Let, outcome: Outcome, now: u64) {
        if round != self.round {
            return;
        }
        let failed = outcome == Outcome::Failure;
        match (self.state, outcome) {
            (Closed, Outcome::Ignored) => {}
            (Closed, _) => {
                self.calls.push((now, failed, now - began >= 2));
                if self.should_open(now) {
                    self.enter(Open, now);
                }
            }
            (HalfOpen, Outcome::Failure) => self.enter(Open, now),
            (HalfOpen, outcome) => {
                self.out -= 1;
                self.good += u32::from(outcome == Outcome::Success);
                if self.good == 2 {
                    self.enter(Closed, now);
                }
            }
            _ => {}
        }
    }

    fn should_open(&self, now: u64) -> bool {
        let in_a_row = self.calls.iter().rev().take_while(|call| call.1).count();
        let (all, failed, slow) = self.recount(now);
        in_a_row >= 4 || (all >= 3 && (failed.max(slow) as f64 / all as f64) >= 0.6)
    }

    /// CB-06: the rate is what a naive count over the last calls gives.
    fn recount(&self, now: u64) -> (usize, usize, usize) {
        let last = self.calls.iter().rev().take(6).filter(|call| now - call.0 <= 50);
        last.fold((0, 0, 0), |(all, failed, slow), call| {
            (all + 1, failed + usize::from(call.1), slow + usize::from(call.2))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn cb_26_no_history_tells_it_from_the_reference(steps in steps()) {
        let mut machine = Machine::new(POLICY);
        let mut reference = Reference {
            state: Closed, since: 0, wait: 0, openings: 0, round: 0, calls: Vec::new(), out: 0, good: 0,
        };
        let (mut now, mut running): (u64, Vec<(Ticket, Let)>) = (0, Vec::new());
        for step in steps {
            let time = Duration::from_secs(now);
            match step {
                Step::Wait(seconds) => now += seconds,
                Step::Begin => match (machine.acquire(time), reference.begin(now)) {
                    (Ok(ticket), Some(expected)) => running.push((ticket, expected)),
                    (Err(_), None) => {}
                    (answered, expected) => prop_assert!(false, "{answered:?} but {expected:?}"),
                },
                Step::End(which, outcome) if !running.is_empty() => {
                    let (ticket, expected) = running.swap_remove(which % running.len());
                    machine.record(ticket, outcome, time);
                    reference.end(expected, outcome, now);
                }
                Step::End(..) => {}
            }
            prop_assert_eq!(machine.state(), reference.state);
        }
        let told = machine.take_transitions();
        for pair in told.windows(2) {
            prop_assert_eq!(pair[0].to, pair[1].from);
            prop_assert_eq!(pair[0].sequence + 1, pair[1].sequence);
        }
    }
}
