//! Canaries over HTTP: a person sets them, promotes them and rolls them back; callers tell what became of their requests.

use std::collections::BTreeMap;

use ::http::StatusCode;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use shop_kit::clock;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};

use sagascope_conventions::CanaryState as Standing;

use crate::canary::{Canary, Change, Limits, Moment, Outcomes, Tally};
use crate::http::Registry;

/// Services with a canary at once.
const MAX_CANARIES: usize = 64;
/// Most calls that one report, or a limit, can speak of.
const MAX_CALLS: u64 = 1_000_000;

/// Every route.
pub(crate) fn router() -> Router<Registry> {
    Router::new()
        .route("/api/v1/canaries", get(list))
        .route("/api/v1/canaries/{service}", get(show).put(set).delete(remove))
        .route("/api/v1/canaries/{service}/promote", post(promote))
        .route("/api/v1/canaries/{service}/rollback", post(roll_back))
        .route("/api/v1/canaries/{service}/outcomes", post(outcomes))
}

/// Body of `PUT /api/v1/canaries/{service}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    version: String,
    percent: u8,
    #[serde(default = "min_calls")]
    min_calls: u64,
    #[serde(default = "max_excess")]
    max_excess_percent: u8,
    #[serde(default)]
    promote_after_calls: Option<u64>,
}

const fn min_calls() -> u64 {
    20
}

const fn max_excess() -> u8 {
    10
}

impl Rule {
    fn limits(&self) -> Result<Limits, Problem> {
        check_id("version", &self.version)?;
        for (field, percent) in [
            ("percent", self.percent),
            ("max_excess_percent", self.max_excess_percent),
        ] {
            if percent > 100 {
                return Err(Problem::bad_field(field, "give 0 to 100"));
            }
        }
        let calls = [
            ("min_calls", Some(self.min_calls)),
            ("promote_after_calls", self.promote_after_calls),
        ];
        for (field, calls) in calls {
            if calls.is_some_and(|calls| !(1..=MAX_CALLS).contains(&calls)) {
                return Err(Problem::bad_field(field, format!("give 1 to {MAX_CALLS}")));
            }
        }
        Ok(Limits {
            min_calls: self.min_calls,
            max_excess_percent: self.max_excess_percent,
            promote_after_calls: self.promote_after_calls,
        })
    }
}

/// A canary as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct CanaryView {
    service: String,
    version: String,
    percent: u8,
    state: Standing,
    reason: String,
    #[serde(flatten)]
    limits: Limits,
    /// Calls of the last 30 seconds on this share: what is decided by.
    lately: Outcomes,
    total: Outcomes,
    history: Vec<Change>,
}

impl CanaryView {
    fn of(service: &str, canary: &mut Canary, now: &Moment) -> Self {
        Self {
            service: service.to_owned(),
            version: canary.version.clone(),
            percent: canary.percent,
            state: canary.state,
            reason: canary.reason().to_owned(),
            limits: canary.limits,
            lately: canary.lately(now.elapsed),
            total: canary.total,
            history: canary.history.iter().cloned().collect(),
        }
    }
}

/// `GET /api/v1/canaries`.
#[derive(Debug, Serialize)]
struct List {
    items: Vec<CanaryView>,
}

/// Body of a caller's report.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    version: String,
    stable: Tally,
    canary: Tally,
}

async fn list(State(registry): State<Registry>) -> Json<List> {
    let now = now(&registry);
    let mut canaries = registry.canaries();
    let items = canaries
        .iter_mut()
        .map(|(service, canary)| CanaryView::of(service, canary, &now));
    Json(List { items: items.collect() })
}

async fn show(State(registry): State<Registry>, Path(service): Path<String>) -> Result<Json<CanaryView>, Problem> {
    with(&registry, &service, |_, _| Ok(())).await
}

async fn set(
    State(registry): State<Registry>,
    Path(service): Path<String>,
    Body(rule): Body<Rule>,
) -> Result<Json<CanaryView>, Problem> {
    check_id("service", &service)?;
    let limits = rule.limits()?;
    if !registry.has_canary(&service, &rule.version) {
        let title = format!("no {service} {} runs beside the first", rule.version);
        return Err(Problem {
            field: Some("version".into()),
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no_such_version", &title)
                .detail("start it first: `sagascope demo --canary`, or `sagascope service payments --version …`")
        });
    }
    begin_or_set(&registry, &service, &rule, limits)?;
    // Limits may have changed without a change of the share.
    registry.keep(&service).await?;
    with(&registry, &service, |_, _| Ok(())).await
}

fn begin_or_set(registry: &Registry, service: &str, rule: &Rule, limits: Limits) -> Result<(), Problem> {
    let now = now(registry);
    let mut canaries = registry.canaries();
    if canaries.len() >= MAX_CANARIES && !canaries.contains_key(service) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "full",
            "too many canaries at once",
        ));
    }
    let fresh = || Canary::begin(&rule.version, rule.percent, limits, &now);
    let canary = canaries.entry(service.to_owned()).or_insert_with(fresh);
    if canary.version != rule.version {
        *canary = fresh();
    }
    canary.set(rule.percent, limits, &now);
    tell(service, canary);
    Ok(())
}

async fn promote(State(registry): State<Registry>, Path(service): Path<String>) -> Result<Json<CanaryView>, Problem> {
    with(&registry, &service, |canary, now| {
        if canary.promote(now) {
            tell(&service, canary);
            return Ok(());
        }
        let at = match canary.state {
            Standing::RolledBack => "it was rolled back; give it a share again with PUT",
            Standing::Running | Standing::Promoted => "it has all traffic already",
        };
        Err(Problem::conflict("not_to_be_promoted", "there is no next step").detail(at))
    })
    .await
}

async fn roll_back(State(registry): State<Registry>, Path(service): Path<String>) -> Result<Json<CanaryView>, Problem> {
    with(&registry, &service, |canary, now| {
        // Asked twice, it is rolled back all the same.
        if canary.roll_back(now) {
            tell(&service, canary);
        }
        Ok(())
    })
    .await
}

async fn remove(State(registry): State<Registry>, Path(service): Path<String>) -> Result<StatusCode, Problem> {
    if registry.canaries().remove(&service).is_none() {
        return Err(Problem::not_found("canary of", &service));
    }
    registry.keep(&service).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn outcomes(
    State(registry): State<Registry>,
    Path(service): Path<String>,
    Body(report): Body<Report>,
) -> Result<StatusCode, Problem> {
    for (field, tally) in [("stable", report.stable), ("canary", report.canary)] {
        if tally.errors > tally.calls || tally.calls > MAX_CALLS {
            return Err(Problem::bad_field(
                field,
                "no more errors than calls, and no more calls than a million",
            ));
        }
    }
    let noted = with(&registry, &service, |canary, now| {
        let outcomes = Outcomes {
            stable: report.stable,
            canary: report.canary,
        };
        // News of another version, from a caller that has not heard of this one yet, say nothing about it.
        if canary.version == report.version && canary.note(outcomes, now) {
            tell(&service, canary);
        }
        Ok(())
    });
    noted.await.map(|_| StatusCode::NO_CONTENT)
}

/// Does something to a canary, and answers when what changed by it is kept.
async fn with(
    registry: &Registry,
    service: &str,
    act: impl FnOnce(&mut Canary, &Moment) -> Result<(), Problem>,
) -> Result<Json<CanaryView>, Problem> {
    check_id("service", service)?;
    let (view, is_changed) = {
        let now = now(registry);
        let mut canaries = registry.canaries();
        let canary = canaries
            .get_mut(service)
            .ok_or_else(|| Problem::not_found("canary of", service))?;
        act(canary, &now)?;
        (CanaryView::of(service, canary, &now), !canary.fresh.is_empty())
    };
    if is_changed {
        registry.keep(service).await?;
    }
    Ok(Json(view))
}

fn tell(service: &str, canary: &Canary) {
    let (version, percent, reason) = (&canary.version, canary.percent, canary.reason());
    match canary.state {
        Standing::RolledBack => tracing::warn!(service, version, reason, "the canary is rolled back"),
        Standing::Running | Standing::Promoted => {
            tracing::info!(service, version, percent, reason, "the canary has another share");
        }
    }
}

fn now(registry: &Registry) -> Moment {
    Moment {
        elapsed: registry.elapsed(),
        clock: clock::rfc3339_now(),
        unix_nanos: clock::unix_nanos_now(),
    }
}

/// What callers need to know: the share in force, by service.
#[derive(Debug, Serialize)]
pub(crate) struct Share {
    version: String,
    percent: u8,
}

/// The shares in force.
pub(crate) fn shares(canaries: &BTreeMap<String, Canary>) -> BTreeMap<String, Share> {
    let share = |(service, canary): (&String, &Canary)| {
        let share = Share {
            version: canary.version.clone(),
            percent: canary.percent,
        };
        (service.clone(), share)
    };
    canaries.iter().map(share).collect()
}
