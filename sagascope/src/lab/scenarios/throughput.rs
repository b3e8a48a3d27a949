//! A steady hundred orders a second through the fourth generation, with everything observed.

use std::sync::Arc;
use std::time::Duration;

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::fates::Fate;
use crate::lab::figures::{millis, percentile};
use crate::lab::load::{Books, Load, Wish};
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "throughput",
    title: "a hundred orders a second through the event-sourced generation, everything observed",
    look_at: &[
        "command: the customer waits for one commit only, whatever the saga has to do",
        "read model: how far it is behind the event store while orders pour in",
        "fulfilled/s: keeps up with what is asked, or the sagas under way grow (`sagascope sagas`)",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

/// Orders a second, unless more are asked for.
const RATE: f64 = 100.0;
const COMMAND_P99: Duration = Duration::from_millis(100);
const READ_MODEL_LAG_P99: Duration = Duration::from_millis(500);
/// An order that has not ended so long after the load is stuck.
const GRACE: Duration = Duration::from_secs(30);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Arc::new(Cluster::start(options).await?);
    let load = Load {
        seed: options.seed,
        flow: "event_sourced",
        per_second: options.rate.max(RATE),
        duration: Duration::from_secs(options.seconds),
    };
    let wishes = load.run(&cluster).await?;
    let in_time = Books::read(&cluster, &wishes).await?.fates.of(Fate::Fulfilled);
    let books = Books::settled(&cluster, &wishes, GRACE).await?;

    let of = |figure: fn(&Wish) -> Option<Duration>| -> Vec<Duration> { wishes.iter().filter_map(figure).collect() };
    let mut command = of(|wish| wish.answered_after);
    let mut window = of(|wish| wish.visible_after);
    let mut lag = of(|wish| wish.read_model_lag);
    let fulfilled_per_second = f64::from(in_time) / load.duration.as_secs_f64();
    let (command_p99, lag_p99) = (percentile(&mut command, 99), percentile(&mut lag, 99));
    report.tables.push(Table {
        title: format!(
            "{} orders/s for {} s on {} cores",
            load.per_second,
            options.seconds,
            std::thread::available_parallelism().map_or(1, usize::from)
        ),
        columns: vec![
            "fulfilled/s",
            "command p50",
            "p99",
            "window p50",
            "p99",
            "read model p50",
            "p99",
            "refused",
            "wrong",
        ],
        rows: vec![vec![
            format!("{fulfilled_per_second:.1}"),
            millis(percentile(&mut command, 50)),
            millis(command_p99),
            millis(percentile(&mut window, 50)),
            millis(percentile(&mut window, 99)),
            millis(percentile(&mut lag, 50)),
            millis(lag_p99),
            books.fates.of(Fate::Refused).to_string(),
            books.wrong().to_string(),
        ]],
    });
    report.finding(
        fulfilled_per_second >= 0.95 * load.per_second,
        format!(
            "{fulfilled_per_second:.1} orders/s were fulfilled while {} were asked for",
            load.per_second
        ),
    );
    report.finding(
        command_p99.is_some_and(|p99| p99 <= COMMAND_P99),
        format!("99 of 100 commands were answered within {}", millis(command_p99)),
    );
    report.finding(
        lag_p99.is_some_and(|p99| p99 <= READ_MODEL_LAG_P99),
        format!("99 of 100 ends were in the read model within {}", millis(lag_p99)),
    );
    report.finding(books.wrong() == 0, books.wrongs());
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await?;
    }
    Ok(())
}
