//! A read model is filled again from the first event: the same answers, and nothing else happens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::load::{Books, Load};
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "rebuild",
    title: "a read model is rebuilt from the first event, without side effects",
    look_at: &[
        "the read model starts at zero and catches up while the shop is open",
        "money, parcels and letters stay as they are: events are read again, not acted on again",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const LOAD: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(30);
const MODELS: [&str; 2] = ["summary", "statistics"];

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Arc::new(Cluster::start(options).await?);
    let load = Load {
        seed: options.seed,
        flow: "event_sourced",
        per_second: options.rate,
        duration: LOAD,
    };
    let wishes = load.run(&cluster).await?;
    Books::settled(&cluster, &wishes, GRACE).await?;
    let (before, effects_before) = (answers(&cluster).await?, effects(&cluster).await?);
    let mut rows = Vec::new();
    for model in MODELS {
        let began = Instant::now();
        let path = format!("/api/v1/read-models/{model}");
        let asked = cluster
            .post("orders", &format!("{path}/rebuild"), &Value::Null, None)
            .await?;
        anyhow::ensure!(asked.is_success(), "orders answers {}: {}", asked.status, asked.body);
        let stands = Cluster::until("the read model is rebuilt", GRACE, || async {
            let stands = cluster.read("orders", &path).await.ok()?;
            (stands["rebuilding"] == false && stands["lag_events"] == 0).then_some(stands)
        })
        .await?;
        rows.push(vec![
            model.to_owned(),
            stands["position"].to_string(),
            format!("{:.1} s", began.elapsed().as_secs_f64()),
        ]);
    }
    report.tables.push(Table {
        title: "read models of orders, rebuilt".into(),
        columns: vec!["read model", "events read", "caught up within"],
        rows,
    });
    let after = answers(&cluster).await?;
    report.finding(
        before != Value::Null && before == after,
        "the read models answer as before",
    );
    let effects_after = effects(&cluster).await?;
    report.finding(
        effects_before == effects_after,
        "no money moved, no parcel was made, no letter was written",
    );
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await?;
    }
    Ok(())
}

/// What the read models say.
async fn answers(cluster: &Cluster) -> anyhow::Result<Value> {
    cluster.read("orders", "/api/v1/statistics").await
}

/// What the rest of the shop has done.
async fn effects(cluster: &Cluster) -> anyhow::Result<[Value; 3]> {
    Ok([
        cluster.read("payments", "/api/v1/ledger").await?,
        cluster.read("shipping", "/api/v1/audit").await?,
        cluster.read("notifications", "/api/v1/audit").await?,
    ])
}
