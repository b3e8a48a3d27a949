//! One sentence on what happened.

use sagascope_api::correlations::Correlation;
use sagascope_api::sagas::{Saga, SagaDetail, Step};
use sagascope_api::text;
use sagascope_api::traces::Trace;
use sagascope_conventions::{SagaState, StepState};

use super::Known;

/// What happened, as far as it is known.
pub(super) fn sentence(id: &str, known: &Known) -> String {
    match (&known.saga, &known.trace, &known.correlation) {
        (Some(detail), ..) => of_saga(detail),
        (None, Some(trace), _) => of_trace(trace),
        (None, None, Some(correlation)) => of_correlation(correlation),
        (None, None, None) => format!("Nothing is known of {id}."),
    }
}

/// Something about it needs a cause.
pub(super) fn went_wrong(known: &Known) -> bool {
    match &known.saga {
        Some(detail) => {
            let troubled = |step: &Step| step.attempts > 1 || step.state == StepState::Failed;
            detail.saga.state != SagaState::Completed && detail.saga.state != SagaState::Running
                || detail.saga.stuck
                || detail.saga.waiting.is_some()
                || detail.steps.iter().any(troubled)
        }
        None => known.trace.as_ref().is_some_and(|trace| errors(trace) > 0),
    }
}

fn of_saga(detail: &SagaDetail) -> String {
    let saga = &detail.saga;
    let who = format!("Saga {} {}", saga.name, saga.id);
    match saga.state {
        SagaState::Completed => format!("{who} completed in {}{}.", length(saga), retries(detail)),
        SagaState::Compensated => format!("{who} was undone in {}: {}.", length(saga), failure(detail)),
        SagaState::Compensating => {
            let late = if saga.stuck { ", and is stuck at it" } else { "" };
            format!(
                "{who} is being undone{late}: {}{}.",
                failure(detail),
                undo_at_hand(detail)
            )
        }
        SagaState::Failed => format!("{who} needs a person: {}.", failed_undo(detail)),
        SagaState::Running if saga.stuck => format!("{who} is stuck{}: its deadline has passed.", at_step(saga)),
        SagaState::Running => format!("{who} is running{}{}.", at_step(saga), waiting(saga)),
    }
}

fn of_trace(trace: &Trace) -> String {
    let spans = trace.spans.len() as u64 + trace.omitted;
    let failed = match errors(trace) {
        0 => "none failed".to_owned(),
        errors => format!("{errors} failed"),
    };
    let partial = if trace.complete {
        ""
    } else {
        "; parts of it are missing"
    };
    format!(
        "{} in {} took {} over {}, of which {failed}{partial}.",
        trace.root.name,
        trace.root.service,
        text::duration(trace.duration_nanos as f64 / 1e9),
        plural(spans, "span"),
    )
}

fn of_correlation(correlation: &Correlation) -> String {
    format!(
        "Correlation {} went through {}: {}, {}.",
        correlation.id,
        plural(correlation.services.len() as u64, "service"),
        plural(correlation.traces.len() as u64, "trace"),
        plural(correlation.logs.len() as u64, "log record"),
    )
}

fn length(saga: &Saga) -> String {
    let end = saga.ended_at.unwrap_or(saga.updated_at);
    text::duration(end.seconds_since(saga.started_at).max(0.0))
}

fn retries(detail: &SagaDetail) -> String {
    let retried: Vec<String> = detail
        .steps
        .iter()
        .filter(|step| step.attempts > 1)
        .map(|step| format!("{} took {} attempts", step.name, step.attempts))
        .collect();
    if retried.is_empty() {
        String::new()
    } else {
        format!(", though {}", retried.join(" and "))
    }
}

/// The last forward step that failed, and how much was undone for it.
fn failure(detail: &SagaDetail) -> String {
    let failed = detail.steps.iter().rev().find(|step| step.state == StepState::Failed);
    let what = match failed {
        Some(step) => format!(
            "step {} failed after {}",
            step.name,
            plural(step.attempts.into(), "attempt")
        ),
        None => "a step was refused".to_owned(),
    };
    let reason = failed
        .and_then(|step| step.reason.as_ref())
        .or(detail.saga.reason.as_ref());
    let why = in_brackets(reason.map(String::as_str));
    let undone = detail.steps.iter().filter(|step| {
        step.compensation
            .as_ref()
            .is_some_and(|undo| undo.state == StepState::Succeeded)
    });
    match undone.count() as u64 {
        0 if detail.saga.state == SagaState::Compensating => format!("{what}{why}"),
        0 => format!("{what}{why}; nothing had to be compensated"),
        undone => format!("{what}{why}; {} compensated", plural(undone, "step")),
    }
}

/// The undo at hand: its attempt, why that failed, and what it waits for; or that none has begun.
fn undo_at_hand(detail: &SagaDetail) -> String {
    let at_hand = detail.saga.step.as_ref().and_then(|at_hand| {
        let step = detail.steps.iter().find(|step| step.index == at_hand.index)?;
        let undo = step.compensation.as_ref()?;
        (undo.state != StepState::Succeeded).then_some((step, undo))
    });
    let Some((step, undo)) = at_hand else {
        let begun = detail.steps.iter().any(|step| step.compensation.is_some());
        return if begun { "" } else { "; no undo has begun yet" }.to_owned();
    };
    let attempt = undo.attempts.max(1);
    match undo.state {
        StepState::Retrying => format!(
            "; attempt {attempt} to undo step {} failed{}{}",
            step.name,
            in_brackets(undo.reason.as_deref()),
            waiting(&detail.saga)
        ),
        _ => format!("; step {} is being undone, attempt {attempt}", step.name),
    }
}

fn in_brackets(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(" ({text})"))
}

fn failed_undo(detail: &SagaDetail) -> String {
    let undo = detail.steps.iter().find_map(|step| {
        let undo = step.compensation.as_ref()?;
        (undo.state != StepState::Succeeded).then_some((step, undo))
    });
    match undo {
        Some((step, undo)) => format!(
            "the undo of step {} could not be done in {}{}",
            step.name,
            plural(undo.attempts.into(), "attempt"),
            in_brackets(undo.reason.as_deref()),
        ),
        None => format!("{}, and not all of it could be undone", failure(detail)),
    }
}

fn at_step(saga: &Saga) -> String {
    saga.step.as_ref().map_or_else(String::new, |step| {
        format!(
            " at step {} of {}, {}, attempt {}",
            step.index + 1,
            saga.step_count,
            step.name,
            step.attempt
        )
    })
}

fn waiting(saga: &Saga) -> String {
    saga.waiting.as_ref().map_or_else(String::new, |waiting| {
        let on = waiting.on.as_deref().map_or_else(String::new, |on| format!(" {on}"));
        format!(", waiting for {}{on}", waiting.kind)
    })
}

fn errors(trace: &Trace) -> usize {
    trace.spans.iter().filter(|span| span.status == "error").count()
}

fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", text::count(count))
}
