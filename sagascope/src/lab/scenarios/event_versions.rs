//! An order whose events are in an old form is read as if they were new, and is copied into the newest form.

use std::time::Duration;

use serde_json::{Value, json};

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "event-versions",
    title: "event versioning: copy and replace of a stream, with the old one kept and marked",
    look_at: &[
        "the history of the old order stays, with the event that says what took its place",
        "the new stream holds the same order in the newest forms of its events",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const SOON: Duration = Duration::from_secs(30);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Cluster::start(options).await?;
    let wish = json!({ "customer_id": "lab", "items": [{ "product_id": "product-1", "quantity": 2 }] });
    let placed = cluster
        .post("orders", "/api/v1/orders", &wish, Some("lab-versions"))
        .await?;
    anyhow::ensure!(placed.is_success(), "orders answers {}: {}", placed.status, placed.body);
    let old = placed.body["order_id"].as_str().unwrap_or_default().to_owned();
    let before = ended(&cluster, &old).await?;
    let new = format!("{old}-v2");
    let replaced = cluster
        .post(
            "orders",
            &format!("/api/v1/orders/{old}/replace"),
            &json!({ "new_id": new }),
            None,
        )
        .await?;
    anyhow::ensure!(
        replaced.is_success(),
        "orders answers {}: {}",
        replaced.status,
        replaced.body
    );
    let after = ended(&cluster, &new).await?;
    let (old_events, new_events) = (history(&cluster, &old).await?, history(&cluster, &new).await?);
    let rows = new_events.iter().map(|event| {
        let text = |field: &str| {
            event[field]
                .as_str()
                .map_or_else(|| event[field].to_string(), str::to_owned)
        };
        vec![text("version"), text("event_type"), text("stored_schema_version")]
    });
    report.tables.push(Table {
        title: format!("the new stream, event by event ({} in the old one)", old_events.len()),
        columns: vec!["version", "event", "form"],
        rows: rows.collect(),
    });
    report.finding(
        before["total_minor"] == after["total_minor"],
        format!("the total is the same: {}", after["total_minor"]),
    );
    report.finding(before["items"] == after["items"], "the items are the same");
    report.finding(
        old_events.len() > new_events.len(),
        "the old stream is kept, with one event more that marks it",
    );
    cluster.stop().await
}

async fn ended(cluster: &Cluster, id: &str) -> anyhow::Result<Value> {
    Cluster::until("the order has ended", SOON, || async {
        let order = cluster.read("orders", &format!("/api/v1/orders/{id}")).await.ok()?;
        matches!(order["status"].as_str(), Some("confirmed" | "cancelled")).then_some(order)
    })
    .await
}

async fn history(cluster: &Cluster, id: &str) -> anyhow::Result<Vec<Value>> {
    let history = cluster.read("orders", &format!("/api/v1/orders/{id}/history")).await?;
    Ok(history["items"].as_array().cloned().unwrap_or_default())
}
