//! Faults, breakers, failed spans and failed steps that an explanation rests on.

use std::collections::BTreeSet;

use sagascope_api::Time;
use sagascope_api::breakers::{Breaker, BreakerChange};
use sagascope_api::explain::Evidence;
use sagascope_api::faults::FaultStatus;
use sagascope_api::sagas::SagaDetail;
use sagascope_api::text;
use sagascope_api::traces::{Span, Trace};
use sagascope_conventions::{BreakerState, WaitingFor, attributes as key};

use super::Known;

/// Pieces of one kind named one by one.
const EACH_MAX: usize = 10;

/// One piece: when, how near to the root of the trouble, and what.
struct Piece {
    at: Time,
    /// What it would be called as a cause; `None` when it is only a circumstance.
    cause: Option<(Nearness, String)>,
    evidence: Evidence,
}

/// Nearest to the root first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Fault,
    Breaker,
    Span,
    Step,
}

/// All that was found.
pub(super) struct Found(Vec<Piece>);

pub(super) fn gather(known: &Known) -> Found {
    let mut pieces = Vec::new();
    pieces.extend(faults(known));
    pieces.extend(breakers(known));
    pieces.extend(known.trace.iter().flat_map(failed_spans));
    pieces.extend(known.saga.iter().flat_map(failed_steps));
    Found(pieces)
}

impl Found {
    /// The nearest to the root; of equals the first to happen. A breaker that a fault opened is named with it.
    pub(super) fn cause(&self) -> Option<String> {
        let nearest = |wanted: Option<Nearness>| {
            self.0
                .iter()
                .filter_map(|piece| Some((piece.cause.as_ref()?, piece.at)))
                .filter(|((nearness, _), _)| wanted.is_none_or(|wanted| *nearness == wanted))
                .min_by_key(|((nearness, _), at)| (*nearness, *at))
                .map(|((nearness, text), _)| (*nearness, text.clone()))
        };
        let (nearness, mut cause) = nearest(None)?;
        if nearness == Nearness::Fault
            && let Some((_, breaker)) = nearest(Some(Nearness::Breaker))
        {
            cause.push_str("; ");
            cause.push_str(&breaker);
        }
        Some(cause)
    }

    pub(super) fn in_order(mut self) -> Vec<Evidence> {
        self.0.sort_by_key(|piece| piece.at);
        self.0.into_iter().map(|piece| piece.evidence).collect()
    }
}

/// Faults that marked the operation, and those that were in force meanwhile on a service that took part.
fn faults(known: &Known) -> Vec<Piece> {
    let marked = marked_faults(known);
    let services = services(known);
    let span = span_of_time(known);
    known
        .faults
        .iter()
        .filter_map(|status| {
            let acted = marked.contains(status.fault.id.as_str());
            let meanwhile = overlaps(span, (status.started_at, status.ends_at))
                && services.contains(status.fault.target.service.as_str());
            (acted || meanwhile).then(|| fault(status, acted))
        })
        .take(EACH_MAX)
        .collect()
}

fn fault(status: &FaultStatus, acted: bool) -> Piece {
    let line = text::fault_line(status);
    let told = if acted {
        format!("practised fault acted on it: {line}")
    } else {
        format!("practised fault was in force meanwhile: {line}")
    };
    Piece {
        at: status.started_at,
        cause: acted.then(|| (Nearness::Fault, format!("a practised fault, {line}"))),
        evidence: Evidence {
            text: told,
            link: Some("/chaos".to_owned()),
        },
    }
}

/// Breakers of its services that refused calls while it ran.
fn breakers(known: &Known) -> Vec<Piece> {
    let services = services(known);
    let Some(span) = span_of_time(known) else {
        return Vec::new();
    };
    let waited_on = known
        .saga
        .as_ref()
        .and_then(|detail| detail.saga.waiting.as_ref())
        .filter(|waiting| waiting.kind == WaitingFor::Breaker)
        .and_then(|waiting| waiting.on.as_deref());
    known
        .breakers
        .iter()
        .filter(|breaker| services.contains(breaker.caller.as_str()))
        .filter_map(|breaker| {
            let opened = opened_during(breaker, span);
            let waits = waited_on == Some(breaker.name.as_str());
            (opened.is_some() || waits).then(|| refusal(breaker, opened, span.0))
        })
        .take(EACH_MAX)
        .collect()
}

fn refusal(breaker: &Breaker, opened: Option<&BreakerChange>, since: Time) -> Piece {
    let target = breaker.target.as_deref().unwrap_or(&breaker.name);
    let who = format!("breaker {} → {target}", breaker.caller);
    let why = opened
        .and_then(|change| change.reason.as_deref())
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    Piece {
        at: opened.map_or(since, |change| change.at),
        cause: Some((Nearness::Breaker, format!("the {who} was open{why}"))),
        evidence: Evidence {
            text: format!("{who} was open while it ran{why}"),
            link: Some(format!("/breakers/{}", path(&breaker.id))),
        },
    }
}

/// The change by which it was open at some time of the span.
fn opened_during(breaker: &Breaker, span: (Time, Time)) -> Option<&BreakerChange> {
    breaker.history.iter().enumerate().find_map(|(n, change)| {
        let until = breaker.history.get(n + 1).map_or(Time(u64::MAX), |next| next.at);
        let refuses = matches!(change.state, BreakerState::Open | BreakerState::ForcedOpen);
        (refuses && overlaps(Some(span), (change.at, until))).then_some(change)
    })
}

/// Failed spans without a failed child: where the errors began.
fn failed_spans(trace: &Trace) -> Vec<Piece> {
    let is_error = |span: &&Span| span.status == "error";
    let parents: BTreeSet<&str> = trace
        .spans
        .iter()
        .filter(is_error)
        .filter_map(|span| span.parent_span_id.as_deref())
        .collect();
    trace
        .spans
        .iter()
        .filter(is_error)
        .filter(|span| !parents.contains(span.span_id.as_str()))
        .take(EACH_MAX)
        .map(|span| failed_span(trace, span))
        .collect()
}

fn failed_span(trace: &Trace, span: &Span) -> Piece {
    let why = match span.attributes.get(key::ERROR_TYPE).and_then(|value| value.as_str()) {
        _ if !span.status_message.is_empty() => format!(" ({})", span.status_message),
        Some(kind) => format!(" ({kind})"),
        None => String::new(),
    };
    let told = format!("{} failed in {}{why}", span.name, span.service);
    Piece {
        at: Time(span.start_unix_nano),
        cause: Some((Nearness::Span, told.clone())),
        evidence: Evidence {
            text: told,
            link: Some(format!("/traces/{}", path(&trace.trace_id))),
        },
    }
}

/// Attempts that failed, by the saga's own word.
fn failed_steps(detail: &SagaDetail) -> Vec<Piece> {
    let link = format!("/sagas/{}?name={}", path(&detail.saga.id), path(&detail.saga.name));
    detail
        .events
        .iter()
        .filter(|event| event.name.ends_with(".failed"))
        .filter_map(|event| Some((event, event.step.as_deref()?)))
        .take(EACH_MAX)
        .map(|(event, step)| {
            let undo = if event.name.contains("compensation") {
                "the undo of "
            } else {
                ""
            };
            let attempt = event.attempt.map_or_else(String::new, |n| format!(", attempt {n}"));
            let why = event
                .reason
                .as_deref()
                .map_or_else(String::new, |reason| format!(": {reason}"));
            let told = format!("{undo}step {step} failed{attempt}{why}");
            Piece {
                at: event.at,
                cause: Some((Nearness::Step, told.clone())),
                evidence: Evidence {
                    text: told,
                    link: Some(link.clone()),
                },
            }
        })
        .collect()
}

fn marked_faults(known: &Known) -> BTreeSet<&str> {
    let of_saga = known.saga.iter().flat_map(|detail| &detail.saga.faults);
    let of_events = known
        .saga
        .iter()
        .flat_map(|detail| &detail.events)
        .filter_map(|event| event.fault_id.as_deref());
    let of_spans = known
        .trace
        .iter()
        .flat_map(|trace| &trace.spans)
        .filter_map(|span| span.attributes.get(key::FAULT_ID)?.as_str());
    of_saga.map(String::as_str).chain(of_events).chain(of_spans).collect()
}

fn services(known: &Known) -> BTreeSet<&str> {
    let of_saga = known.saga.iter().flat_map(|detail| &detail.events);
    let of_trace = known.trace.iter().flat_map(|trace| &trace.spans);
    of_saga
        .map(|event| event.service.as_str())
        .chain(of_trace.map(|span| span.service.as_str()))
        .collect()
}

/// From its beginning to its end, or its last sign.
fn span_of_time(known: &Known) -> Option<(Time, Time)> {
    if let Some(detail) = &known.saga {
        return Some((
            detail.saga.started_at,
            detail.saga.ended_at.unwrap_or(detail.saga.updated_at),
        ));
    }
    let trace = known.trace.as_ref()?;
    Some((
        trace.started_at,
        Time(trace.started_at.0.saturating_add(trace.duration_nanos)),
    ))
}

fn overlaps(span: Option<(Time, Time)>, other: (Time, Time)) -> bool {
    span.is_some_and(|(start, end)| other.0 <= end && start <= other.1)
}

/// An id as a path segment: all but unreserved characters are percent-encoded.
fn path(id: &str) -> String {
    let mut path = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}
