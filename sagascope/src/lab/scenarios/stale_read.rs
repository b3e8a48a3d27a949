//! A read model is behind: a plain read is stale, one that names its write waits or says so.

use std::time::Duration;

use sagascope_conventions::{FaultKind, FaultStrength};
use serde_json::json;
use tokio::time::Instant;

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::figures::millis;
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "stale-read",
    title: "the stale read, and reading one's own write by its position",
    look_at: &[
        "the read model orders/summary stands still while its lag grows",
        "a read with `min_position` is never answered with something older than the write",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const ORDER: &str = "/api/v1/orders/lab-order";
const PAUSE: u64 = 30;

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Cluster::start(options).await?;
    let open = cluster.put("orders", ORDER, &json!({ "customer_id": "lab" })).await?;
    anyhow::ensure!(open.is_success(), "orders answers {}: {}", open.status, open.body);
    let first = position(&open.body)?;
    cluster.read("orders", &format!("{ORDER}?min_position={first}")).await?;

    let none = FaultStrength::default();
    cluster.arm("orders", FaultKind::PausedProjection, none, PAUSE).await?;
    // The fault travels by a stream of its own; a write that is still shown says that it has not arrived.
    let write = json!({ "product_id": "product-1", "quantity": 2 });
    let written = cluster.post("orders", &format!("{ORDER}/items"), &write, None).await?;
    anyhow::ensure!(
        written.is_success(),
        "orders answers {}: {}",
        written.status,
        written.body
    );
    let second = position(&written.body)?;
    let plain = cluster.read("orders", ORDER).await?;
    let is_stale = items(&plain) == 0;
    let strict = cluster.get("orders", &format!("{ORDER}?min_position={second}")).await?;

    let healed = Instant::now();
    cluster.heal().await?;
    let seen = Cluster::until("the write is visible", Duration::from_secs(20), || async {
        let read = cluster
            .get("orders", &format!("{ORDER}?min_position={second}"))
            .await
            .ok()?;
        read.is_success().then_some(read.body)
    })
    .await?;
    report.tables.push(Table {
        title: "one write, read while the read model is paused, and after".into(),
        columns: vec!["plain read", "with min_position", "visible after healing"],
        rows: vec![vec![
            if is_stale { "stale" } else { "fresh" }.into(),
            strict.status.to_string(),
            millis(Some(healed.elapsed())),
        ]],
    });
    report.finding(is_stale, "the plain read showed the order as it was before the write");
    report.finding(
        strict.status == 503,
        format!(
            "the read that named its write was told to come again ({})",
            strict.status
        ),
    );
    report.finding(items(&seen) == 1, "after healing the write was read");
    cluster.stop().await
}

fn items(order: &serde_json::Value) -> usize {
    order["items"].as_array().map_or(0, Vec::len)
}

fn position(written: &serde_json::Value) -> anyhow::Result<u64> {
    written["position"]
        .as_u64()
        .ok_or_else(|| anyhow::anyhow!("the answer tells no position: {written}"))
}
