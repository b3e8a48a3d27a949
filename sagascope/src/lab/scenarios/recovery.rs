//! A thousand orders are under way when the orders service is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use sagascope_conventions::{FaultKind, FaultStrength};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::figures::millis;
use crate::lab::load;
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "recovery",
    title: "a thousand sagas under way, and their orchestrator is killed",
    look_at: &[
        "the sagas stand still with their service, and go on with it: none starts again from the beginning",
        "recovery: from the kill until the last of them has ended",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const FLOW: &str = "event_sourced";
/// Sagas that shall be under way.
const UNDER_WAY: u64 = 1_000;
/// Orders placed at most: a machine that fulfils them faster than they come is not to be waited for.
const AT_MOST: u32 = 5_000;
const CLIENTS: u32 = 32;
const RECOVERY: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Arc::new(Cluster::start(options).await?);
    let placed = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(order_on(
            Arc::clone(&cluster),
            options.seed,
            client,
            Arc::clone(&placed),
        ));
    }
    let before = Cluster::until("so many sagas are under way", PATIENCE, || async {
        let books = Books::read(&cluster).await.ok()?;
        (books.under_way >= UNDER_WAY || placed.load(Ordering::Relaxed) >= AT_MOST).then_some(books)
    })
    .await?;
    clients.shutdown().await;

    let killed = Instant::now();
    let none = FaultStrength::default();
    cluster.arm("orders", FaultKind::Crash, none, 5).await?;
    Cluster::until("orders is gone", PATIENCE, || async {
        let gone = cluster.get("orders", "/healthz").await.is_err();
        gone.then_some(())
    })
    .await?;
    let found = Cluster::until("orders is back", PATIENCE, || async {
        Books::read(&cluster).await.ok()
    })
    .await?;
    let back = killed.elapsed();
    let after = Cluster::until("every saga has ended", PATIENCE, || async {
        let books = Books::read(&cluster).await.ok()?;
        (books.under_way == 0).then_some(books)
    })
    .await?;
    let recovery = killed.elapsed();
    report.tables.push(Table {
        title: format!("orders killed with {} sagas under way", before.under_way),
        columns: vec![
            "under way",
            "when back",
            "back after",
            "all ended after",
            "fulfilled",
            "compensated",
        ],
        rows: vec![vec![
            before.under_way.to_string(),
            found.under_way.to_string(),
            millis(Some(back)),
            millis(Some(recovery)),
            after.completed.to_string(),
            after.compensated.to_string(),
        ]],
    });
    report.finding(
        before.under_way >= UNDER_WAY,
        format!("{} sagas were under way when orders was killed", before.under_way),
    );
    report.finding(
        recovery <= RECOVERY,
        format!("all of them had ended {} after the kill", millis(Some(recovery))),
    );
    report.finding(
        after.agrees && after.failed == 0,
        format!("orders and sagas agree; {} sagas need an operator", after.failed),
    );
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await?;
    }
    Ok(())
}

/// One client that orders and orders until enough were placed.
async fn order_on(cluster: Arc<Cluster>, seed: u64, client: u32, placed: Arc<AtomicU32>) {
    let mut dice = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(u64::from(client)));
    loop {
        let n = placed.fetch_add(1, Ordering::Relaxed);
        if n >= AT_MOST {
            return;
        }
        let customer = format!("lab-recovery-{n}");
        let order = load::wish(&mut dice, &customer, FLOW);
        // An answer that does not come is a wish less: what counts is what orders has written down.
        drop(cluster.post("orders", "/api/v1/orders", &order, Some(&customer)).await);
    }
}

/// What orders itself says of its sagas.
struct Books {
    under_way: u64,
    completed: u64,
    compensated: u64,
    failed: u64,
    agrees: bool,
}

impl Books {
    async fn read(cluster: &Cluster) -> anyhow::Result<Self> {
        let audit = cluster.read("orders", "/api/v1/audit").await?;
        let of = |state: &str| audit["sagas"][state].as_u64().unwrap_or(0);
        let (completed, compensated, failed) = (of("completed"), of("compensated"), of("failed"));
        let all: u64 = audit["sagas"]
            .as_object()
            .into_iter()
            .flat_map(|states| states.values())
            .filter_map(Value::as_u64)
            .sum();
        Ok(Self {
            under_way: all.saturating_sub(completed + compensated + failed),
            completed,
            compensated,
            failed,
            agrees: audit["agrees"] == true,
        })
    }
}
