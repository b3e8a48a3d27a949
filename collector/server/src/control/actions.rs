//! What a person asks running services to do: told to them, answered by them, and seen in their telemetry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use sagascope_api::actions::{ActionDone, LetterAction, LettersRequest, SagaAction, SagaRequest, Verified};
use sagascope_api::sagas::SagaDetail;
use sagascope_conventions::action::{Action, ActionOutcome, ActionReport, SagaRef};
use tokio::time::{Instant, sleep, timeout_at};

use super::command::Command;
use super::http::{ask, read};
use super::orders::Given;
use crate::app::{self, App};
use crate::problem::{Answer, Refusal};

/// Time in which every process that was told must answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Time in which the telemetry must show it.
const SHOWS: Duration = Duration::from_secs(3);
/// Between two looks at the picture.
const LOOK: Duration = Duration::from_millis(50);

/// `POST /api/v1/actions/dead-letters/replay`.
pub(crate) async fn replay_letters(State(app): State<Arc<App>>, body: Bytes) -> Answer<Json<ActionDone>> {
    letters(&app, LetterAction::Replay, read(&body)?).await
}

/// `POST /api/v1/actions/dead-letters/purge`.
pub(crate) async fn purge_letters(State(app): State<Arc<App>>, body: Bytes) -> Answer<Json<ActionDone>> {
    letters(&app, LetterAction::Purge, read(&body)?).await
}

async fn letters(app: &App, what: LetterAction, request: LettersRequest) -> Answer<Json<ActionDone>> {
    let LettersRequest { destination, id } = request;
    let is_meant = |letter: &sagascope_api::read_models::DeadLetter| {
        letter.destination == destination && id.as_ref().is_none_or(|id| letter.id == *id)
    };
    let meant: BTreeMap<String, _> = {
        let letters = app.read().projections.dead_letters();
        let meant = letters.into_iter().filter(is_meant);
        meant.map(|letter| (letter.id.clone(), letter)).collect()
    };
    let services: BTreeSet<&str> = meant.values().map(|letter| letter.service.as_str()).collect();
    if services.is_empty() {
        return Err(match &id {
            Some(id) => Refusal::unknown("dead_letter", id),
            None => Refusal::unknown("dead_letter_of", &destination),
        });
    }
    let action = match what {
        LetterAction::Replay => Action::ReplayDeadLetters {
            destination: destination.clone(),
            message_id: id.clone(),
        },
        LetterAction::Purge => Action::PurgeDeadLetters {
            destination: destination.clone(),
            message_id: id.clone(),
        },
    };
    let known = id.as_deref().unwrap_or(&destination);
    let done = give_all(app, &services, &action, ("dead_letter", known)).await?;
    // One that was given up again meanwhile has a later time.
    let is_settled = |app: &App| {
        let letters = app.read().projections.dead_letters();
        !letters
            .iter()
            .any(|letter| meant.get(&letter.id).is_some_and(|before| before.at == letter.at))
    };
    verified(app, done, is_settled).await
}

/// `POST /api/v1/actions/read-models/{service}/{name}/rebuild`.
pub(crate) async fn rebuild(
    State(app): State<Arc<App>>,
    Path((service, name)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Json<ActionDone>> {
    nothing_asked(&body)?;
    let before = {
        let world = app.read();
        let models = world.projections.read_models(app::now());
        if !models
            .iter()
            .any(|model| model.service == service && model.name == name)
        {
            return Err(Refusal::unknown("read_model", &format!("{service}/{name}")));
        }
        world.projections.rebuild_started_at(&service, &name)
    };
    let action = Action::RebuildReadModel { name: name.clone() };
    let services = BTreeSet::from([service.as_str()]);
    let done = give_all(&app, &services, &action, ("read_model", &name)).await?;
    let has_started = |app: &App| app.read().projections.rebuild_started_at(&service, &name) > before;
    verified(&app, done, has_started).await
}

/// `POST /api/v1/actions/sagas/{id}/{action}`.
pub(crate) async fn saga(
    State(app): State<Arc<App>>,
    Path((id, action)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Json<ActionDone>> {
    let Some(what) = SagaAction::parse(&action) else {
        let known = SagaAction::ALL.map(SagaAction::as_str).join(", ");
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "unknown_action",
            "Not found",
            format!("There are: {known}."),
        ));
    };
    let SagaRequest { name } = if body.is_empty() {
        SagaRequest::default()
    } else {
        read(&body)?
    };
    let found = app.read().projections.saga(&id, name.as_deref(), app::now());
    let before = found.ok_or_else(|| Refusal::unknown("saga", &id))?;
    let saga = SagaRef {
        name: before.saga.name.clone(),
        id: id.clone(),
    };
    let action = match what {
        SagaAction::Retry => Action::RetrySaga(saga.clone()),
        SagaAction::Cancel => Action::CancelSaga(saga.clone()),
        SagaAction::Compensate => Action::CompensateSaga(saga.clone()),
        SagaAction::CommitInDoubt => Action::CommitInDoubt(saga.clone()),
        SagaAction::AbortInDoubt => Action::AbortInDoubt(saga.clone()),
    };
    let tellers = tellers(&before);
    let services: BTreeSet<&str> = if what.ends_a_doubt() {
        before.voters().collect()
    } else {
        tellers.keys().map(String::as_str).collect()
    };
    if services.is_empty() {
        return Err(no_votes());
    }
    let done = give_all(&app, &services, &action, ("saga", &id)).await?;
    let has_moved = |app: &App| {
        let now = app.read().projections.saga(&saga.id, Some(&saga.name), app::now());
        now.is_some_and(|now| self::tellers(&now) != tellers)
    };
    verified(&app, done, has_moved).await
}

fn no_votes() -> Refusal {
    let detail = "Only a two-phase commit leaves services in doubt; this saga asks nobody for a vote.";
    Refusal::new(StatusCode::CONFLICT, "not_possible", "It does not allow that", detail)
}

/// Services that number what they tell of the instance, with the newest number: those that decide.
fn tellers(saga: &SagaDetail) -> BTreeMap<String, u64> {
    let mut tellers = BTreeMap::new();
    for event in &saga.events {
        if let Some(sequence) = event.sequence {
            let newest = tellers.entry(event.service.clone()).or_insert(sequence);
            *newest = sequence.max(*newest);
        }
    }
    tellers
}

/// `POST /api/v1/actions/reports`.
pub(crate) async fn report(State(app): State<Arc<App>>, body: Bytes) -> Answer<StatusCode> {
    let report: ActionReport = read(&body)?;
    ask(&app, |reply| Command::Report(report, reply)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An empty body, or an empty object.
fn nothing_asked(body: &[u8]) -> Answer<()> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    if body.is_empty() {
        return Ok(());
    }
    read::<Nothing>(body).map(drop)
}

/// Gives the order to each service and waits for all answers.
async fn give_all(
    app: &App,
    services: &BTreeSet<&str>,
    action: &Action,
    (kind, id): (&str, &str),
) -> Answer<ActionDone> {
    let (mut done, mut details, mut count) = (Vec::new(), Vec::new(), 0);
    let mut refusal = None;
    for &service in services {
        tracing::info!(service, ?action, "a person asks for an action");
        match give(app, service, action).await {
            Ok(Came::Done { count: more, detail }) => {
                done.push(service.to_owned());
                count += more;
                details.push(detail);
            }
            Ok(Came::Unknown) => {}
            Err(other) => refusal = Some(refusal.unwrap_or(other)),
        }
    }
    match refusal {
        Some(refusal) if done.is_empty() => return Err(refusal),
        Some(refusal) => details.push(refusal.detail().to_owned()),
        None if done.is_empty() => return Err(unknown_there(services, kind, id)),
        None => {}
    }
    Ok(ActionDone {
        services: done,
        count,
        detail: details.join(" "),
        verified: Verified::Answer,
    })
}

/// What came of an order that had no refusal.
enum Came {
    Done { count: u64, detail: String },
    Unknown,
}

async fn give(app: &App, service: &str, action: &Action) -> Answer<Came> {
    let (to, what) = (service.to_owned(), action.clone());
    let Given { told, mut reports } = ask(app, |reply| Command::Act(to, what, reply)).await?;
    let (deadline, mut outcomes) = (Instant::now() + ANSWER, Vec::new());
    while outcomes.len() < told.len() {
        match timeout_at(deadline, reports.recv()).await {
            Ok(Some(report)) => outcomes.push(report.outcome),
            Ok(None) | Err(_) => return Err(unanswered(service, told.len() - outcomes.len())),
        }
    }
    joined(outcomes)
}

/// Of several processes: what any of them did counts, then what any of them refused.
fn joined(outcomes: Vec<ActionOutcome>) -> Answer<Came> {
    let (mut sum, mut details, mut refusal) = (0, Vec::new(), None);
    for outcome in outcomes {
        match outcome {
            ActionOutcome::Done { count, detail } => {
                sum += count;
                details.push(detail);
            }
            ActionOutcome::Unknown => {}
            ActionOutcome::Refused { detail } => {
                let title = "It does not allow that";
                refusal = Some(Refusal::new(StatusCode::CONFLICT, "not_possible", title, detail));
            }
            ActionOutcome::Failed { detail } => {
                let title = "The service could not do it";
                refusal = Some(Refusal::new(StatusCode::BAD_GATEWAY, "action_failed", title, detail));
            }
        }
    }
    match refusal {
        Some(refusal) if details.is_empty() => Err(refusal),
        _ if details.is_empty() => Ok(Came::Unknown),
        _ => Ok(Came::Done {
            count: sum,
            detail: details.join(" "),
        }),
    }
}

/// Looks at the picture until it shows the effect, or for long enough.
async fn verified(app: &App, mut done: ActionDone, shows: impl Fn(&App) -> bool) -> Answer<Json<ActionDone>> {
    let deadline = Instant::now() + SHOWS;
    while done.verified == Verified::Answer && Instant::now() < deadline {
        if shows(app) {
            done.verified = Verified::Telemetry;
        } else {
            sleep(LOOK).await;
        }
    }
    Ok(Json(done))
}

fn unanswered(service: &str, silent: usize) -> Refusal {
    let detail = format!(
        "{service} was told, and {silent} of its processes did not answer within {} s. It may still do it: look at the \
         picture before asking again.",
        ANSWER.as_secs()
    );
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, "no_answer", "No answer", detail)
}

fn unknown_there(services: &BTreeSet<&str>, kind: &str, id: &str) -> Refusal {
    let id: String = id.chars().take(100).collect();
    let services = services.iter().copied().collect::<Vec<_>>().join(", ");
    Refusal::new(
        StatusCode::NOT_FOUND,
        &format!("unknown_{kind}"),
        "Not found",
        format!(
            "{services} has no {} `{id}` that it can do this with.",
            kind.replace('_', " ")
        ),
    )
}
