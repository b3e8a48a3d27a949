//! An order is committed and its message is to be published: with the broker away for a moment, with and without outbox.

use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::{FaultKind, FaultStrength};
use tokio::time::sleep;

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::fates::Fate;
use crate::lab::load::{Books, Load};
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "dual-write",
    title: "commit, then publish: what a broker that is away loses without an outbox, and not with one",
    look_at: &[
        "without outbox an order stands whose message never came: it is stuck or lost for ever",
        "with the outbox the message waits in the same database as the order: see the outbox backlog grow and drain",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const LOAD: Duration = Duration::from_secs(25);
/// The breakers towards the broker stay open for ten seconds more: the load has to outlast them.
const BROKER_AWAY: u64 = 3;
const GRACE: Duration = Duration::from_secs(20);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let without = measure(options, "broker").await?;
    let with = measure(options, "hardened").await?;
    let row = |name: &str, books: &Books| {
        let of = |fate| books.fates.of(fate).to_string();
        vec![
            name.to_owned(),
            of(Fate::Fulfilled),
            of(Fate::Refused),
            of(Fate::Lost),
            of(Fate::Stuck),
        ]
    };
    report.tables.push(Table {
        title: format!(
            "{} orders/s for {} s, the broker away for {BROKER_AWAY} s",
            options.rate,
            LOAD.as_secs()
        ),
        columns: vec!["", "fulfilled", "refused", "lost", "stuck"],
        rows: vec![row("without outbox", &without), row("with outbox", &with)],
    });
    let lost = without.fates.of(Fate::Lost) + without.fates.of(Fate::Stuck);
    report.finding(lost > 0, format!("without outbox {lost} orders lost their message"));
    report.finding(with.wrong() == 0, format!("with outbox {}", with.wrongs()));
    report.finding(
        with.fates.of(Fate::Fulfilled) > 0,
        format!("with outbox {} orders were fulfilled", with.fates.of(Fate::Fulfilled)),
    );
    Ok(())
}

async fn measure(options: &LabOptions, flow: &'static str) -> anyhow::Result<Books> {
    let cluster = Arc::new(Cluster::start(options).await?);
    let load = Load {
        seed: options.seed,
        flow,
        per_second: options.rate,
        duration: LOAD,
    };
    let trouble = async {
        sleep(LOAD / 5).await;
        let all = FaultStrength {
            percent: Some(100),
            ..FaultStrength::default()
        };
        cluster.arm("broker", FaultKind::ErrorRate, all, BROKER_AWAY).await
    };
    let (wishes, trouble) = tokio::join!(load.run(&cluster), trouble);
    trouble?;
    let wishes = wishes?;
    let books = Books::settled(&cluster, &wishes, GRACE).await?;
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await?;
    }
    Ok(books)
}
