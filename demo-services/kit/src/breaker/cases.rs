//! What "correct" means for a breaker, case by case, on a clock that the test holds.

use std::time::Duration;

use sagascope_conventions::BreakerState::{self, Closed, Disabled, ForcedOpen, HalfOpen, Open};

use super::machine::{Machine, Outcome, Refused, Ticket};
use super::{Breaker, BreakerPolicy};
use crate::events::StateEvents;

const NONE: Duration = Duration::ZERO;
const OPEN_FOR: Duration = Duration::from_secs(10);

/// Rates over five calls, half of them; no rule of consecutive failures.
const RATES: BreakerPolicy = BreakerPolicy {
    consecutive_failures: 0,
    window: 5,
    window_age: Duration::from_secs(60),
    minimum_calls: 5,
    rate: 0.5,
    slow_call: Duration::from_secs(1),
    open_for: OPEN_FOR,
    open_growth: 1,
    open_cap: OPEN_FOR,
    half_open_permits: 4,
    half_open_wait: Duration::from_secs(30),
};

/// Calls made one after the other; `now` moves only when the test says so.
struct Bench {
    machine: Machine,
    now: Duration,
}

impl Bench {
    fn new(policy: BreakerPolicy) -> Self {
        Self {
            machine: Machine::new(policy),
            now: Duration::from_secs(1_000),
        }
    }

    fn acquire(&mut self) -> Result<Ticket, Refused> {
        self.machine.acquire(self.now)
    }

    fn ticket(&mut self) -> Ticket {
        self.acquire().expect("admitted")
    }

    fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        self.machine.record(ticket, outcome, self.now);
    }

    /// One call for each letter: `S`uccess, `F`ailure, slow `s`uccess, slow `f`ailure, `i`gnored.
    fn calls(&mut self, letters: &str) -> &mut Self {
        for letter in letters.chars() {
            let ticket = self.ticket();
            if letter.is_lowercase() {
                self.now += RATES.slow_call;
            }
            let outcome = match letter {
                'S' | 's' => Outcome::Success,
                'F' | 'f' => Outcome::Failure,
                _ => Outcome::Ignored,
            };
            self.end(ticket, outcome);
        }
        self
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// Opened, and the wait is over: the next call is a probe.
    fn due(policy: BreakerPolicy) -> Self {
        let mut bench = Self::new(policy);
        bench.calls("FFFFF").wait(OPEN_FOR);
        bench
    }

    fn state(&self) -> BreakerState {
        self.machine.state()
    }
}

#[test]
fn cb_01_too_few_calls_say_nothing() {
    let mut bench = Bench::new(RATES);
    bench.calls("FFFF");
    assert_eq!((bench.state(), bench.machine.failure_rate()), (Closed, None));
}

#[test]
fn cb_02_opens_exactly_on_the_fifth_call() {
    let mut bench = Bench::new(RATES);
    bench.calls("FFFS");
    assert_eq!(bench.state(), Closed);
    bench.calls("S");
    let opened = bench.machine.take_transitions().pop().expect("opened");
    assert_eq!((opened.to, opened.failure_rate), (Open, Some(0.6)));
}

#[test]
fn cb_03_exactly_at_the_threshold_opens() {
    let mut bench = Bench::new(BreakerPolicy {
        window: 4,
        minimum_calls: 4,
        ..RATES
    });
    bench.calls("FFSS");
    assert_eq!(bench.state(), Open);
}

#[test]
fn cb_04_slow_successes_open_it_with_no_failure_at_all() {
    let mut bench = Bench::new(RATES);
    bench.calls("sssss");
    let opened = bench.machine.take_transitions().pop().expect("opened");
    assert_eq!((opened.to, opened.failure_rate), (Open, Some(0.0)));
    assert!(opened.reason.contains("slow"), "{}", opened.reason);
}

#[test]
fn cb_05_a_slow_failure_counts_once_in_each_rate() {
    let mut bench = Bench::new(RATES);
    bench.calls("fSSSS");
    assert_eq!((bench.state(), bench.machine.failure_rate()), (Closed, Some(0.2)));
    bench.calls("f");
    assert_eq!(bench.machine.failure_rate(), Some(0.2), "the first one slid out");
}

#[test]
fn cb_07_calls_older_than_the_window_are_gone_and_a_clock_that_jumps_back_revives_none() {
    let mut bench = Bench::new(RATES);
    bench.calls("FFFF").wait(Duration::from_secs(61)).calls("S");
    assert_eq!((bench.state(), bench.machine.failure_rate()), (Closed, None));
    bench.now = NONE;
    bench.calls("SSSS");
    assert_eq!(bench.machine.failure_rate(), Some(0.0));
}

#[test]
fn cb_08_refuses_until_the_last_nanosecond_of_the_wait() {
    let mut bench = Bench::new(RATES);
    bench.calls("FFFFF").wait(OPEN_FOR - Duration::from_nanos(1));
    assert_eq!(
        bench.acquire(),
        Err(Refused {
            retry_after: Some(Duration::from_nanos(1))
        })
    );
    assert_eq!(bench.state(), Open);
}

#[test]
fn cb_09_the_first_call_after_the_wait_is_a_probe_and_no_timer_is_needed() {
    let mut bench = Bench::due(RATES);
    assert_eq!(bench.state(), Open);
    assert!(bench.acquire().is_ok());
    assert_eq!((bench.state(), bench.machine.failure_rate()), (HalfOpen, None));
}

#[test]
fn cb_10_of_six_callers_at_once_exactly_four_probe() {
    let mut bench = Bench::due(RATES);
    let admitted = (0..6).filter(|_| bench.acquire().is_ok()).count();
    assert_eq!(admitted, 4);
}

#[test]
fn cb_11_the_second_round_has_exactly_four_again() {
    let mut bench = Bench::due(RATES);
    bench.calls("F").wait(OPEN_FOR);
    let admitted = (0..6).filter(|_| bench.acquire().is_ok()).count();
    assert_eq!(admitted, 4);
}

#[test]
fn cb_12_the_first_failed_probe_opens_it_and_only_all_successes_close_it() {
    let mut bench = Bench::due(RATES);
    bench.calls("SSSF");
    assert_eq!(bench.state(), Open);
    bench.wait(OPEN_FOR).calls("SSS");
    assert_eq!(bench.state(), HalfOpen);
    bench.calls("S");
    assert_eq!(bench.state(), Closed);
}

#[test]
fn cb_13_an_ignored_probe_gives_its_place_back() {
    let mut bench = Bench::due(RATES);
    bench.calls("iiiiiiii");
    assert_eq!(bench.state(), HalfOpen);
    bench.calls("SSSS");
    assert_eq!(bench.state(), Closed);
}

#[test]
fn cb_15_probes_that_never_answer_open_it_again() {
    let mut bench = Bench::due(RATES);
    let _unanswered: Vec<Ticket> = (0..4).map(|_| bench.ticket()).collect();
    bench.wait(RATES.half_open_wait);
    assert!(bench.acquire().is_err());
    assert_eq!(bench.state(), Open);
    bench.wait(OPEN_FOR).calls("SSSS");
    assert_eq!(bench.state(), Closed);
}

#[test]
fn cb_16_a_result_from_before_the_change_counts_for_nothing() {
    let mut bench = Bench::new(RATES);
    let (early, late) = (bench.ticket(), bench.ticket());
    bench.calls("FFFFF");
    bench.end(early, Outcome::Success);
    assert_eq!(bench.state(), Open);
    bench.wait(OPEN_FOR);
    let _probe = bench.ticket();
    bench.end(late, Outcome::Failure);
    assert_eq!(bench.state(), HalfOpen);
}

#[test]
fn cb_18_the_wait_grows_to_its_cap_without_overflow_and_starts_anew_after_a_close() {
    let cap = Duration::from_secs(60);
    let mut bench = Bench::new(BreakerPolicy {
        open_growth: 2,
        open_cap: cap,
        half_open_permits: 1,
        ..RATES
    });
    bench.calls("FFFFF");
    let mut waits = Vec::new();
    for _opening in 0..70 {
        let wait = bench
            .machine
            .take_transitions()
            .pop()
            .and_then(|last| last.open_for)
            .expect("open");
        waits.push(wait.as_secs());
        bench.wait(wait).calls("F");
    }
    assert_eq!(waits[..4], [10, 20, 40, 60]);
    assert_eq!(waits.last(), Some(&60));
    bench.wait(cap).calls("S").calls("FFFFF");
    let last = bench.machine.take_transitions().pop().expect("opened");
    assert_eq!(last.open_for, Some(OPEN_FOR));
}

#[test]
fn cb_19_what_a_person_decided_stays() {
    let mut bench = Bench::new(RATES);
    bench.machine.force_open(bench.now);
    bench.wait(Duration::from_secs(1_000_000));
    assert_eq!(bench.acquire(), Err(Refused { retry_after: None }));
    assert_eq!(bench.state(), ForcedOpen);
    bench.machine.disable(bench.now);
    bench.calls("FFFFFFFFFF");
    assert_eq!((bench.state(), bench.machine.failure_rate()), (Disabled, None));
    bench.machine.reset(bench.now);
    assert_eq!(bench.state(), Closed);
}

#[test]
fn cb_20_each_change_is_told_once_in_order_and_none_to_itself() {
    let mut bench = Bench::due(RATES);
    bench.calls("F").wait(OPEN_FOR).calls("SSSS");
    bench.machine.reset(bench.now);
    let told = bench.machine.take_transitions();
    let steps: Vec<_> = told
        .iter()
        .map(|change| (change.sequence, change.from, change.to))
        .collect();
    let expected = [
        (1, Closed, Open),
        (2, Open, HalfOpen),
        (3, HalfOpen, Open),
        (4, Open, HalfOpen),
        (5, HalfOpen, Closed),
    ];
    assert_eq!(steps, expected);
    assert!(bench.machine.take_transitions().is_empty());
}

#[test]
fn cb_22_a_refusal_carries_the_time_left() {
    let mut bench = Bench::new(RATES);
    bench.calls("FFFFF").wait(Duration::from_secs(3));
    assert_eq!(
        bench.acquire(),
        Err(Refused {
            retry_after: Some(Duration::from_secs(7))
        })
    );
}

#[test]
fn consecutive_failures_open_it_before_any_rate_can_tell() {
    let mut bench = Bench::new(BreakerPolicy {
        consecutive_failures: 3,
        window: 20,
        minimum_calls: 10,
        ..RATES
    });
    bench.calls("FFSFF");
    assert_eq!(bench.state(), Closed);
    bench.calls("F");
    assert_eq!(bench.state(), Open);
}

fn shared(name: &str, policy: BreakerPolicy) -> Breaker {
    Breaker::new(name, name, policy, StateEvents::discard())
}

fn fail(breaker: &Breaker, times: usize) {
    for _ in 0..times {
        breaker.acquire().expect("admitted").done(Outcome::Failure);
    }
}

#[tokio::test]
async fn cb_14_a_dropped_call_gives_its_place_back_and_counts_for_nothing() {
    let breaker = shared(
        "payments",
        BreakerPolicy {
            open_for: NONE,
            half_open_permits: 1,
            ..RATES
        },
    );
    fail(&breaker, 5);
    for _ in 0..10 {
        let inner = breaker.clone();
        let call = async move {
            let _permit = inner.acquire().expect("admitted");
            std::future::pending::<()>().await;
        };
        // Polled once, so that the permit is out, then dropped.
        assert!(futures_util::future::FutureExt::now_or_never(call).is_none());
    }
    assert_eq!(breaker.state(), HalfOpen);
    breaker.acquire().expect("admitted").done(Outcome::Success);
    assert_eq!(breaker.state(), Closed);
}

#[test]
fn cb_17_a_panic_counts_as_a_failure_and_poisons_nothing() {
    let breaker = shared(
        "payments",
        BreakerPolicy {
            consecutive_failures: 1,
            ..RATES
        },
    );
    let inner = breaker.clone();
    let call = std::thread::spawn(move || {
        let _permit = inner.acquire().expect("admitted");
        panic!("the callee panics on purpose");
    });
    assert!(call.join().is_err(), "the panic is passed on");
    assert_eq!(breaker.state(), Open);
    assert!(breaker.acquire().is_err());
}

#[test]
fn cb_21_many_threads_at_once_lose_no_count() {
    // Never opens: the point is the bookkeeping under contention.
    let policy = BreakerPolicy {
        window: 64 * 2_000,
        minimum_calls: 1,
        rate: 1.1,
        ..RATES
    };
    let breaker = shared("payments", policy);
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let breaker = &breaker;
            scope.spawn(move || {
                for call in 0..2_000 {
                    let outcome = if (thread + call) % 4 == 0 {
                        Outcome::Failure
                    } else {
                        Outcome::Success
                    };
                    breaker.acquire().expect("admitted").done(outcome);
                }
            });
        }
    });
    assert_eq!(breaker.failure_rate(), Some(0.25));
}

#[test]
fn cb_25_one_open_breaker_does_not_touch_another() {
    let (payments, inventory) = (shared("payments", RATES), shared("inventory", RATES));
    fail(&payments, 5);
    assert_eq!((payments.state(), inventory.state()), (Open, Closed));
    assert!(inventory.acquire().is_ok());
}
