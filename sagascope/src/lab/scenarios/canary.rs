//! A second version of payments gets a tenth of the orders, falls sick, is rolled back, and is promoted when it is well.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::{FaultKind, FaultStrength, FaultTarget};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::Scenario;
use crate::cli::LabOptions;
use crate::lab::cluster::Cluster;
use crate::lab::fates::Fate;
use crate::lab::load::{Books, Load, Wish};
use crate::lab::report::{Report, Table};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "canary",
    title: "a canary of payments v2: a tenth of the orders, rolled back when sick, promoted when well",
    look_at: &[
        "services: payments has two instances; breakers: payments@2.0.0 of orders is v2's own",
        "metrics: canary.share falls from 10 to 0 by itself, and later climbs 5, 25, 50, 100",
        "only orders of the canary's share can suffer, and none is lost or charged twice",
    ],
    run: |options, report| Box::pin(run(options, report)),
};

const RULE: &str = "/api/v1/canaries/payments";
const VERSION: &str = "2.0.0";
/// Orders a second below which a tenth of them says nothing.
const LEAST_RATE: f64 = 20.0;
const LOAD: Duration = Duration::from_secs(90);
/// How long v2 is well on its tenth.
const WELL: Duration = Duration::from_secs(25);
/// From the roll-back to the second trial: longer than a breaker stays open.
const REST: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(40);
/// Share of the canary at first, and how far the measured one may be off, in percentage points.
const SHARE: u8 = 10;
const OFF: f64 = 5.0;
/// Calls of v2 on each step, and before it is judged at all.
const CALLS: u64 = 5;

async fn run(options: &LabOptions, report: &mut Report) -> anyhow::Result<()> {
    let cluster = Arc::new(Cluster::start_with(options, &["--canary"]).await?);
    let instance = instance(&cluster).await?;
    set(
        &cluster,
        json!({ "version": VERSION, "percent": SHARE, "min_calls": CALLS }),
    )
    .await?;
    // Callers have heard of it within two seconds.
    sleep(Duration::from_secs(3)).await;
    let load = Load {
        seed: options.seed,
        flow: "event_sourced",
        per_second: options.rate.max(LEAST_RATE),
        duration: LOAD,
    };
    let (wishes, story) = tokio::join!(load.run(&cluster), story(&cluster, instance));
    let (wishes, story) = (wishes?, story?);
    let books = Books::settled(&cluster, &wishes, GRACE).await?;
    let ends = cluster.read("registry", RULE).await?;
    tell(report, &cluster, &load, &wishes, &story).await?;
    conclude(report, &story, &ends, &books);
    if let Ok(cluster) = Arc::try_unwrap(cluster) {
        cluster.stop().await?;
    }
    Ok(())
}

/// What happened, in times since the load began and in calls as the registry was told.
struct Story {
    sick_at: Duration,
    rolled_back_at: Duration,
    well_at: Duration,
    promoted_at: Duration,
    reason: String,
    /// On its tenth while it was well.
    tenth: Calls,
    /// Of it until it was rolled back.
    sick: Calls,
    /// Between the roll-back and the second trial.
    rest: Calls,
    /// From the second trial to the end.
    second: Calls,
}

/// Calls of both versions.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    stable: u64,
    canary: u64,
    canary_errors: u64,
}

impl Calls {
    async fn so_far(cluster: &Cluster) -> anyhow::Result<Self> {
        let rule = cluster.read("registry", RULE).await?;
        let total = |track: &str, what: &str| rule["total"][track][what].as_u64().unwrap_or_default();
        Ok(Self {
            stable: total("stable", "calls"),
            canary: total("canary", "calls"),
            canary_errors: total("canary", "errors"),
        })
    }

    const fn since(self, before: Self) -> Self {
        Self {
            stable: self.stable - before.stable,
            canary: self.canary - before.canary,
            canary_errors: self.canary_errors - before.canary_errors,
        }
    }

    fn share_percent(self) -> f64 {
        100.0 * self.canary as f64 / (self.stable + self.canary).max(1) as f64
    }
}

async fn story(cluster: &Cluster, instance: String) -> anyhow::Result<Story> {
    let began = Instant::now();
    sleep_until(began + WELL).await;
    let tenth = Calls::so_far(cluster).await?;
    let sick_at = began.elapsed();
    let target = FaultTarget {
        service: "payments".to_owned(),
        operation: None,
        instance: Some(instance),
    };
    let all = FaultStrength {
        percent: Some(100),
        ..FaultStrength::default()
    };
    cluster
        .arm_target(target, FaultKind::ErrorRate, all, LOAD.as_secs())
        .await?;
    cluster.tell("payments 2.0.0 fails every call");
    let rule = until_state(cluster, "rolled_back").await?;
    cluster.tell("it is rolled back");
    let rolled_back_at = began.elapsed();
    // Callers that have not heard of it yet still send to v2, for a moment.
    sleep(Duration::from_secs(3)).await;
    let sick = Calls::so_far(cluster).await?;
    sleep_until(began + rolled_back_at + REST).await;
    let rest = Calls::so_far(cluster).await?;
    cluster.heal().await?;
    let well_at = began.elapsed();
    let again = json!({ "version": VERSION, "percent": 5, "min_calls": CALLS, "promote_after_calls": CALLS });
    set(cluster, again).await?;
    cluster.tell("it is well, and climbs by itself");
    until_state(cluster, "promoted").await?;
    cluster.tell("it is promoted");
    let promoted_at = began.elapsed();
    sleep_until(began + LOAD).await;
    let end = Calls::so_far(cluster).await?;
    Ok(Story {
        sick_at,
        rolled_back_at,
        well_at,
        promoted_at,
        reason: rule["reason"].as_str().unwrap_or_default().to_owned(),
        tenth,
        sick: sick.since(tenth),
        rest: rest.since(sick),
        second: end.since(rest),
    })
}

/// A row for each part of the story; parts meet where v2 fell sick, and where it was given its second trial.
async fn tell(
    report: &mut Report,
    cluster: &Cluster,
    load: &Load,
    wishes: &[Wish],
    story: &Story,
) -> anyhow::Result<()> {
    let seconds = |from: Duration, to: Duration| from.as_secs_f64()..to.as_secs_f64();
    let parts = [
        ("10 %, v2 is well", seconds(Duration::ZERO, story.sick_at), story.tenth),
        (
            "10 %, v2 fails every call",
            seconds(story.sick_at, story.rolled_back_at),
            story.sick,
        ),
        (
            "rolled back, v2 still fails",
            seconds(story.rolled_back_at, story.well_at),
            story.rest,
        ),
        (
            "5 → 100 %, v2 is well again",
            seconds(story.well_at, LOAD),
            story.second,
        ),
    ];
    let mut rows = Vec::new();
    for (what, when, calls) in parts {
        let fates = Books::read(cluster, &placed(wishes, load, &when)).await?.fates;
        let of = |fate| fates.of(fate).to_string();
        rows.push(vec![
            what.to_owned(),
            format!("{:.0} s", when.end - when.start),
            (calls.stable + calls.canary).to_string(),
            format!("{:.1} %", calls.share_percent()),
            calls.canary_errors.to_string(),
            of(Fate::Fulfilled),
            of(Fate::Refused),
            fates.wrong().to_string(),
        ]);
    }
    report.tables.push(Table {
        title: format!(
            "{} orders/s for {} s, one after the other",
            load.per_second,
            LOAD.as_secs()
        ),
        columns: vec![
            "payments",
            "for",
            "calls",
            "of them v2",
            "v2 failed",
            "fulfilled",
            "undone",
            "wrong",
        ],
        rows,
    });
    Ok(())
}

fn conclude(report: &mut Report, story: &Story, ends: &Value, books: &Books) {
    let share = story.tenth.share_percent();
    report.finding(
        (share - f64::from(SHARE)).abs() <= OFF,
        format!("v2 had {share:.1} % of the calls when it was to have {SHARE} %"),
    );
    let time = story.rolled_back_at.saturating_sub(story.sick_at);
    report.finding(
        story.sick.canary_errors > 0,
        format!(
            "v2 was rolled back {:.1} s after it fell sick, by itself: {}",
            time.as_secs_f64(),
            story.reason
        ),
    );
    report.finding(
        story.rest.canary == 0 && story.rest.stable > 0,
        format!(
            "rolled back, it had {} of {} calls",
            story.rest.canary,
            story.rest.stable + story.rest.canary
        ),
    );
    let steps = steps(ends);
    report.finding(
        steps.ends_with(&[5, 25, 50, 100]) && ends["state"] == "promoted",
        format!(
            "well again, it climbed {steps:?} % in {:.1} s",
            story.promoted_at.saturating_sub(story.well_at).as_secs_f64()
        ),
    );
    report.finding(books.wrong() == 0, books.wrongs());
}

/// Shares one after the other.
fn steps(rule: &Value) -> Vec<u64> {
    let history = rule["history"].as_array().into_iter().flatten();
    history.filter_map(|change| change["percent"].as_u64()).collect()
}

/// Wishes that were placed within these seconds of the load.
fn placed(wishes: &[Wish], load: &Load, when: &Range<f64>) -> Vec<Wish> {
    let number = |wish: &Wish| wish.customer.rsplit('-').next()?.parse::<u32>().ok();
    let is_then = |wish: &&Wish| number(wish).is_some_and(|n| when.contains(&(f64::from(n) / load.per_second)));
    wishes.iter().filter(is_then).cloned().collect()
}

async fn set(cluster: &Cluster, rule: Value) -> anyhow::Result<()> {
    let reply = cluster.put("registry", RULE, &rule).await?;
    anyhow::ensure!(
        reply.is_success(),
        "the registry answers {}: {}",
        reply.status,
        reply.body
    );
    Ok(())
}

async fn until_state(cluster: &Cluster, state: &str) -> anyhow::Result<Value> {
    Cluster::until(&format!("v2 is {state}"), SOON, || async {
        let rule = cluster.read("registry", RULE).await.ok()?;
        (rule["state"] == state).then_some(rule)
    })
    .await
}

/// `service.instance.id` of v2, once it is well.
async fn instance(cluster: &Cluster) -> anyhow::Result<String> {
    Cluster::until("payments 2.0.0 is well", SOON, || async {
        let service = cluster.read("registry", "/api/v1/registry/payments").await.ok()?;
        let all = service["instances"].as_array()?;
        let canary = all.iter().find(|instance| instance["version"] == VERSION)?;
        canary["instance"].as_str().map(str::to_owned)
    })
    .await
}
