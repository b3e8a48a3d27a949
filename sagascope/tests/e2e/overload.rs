//! B01 and INV-14: far more than it can take. What is sent is stored or refused, each record once; every refusal says
//! "again later"; memory stays within its bound; afterwards it takes all again.
//!
//! `cargo test --release -p sagascope --test e2e -- --ignored overload --nocapture` runs it for a minute at each rate.

use std::sync::Arc;
use std::time::Duration;

use sagascope_load::{Compression, Goal, Mix, Outcome, Pace, Plan, Protocol, Target};

use crate::support::alone::Alone;
use crate::support::processes;

/// Spans of a request.
const BATCH: u32 = 512;
/// Connections of the overload: together they want more than may be under way.
const CROWD: u32 = 320;
/// Rows in memory, whatever comes.
const MEMORY_CAP: &str = "64MiB";
/// Beyond the rows: requests under way, the picture, what the allocator keeps.
const MEMORY_BOUND: u64 = 1 << 30;
const RECOVERED_WITHIN: Duration = Duration::from_secs(10);

/// All signals, as a shop sends them.
const MIX: Mix = Mix {
    traces: 4,
    logs: 1,
    metrics: 1,
};

fn plan(collector: &Alone, protocol: Protocol, connections: u32, pace: Pace, goal: Goal, first: u64) -> Plan {
    let url = match protocol {
        Protocol::Grpc => collector.grpc(),
        Protocol::Http => collector.otlp(),
    };
    Plan {
        target: Target {
            url,
            protocol,
            compression: Compression::None,
        },
        connections,
        batch: BATCH,
        mix: MIX,
        seed: 1,
        first,
        pace,
        goal,
    }
}

/// Every record is accepted or was refused for now; nothing else happened.
fn check(outcome: &Outcome, what: &str) {
    let total = outcome.account.total();
    let complaint = &outcome.account.complaint;
    assert_eq!(
        total.sent,
        total.accepted + total.pushed_back,
        "{what}: {total:?} {complaint:?}"
    );
}

/// What the collector itself says that it took, and how many requests it refused for now.
async fn told(collector: &Alone) -> (u64, u64) {
    let text = reqwest::get(collector.api("/metrics")).await.expect("an answer");
    let text = text.text().await.expect("text");
    let sum = |mark: &str| {
        let lines = text
            .lines()
            .filter(|line| line.contains(mark) && !line.starts_with('#'));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    };
    (sum("outcome=\"accepted\""), sum("\"pushed_back\""))
}

/// Sends, and sums up what became of it.
struct Sending {
    collector: Alone,
    /// Memory that it must stay below.
    bound: u64,
    next: u64,
    accepted: u64,
    refused_requests: u64,
}

impl Sending {
    async fn send(&mut self, protocol: Protocol, connections: u32, pace: Pace, goal: Goal) -> Outcome {
        let plan = plan(&self.collector, protocol, connections, pace, goal, self.next);
        let outcome = sagascope_load::run(&plan, &Arc::default()).await.expect("connections");
        let what = format!("{protocol:?} over {connections} connections, {pace:?}");
        check(&outcome, &what);
        self.next = outcome.next;
        self.accepted += outcome.account.total().accepted;
        self.refused_requests += outcome.account.pushed_back.count();
        let memory = processes::memory_peak_bytes(self.collector.pid()).expect("/proc");
        eprintln!(
            "{what}: {:.0} records/s accepted, {} pushed back of {}, took {:.1?}, peak memory {} MiB",
            per_second(&outcome),
            outcome.account.total().pushed_back,
            outcome.account.total().sent,
            outcome.took,
            memory >> 20
        );
        assert!(memory < self.bound, "{what}: {} MiB", memory >> 20);
        outcome
    }

    /// Until a request is taken.
    async fn recover(&mut self, protocol: Protocol) {
        let goal = Goal {
            records: Some(1),
            duration: RECOVERED_WITHIN,
        };
        let outcome = self.send(protocol, 1, Pace::Closed, goal).await;
        assert!(
            outcome.account.total().accepted > 0,
            "nothing taken within {RECOVERED_WITHIN:?}"
        );
    }
}

const fn during(duration: Duration) -> Goal {
    Goal {
        records: None,
        duration,
    }
}

fn per_second(outcome: &Outcome) -> f64 {
    outcome.account.total().accepted as f64 / outcome.took.as_secs_f64()
}

/// The peak with a few connections, then so many times as much as that by each protocol; throughput as shares of the peak.
async fn overload(duration: Duration, times: &[f64]) -> Vec<f64> {
    let collector = Alone::start(&["--memory-cap", MEMORY_CAP]);
    overload_of(collector, MEMORY_BOUND, duration, times).await.shares
}

/// What came of an overload.
pub(crate) struct Overloaded {
    /// Throughput as shares of the peak.
    pub(crate) shares: Vec<f64>,
    pub(crate) refused_requests: u64,
    /// It runs still.
    pub(crate) collector: Alone,
}

/// The same of one that must stay below `bound` bytes.
pub(crate) async fn overload_of(mut collector: Alone, bound: u64, duration: Duration, times: &[f64]) -> Overloaded {
    collector.ready().await;
    let mut sending = Sending {
        collector,
        bound,
        next: 0,
        accepted: 0,
        refused_requests: 0,
    };
    let peak = sending
        .send(Protocol::Http, 4, Pace::Closed, during(duration / 2))
        .await;
    let refused = peak.account.total().pushed_back;
    assert_eq!(refused, 0, "who waits for answers is slowed down, not refused");
    let peak = per_second(&peak);
    let mut shares = Vec::new();
    for times in times {
        for protocol in [Protocol::Http, Protocol::Grpc] {
            let pace = Pace::Fixed {
                per_second: peak * times,
            };
            let outcome = sending.send(protocol, CROWD, pace, during(duration)).await;
            shares.push(per_second(&outcome) / peak);
            sending.recover(protocol).await;
        }
    }
    let told = told(&sending.collector).await;
    assert_eq!(
        told,
        (sending.accepted, sending.refused_requests),
        "what it took and what it refused"
    );
    Overloaded {
        shares,
        refused_requests: sending.refused_requests,
        collector: sending.collector,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b01_far_too_much_is_stored_or_refused_and_nothing_is_lost() {
    overload(Duration::from_secs(3), &[4.0]).await;
}

#[ignore = "takes minutes, and wants the machine for itself"]
#[tokio::test(flavor = "multi_thread")]
async fn b01_a_minute_of_overload_costs_no_throughput() {
    let shares = overload(Duration::from_secs(60), &[4.0, 10.0]).await;
    assert!(
        shares.iter().all(|share| *share >= 0.95),
        "shares of the peak: {shares:.2?}"
    );
}
