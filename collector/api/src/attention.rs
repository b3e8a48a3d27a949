//! What needs a person now, the most urgent first.

use sagascope_conventions::{BreakerState, CanaryState, InvariantState, ProjectionState, SagaState};

use crate::live::Picture;
use crate::text::{self, Mark};
use crate::{Time, sagas::Saga};

/// One thing that needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Shape and colour.
    pub mark: Mark,
    /// `invariant`, `service`, `breaker`, `canary`, `saga`, `model`, `outbox` or `letters`.
    pub kind: &'static str,
    /// Which one.
    pub subject: String,
    /// Its state and since when.
    pub state: String,
    /// What that means, with numbers.
    pub detail: String,
    /// Path of the page that shows it.
    pub link: String,
}

/// [`Attention::kind`] of what must hold and does not.
pub const INVARIANT: &str = "invariant";
/// Sagas named one by one before the rest are told as a number.
const SAGAS_NAMED: usize = 5;

/// Everything in the picture that needs a person at `now`, bounded by what the picture holds.
#[must_use]
pub fn attention(picture: &Picture, now: Time) -> Vec<Attention> {
    let mut all = Vec::new();
    invariants(picture, now, &mut all);
    services(picture, now, &mut all);
    breakers(picture, now, &mut all);
    canaries(picture, now, &mut all);
    sagas(picture, now, &mut all);
    models(picture, now, &mut all);
    letters(picture, &mut all);
    all
}

/// A version that was rolled back by its numbers waits for somebody who mends or removes it.
fn canaries(picture: &Picture, now: Time, all: &mut Vec<Attention>) {
    let sick = picture
        .canaries
        .values()
        .filter(|canary| canary.state == CanaryState::RolledBack && canary.by_itself);
    for canary in sick {
        let since = canary.since.map(|since| text::ago(now.seconds_since(since)));
        let parts = [since.as_deref(), canary.reason.as_deref()];
        all.push(Attention {
            mark: text::canary_mark(canary.state),
            kind: "canary",
            subject: format!("{} {}", canary.service, canary.version),
            state: text::canary_state(canary),
            detail: parts.into_iter().flatten().collect::<Vec<_>>().join(": "),
            link: "/".into(),
        });
    }
}

/// What must never be comes before what is merely down.
fn invariants(picture: &Picture, now: Time, all: &mut Vec<Attention>) {
    let broken = picture
        .invariants
        .values()
        .filter(|invariant| invariant.state == InvariantState::Violated);
    for invariant in broken {
        let evidence = invariant.evidence.first();
        let detail = evidence.map_or(&invariant.statement, |evidence| &evidence.text);
        let more = invariant.violations.saturating_sub(1);
        let more = match (evidence, more) {
            (Some(_), 1..) => format!(" · {} more", text::count(more)),
            _ => String::new(),
        };
        all.push(Attention {
            mark: text::BAD,
            kind: INVARIANT,
            subject: format!("{} {}", invariant.id, invariant.service),
            state: format!("broken {}", text::age(now.seconds_since(invariant.since))),
            detail: format!("{detail}{more}"),
            link: "/".into(),
        });
    }
}

fn services(picture: &Picture, now: Time, all: &mut Vec<Attention>) {
    for service in picture.services.values().filter(|service| !service.up) {
        all.push(Attention {
            mark: text::BAD,
            kind: "service",
            subject: service.name.clone(),
            state: "silent".into(),
            detail: format!("last heard {}", text::ago(now.seconds_since(service.last_seen_at))),
            link: format!("/traces?q=service:{}", service.name),
        });
    }
}

fn breakers(picture: &Picture, now: Time, all: &mut Vec<Attention>) {
    for breaker in picture.breakers.values().filter(|breaker| breaker.live) {
        let Some(state @ (BreakerState::Open | BreakerState::ForcedOpen)) = breaker.state else {
            continue;
        };
        let since = breaker
            .since
            .map_or_else(String::new, |since| format!(" {}", text::age(now.seconds_since(since))));
        let waiting: u64 = breaker.waiting_sagas.values().sum();
        let mut detail = format!("refuses {}", text::rate(breaker.rejected_per_second));
        if waiting > 0 {
            detail.push_str(&format!(" · {} sagas wait on it", text::count(waiting)));
        }
        if let Some(probe) = breaker.next_probe_at.filter(|probe| *probe > now) {
            detail.push_str(&format!(" · probe in {}", text::age(probe.seconds_since(now))));
        }
        all.push(Attention {
            mark: text::BAD,
            kind: "breaker",
            subject: format!(
                "{} → {}",
                breaker.caller,
                breaker.target.as_deref().unwrap_or(&breaker.name)
            ),
            state: format!("{}{since}", text::words(state.as_str())),
            detail,
            link: format!("/breakers/{}", breaker.id),
        });
    }
}

fn sagas(picture: &Picture, now: Time, all: &mut Vec<Attention>) {
    let mut urgent: Vec<&Saga> = picture
        .sagas
        .values()
        .filter(|saga| saga.stuck || saga.state == SagaState::Failed)
        .collect();
    urgent.sort_by_key(|saga| saga.started_at);
    for saga in urgent.iter().take(SAGAS_NAMED) {
        let step = saga.step.as_ref().map_or_else(String::new, |step| {
            format!(
                "step {}/{} {}, attempt {}",
                step.index + 1,
                saga.step_count,
                step.name,
                step.attempt
            )
        });
        let late = saga
            .deadline
            .filter(|deadline| saga.stuck && *deadline < now)
            .map_or_else(String::new, |deadline| {
                format!(", deadline passed {}", text::ago(now.seconds_since(deadline)))
            });
        all.push(Attention {
            mark: text::saga_mark(saga.state, saga.stuck),
            kind: "saga",
            subject: format!("{} {}", saga.name, text::short_id(&saga.id)),
            state: if saga.stuck {
                format!(
                    "stuck {}",
                    text::age(now.seconds_since(saga.deadline.unwrap_or(saga.updated_at)))
                )
            } else {
                "failed".into()
            },
            detail: format!("{step}{late}"),
            link: format!("/sagas/{}?name={}", saga.id, saga.name),
        });
    }
    if urgent.len() > SAGAS_NAMED {
        all.push(Attention {
            mark: text::STUCK,
            kind: "saga",
            subject: format!("{} more", text::count((urgent.len() - SAGAS_NAMED) as u64)),
            state: "stuck or failed".into(),
            detail: String::new(),
            link: "/sagas?stuck=true".into(),
        });
    }
}

fn models(picture: &Picture, now: Time, all: &mut Vec<Attention>) {
    for model in picture
        .read_models
        .values()
        .filter(|model| model.state == ProjectionState::Stalled)
    {
        let behind = model.lag_events.map_or_else(|| text::UNKNOWN.into(), text::count);
        let seconds = model
            .lag_seconds
            .map_or_else(String::new, |s| format!(" ({})", text::duration(s)));
        let still = model.stalled_since.map_or_else(String::new, |since| {
            format!(", no progress for {}", text::age(now.seconds_since(since)))
        });
        all.push(Attention {
            mark: text::BAD,
            kind: "model",
            subject: format!("{}/{}", model.service, model.name),
            state: "stalled".into(),
            detail: format!("behind {behind} events{seconds}{still}"),
            link: "/read-models".into(),
        });
    }
}

fn letters(picture: &Picture, all: &mut Vec<Attention>) {
    let Some(newest) = picture.dead_letters.values().max_by_key(|letter| letter.at) else {
        return;
    };
    all.push(Attention {
        mark: text::BAD,
        kind: "letters",
        subject: text::count(picture.dead_letters.len() as u64),
        state: "dead letters".into(),
        detail: format!(
            "newest from {}: {}",
            newest.destination,
            newest.reason.as_deref().unwrap_or(text::UNKNOWN)
        ),
        link: "/read-models".into(),
    });
}
