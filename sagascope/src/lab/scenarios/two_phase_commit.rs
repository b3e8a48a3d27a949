//! The coordinator of a two-phase commit hangs between the votes and the decision: the room is locked meanwhile.

use std::time::Duration;

use sagascope_conventions::{FaultKind, FaultStrength};
use tokio::time::Instant;

use super::Scenario;
use super::booking::{Query, book, end, status};
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "two-phase-commit",
    title: "two-phase commit blocks: the coordinator is silent, and nobody else gets the room",
    look_at: &[
        "hotels, cars and payments have voted yes and are in doubt: they may neither commit nor abort by themselves",
        "a rival for the same room is refused, or waits, although nothing is decided",
        "the lock lasts as long as the coordinator is away; a saga would have released the room by a compensation",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const ROOM: &str = "hotel-3-room-4";
const SILENT: u64 = 8;
const SOON: Duration = Duration::from_secs(10);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Cluster::start(options).await?;
    let all = FaultStrength {
        percent: Some(100),
        ..FaultStrength::default()
    };
    cluster
        .arm_at("booking", Some("2pc.decide"), FaultKind::Hang, all, SILENT)
        .await?;
    let first = book(&cluster, "ada", ROOM, Query::TwoPhase).await?;
    let blocked = Instant::now();
    Cluster::until("the hotel is in doubt", SOON, || async {
        (in_doubt(&cluster).await? > 0).then_some(())
    })
    .await?;
    let rival = book(&cluster, "bob", ROOM, Query::TwoPhase).await?;
    let (mut looks, mut got_it) = (0, 0);
    while in_doubt(&cluster).await.is_some_and(|count| count > 0) && blocked.elapsed() < SOON * 3 {
        looks += 1;
        got_it += u32::from(status(&cluster, &rival).await.as_deref() == Some("confirmed"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let locked = blocked.elapsed();
    let (first_end, rival_end) = (end(&cluster, &first).await?, end(&cluster, &rival).await?);
    Cluster::until("nobody is in doubt", SOON, || async {
        (in_doubt(&cluster).await? == 0).then_some(())
    })
    .await?;
    report.tables.push(Table {
        title: format!("the coordinator hangs for {SILENT} s between votes and decision"),
        columns: vec!["room locked for", "first booking", "rival"],
        rows: vec![vec![
            format!("{:.1} s", locked.as_secs_f64()),
            first_end.clone(),
            rival_end.clone(),
        ]],
    });
    report.finding(looks > 0, format!("the room was locked and in doubt at {looks} looks"));
    report.finding(got_it == 0, "the rival did not get the room while it was in doubt");
    let both = first_end == "confirmed" && rival_end == "confirmed";
    report.finding(!both, "the room was not sold twice");
    report.finding(
        true,
        format!("afterwards: first {first_end}, rival {rival_end}, nobody in doubt"),
    );
    cluster.stop().await
}

/// Transactions that the hotels have voted for and know no decision of.
async fn in_doubt(cluster: &Cluster) -> Option<u64> {
    let doubts = cluster.read("hotels", "/api/v1/in-doubt").await.ok()?;
    doubts["count"].as_u64()
}
