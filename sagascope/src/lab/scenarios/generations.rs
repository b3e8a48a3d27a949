//! The same orders through every generation of the order saga, under the same seed, load and faults.

use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::{FaultKind, FaultStrength};
use tokio::time::{Instant, sleep_until};

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::fates::Fate;
use crate::lab::figures::{millis, percentile};
use crate::lab::load::{Books, Load, Wish};
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "generations",
    title: "four generations of the order saga and the choreographed one, compared by measurement",
    look_at: &[
        "command: how long the customer waits; the first generation makes it wait for every step",
        "window: how long after the answer the read model shows the end of the order",
        "lost, duplicated, stuck, money wrong: what a crash of orders and a failing payments leave behind",
        "recovery: from the crash until the next order ended",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

/// Name of the flow, and what it promises to survive.
const FLOWS: [(&str, &str, bool); 5] = [
    ("sync", "1 synchronous HTTP", false),
    ("broker", "2 over the broker", false),
    ("hardened", "3 key, breaker, outbox", true),
    ("event_sourced", "4 event-sourced, CQRS", true),
    ("choreographed", "choreographed", true),
];
/// Payments refuses this share of calls for a while, from a quarter of the load on.
const PAYMENTS_FAIL_PERCENT: u8 = 30;
/// An order that has not ended so long after the load is stuck.
const GRACE: Duration = Duration::from_secs(30);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (flow, name, survives) in FLOWS {
        let measured = measure(options, flow).await?;
        let wrong = measured.books.wrong();
        if survives {
            report.finding(wrong == 0, format!("{name}: {}", measured.books.wrongs()));
        }
        report.finding(
            measured.books.fates.of(Fate::Fulfilled) > 0,
            format!(
                "{name}: orders were fulfilled ({})",
                measured.books.fates.of(Fate::Fulfilled)
            ),
        );
        rows.push(measured.row(name));
    }
    report.tables.push(Table {
        title: format!(
            "{} orders/s for {} s; payments fails {PAYMENTS_FAIL_PERCENT} % of calls for a quarter of it, then orders crashes",
            options.rate, options.seconds
        ),
        columns: vec![
            "generation", "fulfilled/s", "command p50", "p95", "p99", "window p50", "p99", "lost", "duplicated", "stuck",
            "money wrong", "recovery",
        ],
        rows,
    });
    Ok(())
}

struct Measured {
    wishes: Vec<Wish>,
    books: Books,
    seconds: f64,
    recovery: Option<Duration>,
}

impl Measured {
    fn row(mut self, name: &str) -> Vec<String> {
        let mut command: Vec<Duration> = self.wishes.iter().filter_map(|wish| wish.answered_after).collect();
        let mut window: Vec<Duration> = self.wishes.iter_mut().filter_map(|wish| wish.visible_after).collect();
        let fates = &self.books.fates;
        let money = fates.of(Fate::MoneyWrong) as usize + self.books.orphaned_payments;
        vec![
            name.to_owned(),
            format!("{:.1}", f64::from(fates.of(Fate::Fulfilled)) / self.seconds),
            millis(percentile(&mut command, 50)),
            millis(percentile(&mut command, 95)),
            millis(percentile(&mut command, 99)),
            millis(percentile(&mut window, 50)),
            millis(percentile(&mut window, 99)),
            fates.of(Fate::Lost).to_string(),
            fates.of(Fate::Duplicated).to_string(),
            fates.of(Fate::Stuck).to_string(),
            money.to_string(),
            millis(self.recovery),
        ]
    }
}

async fn measure(options: &LabOptions, flow: &'static str) -> anyhow::Result<Measured> {
    let cluster = Arc::new(Cluster::start(options).await?);
    let load = Load {
        seed: options.seed,
        flow,
        per_second: options.rate,
        duration: Duration::from_secs(options.seconds),
    };
    let began = Instant::now();
    let crash_at = load.duration / 4 * 3;
    let (wishes, trouble) = tokio::join!(load.run(&cluster), trouble(&cluster, began, load.duration, crash_at));
    trouble?;
    let wishes = wishes?;
    cluster.heal().await?;
    let seconds = began.elapsed().as_secs_f64();
    let books = Books::settled(&cluster, &wishes, GRACE).await?;
    let recovery = wishes
        .iter()
        .filter_map(|wish| wish.ended_at)
        .filter_map(|ended| ended.checked_sub(crash_at))
        .min();
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await?;
    }
    Ok(Measured {
        wishes,
        books,
        seconds,
        recovery,
    })
}

/// A failing payments for the second quarter, a crash of orders at the end of the third.
async fn trouble(cluster: &Cluster, began: Instant, load: Duration, crash_at: Duration) -> anyhow::Result<()> {
    sleep_until(began + load / 4).await;
    let share = FaultStrength {
        percent: Some(PAYMENTS_FAIL_PERCENT),
        ..FaultStrength::default()
    };
    let quarter = (load / 4).as_secs().max(1);
    cluster.arm("payments", FaultKind::ErrorRate, share, quarter).await?;
    sleep_until(began + crash_at).await;
    cluster
        .arm("orders", FaultKind::Crash, FaultStrength::default(), 5)
        .await
}
