//! Payments is down: customers still browse, orders are accepted or undone, and all heals.

use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::{FaultKind, FaultStrength};
use tokio::time::{Instant, sleep};

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::fates::Fate;
use crate::lab::load::{Books, Load};
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "payments-down",
    title: "payments is down: browsing goes on, orders are undone, nothing is lost",
    look_at: &[
        "the breaker orders → payments opens, and closes again after the fault",
        "orders are compensated; the catalogue answers as before",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const LOAD: Duration = Duration::from_secs(16);
const DOWN: u64 = 8;
const GRACE: Duration = Duration::from_secs(40);
const BROWSE_EVERY: Duration = Duration::from_millis(50);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Arc::new(Cluster::start(options).await?);
    let load = Load {
        seed: options.seed,
        flow: "event_sourced",
        per_second: options.rate,
        duration: LOAD,
    };
    let trouble = async {
        sleep(LOAD / 4).await;
        let all = FaultStrength {
            percent: Some(100),
            ..FaultStrength::default()
        };
        cluster.arm("payments", FaultKind::ErrorRate, all, DOWN).await
    };
    let (wishes, (browsed, refused), opened, trouble) =
        tokio::join!(load.run(&cluster), browse(&cluster), breaker_opens(&cluster), trouble);
    trouble?;
    let wishes = wishes?;
    let books = Books::settled(&cluster, &wishes, GRACE).await?;
    let of = |fate| books.fates.of(fate);
    report.tables.push(Table {
        title: format!(
            "{} orders/s for {} s, payments fails every call for {DOWN} s",
            options.rate,
            LOAD.as_secs()
        ),
        columns: vec!["pages browsed", "of them failed", "fulfilled", "undone", "wrong"],
        rows: vec![vec![
            browsed.to_string(),
            refused.to_string(),
            of(Fate::Fulfilled).to_string(),
            of(Fate::Refused).to_string(),
            books.wrong().to_string(),
        ]],
    });
    report.finding(
        browsed > 0 && refused == 0,
        format!("{refused} of {browsed} pages failed while payments was down"),
    );
    report.finding(opened, "the breaker in front of payments opened");
    report.finding(
        of(Fate::Refused) > 0,
        format!("{} orders were undone", of(Fate::Refused)),
    );
    report.finding(
        of(Fate::Fulfilled) > 0,
        format!("{} orders were fulfilled", of(Fate::Fulfilled)),
    );
    report.finding(books.wrong() == 0, books.wrongs());
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await?;
    }
    Ok(())
}

/// Looks at the assortment through the front door all the time; how often, and how often in vain.
async fn browse(cluster: &Cluster) -> (u32, u32) {
    let (mut looked, mut failed, began) = (0, 0, Instant::now());
    while began.elapsed() < LOAD {
        let page = cluster.get("gateway", "/api/v1/products").await;
        looked += 1;
        failed += u32::from(!page.is_ok_and(|page| page.is_success()));
        sleep(BROWSE_EVERY).await;
    }
    (looked, failed)
}

async fn breaker_opens(cluster: &Cluster) -> bool {
    Cluster::until("the breaker opens", LOAD, || async {
        let breakers = cluster.api().breakers().await.ok()?.items;
        breakers
            .into_iter()
            .any(|breaker| {
                breaker.target.as_deref() == Some("payments")
                    && breaker.state == Some(sagascope_conventions::BreakerState::Open)
            })
            .then_some(())
    })
    .await
    .is_ok()
}
