//! Before a frame: counts, rows in their order, and the questions that what is on screen needs answered.

use std::cmp::{Ordering, Reverse};

use sagascope_api::Time;
use sagascope_api::attention::attention;
use sagascope_api::breakers::Breaker;
use sagascope_api::live::Picture;
use sagascope_api::sagas::Saga;
use sagascope_api::traces::{Trace, TraceSummary};
use sagascope_conventions::{BreakerState, SagaState};

use super::filter::Filter;
use super::list::Sort;
use super::overlay::Overlay;
use super::place::Place;
use super::{App, Digest};
use crate::event::{Effect, Question, SagaKey};
use crate::state::lookup::Found;

/// A followed list leaves a saga this long after its end, so that a person sees how it ended.
const LINGER_SECONDS: f64 = 3.0;

impl App {
    /// Brings everything derived up to date with the picture. What must be asked for comes back.
    pub(crate) fn settle(&mut self, now: Time) -> Vec<Effect> {
        let clock = self.known.clock(now);
        self.digest = digest(self.known.picture(), clock, &self.saga_filter.text);
        match &self.place {
            Place::Overview => self.settle_overview(),
            Place::Sagas | Place::Saga(_) => self.settle_sagas(clock),
            Place::Traces => self.settle_traces(),
            Place::Trace(id) => {
                let rows = match self.known.trace.get(id) {
                    Found::Here(trace) => visible_spans(trace, &self.folded),
                    _ => vec![],
                };
                self.spans.settle(rows);
            }
            Place::Breakers => {
                let rows = breaker_rows(self.known.picture(), self.breakers.sort);
                self.breakers.settle(rows);
            }
            Place::ReadModels => self.settle_read_models(),
            Place::Lab | Place::Experiment(_) => {
                let course = self.known.picture().course();
                let rows = course.iter().map(|row| row.scenario.name.clone()).collect();
                self.lab.settle(rows);
            }
            Place::SagaType(_) | Place::Chaos => {}
        }
        self.questions(now)
    }

    fn settle_overview(&mut self) {
        let mut rows: Vec<String> = self.digest.attention.iter().map(attention_key).collect();
        rows.extend(
            self.known
                .picture()
                .services
                .keys()
                .map(|name| format!("service/{name}")),
        );
        self.overview.settle(rows);
        self.digest.latest = latest(self.known.picture());
    }

    fn settle_sagas(&mut self, clock: Time) {
        let picture = self.known.picture();
        let rows = saga_rows(picture, &self.digest.filter, self.sagas.sort);
        self.sagas.settle_from(&rows);
        if self.sagas.following && !self.sagas.touched {
            let lingers = self
                .sagas
                .selected()
                .and_then(|key| picture.sagas.get(key))
                .is_some_and(|saga| {
                    saga.ended_at
                        .is_none_or(|ended| clock.seconds_since(ended) < LINGER_SECONDS)
                });
            if !lingers && let Some(first) = self.sagas.rows().first().cloned() {
                self.sagas.select(&first);
            }
        }
        let events = match self.shown_saga().map(|key| self.known.saga.get(&key)) {
            Some(Found::Here(detail)) => detail.events.len(),
            _ => 0,
        };
        self.saga_events.settle((0..events).map(|n| n.to_string()).collect());
    }

    fn settle_traces(&mut self) {
        let query = self.trace_query();
        let rows = if query.is_empty() {
            trace_rows(self.known.picture().traces.values(), self.traces.sort)
        } else {
            match self.known.traces.get(&query) {
                Found::Here(found) => trace_rows(found.iter(), self.traces.sort),
                _ => vec![],
            }
        };
        self.traces.settle(rows);
    }

    fn settle_read_models(&mut self) {
        let picture = self.known.picture();
        let models = picture.read_models.keys().map(|key| format!("model/{key}"));
        let mut outboxes: Vec<_> = picture.outboxes.iter().collect();
        outboxes.sort_by_key(|(_, outbox)| outbox.is_unused());
        let outboxes = outboxes.into_iter().map(|(key, _)| format!("outbox/{key}"));
        let mut letters: Vec<_> = picture.dead_letters.values().collect();
        letters.sort_by_key(|letter| Reverse(letter.at));
        let letters = letters.into_iter().map(|letter| format!("letter/{}", letter.id));
        let rows = models.chain(outboxes).chain(letters).collect();
        self.read_models.settle(rows);
    }

    /// The search in force: not what is being typed, which would ask at every letter.
    pub(crate) fn trace_query(&self) -> String {
        let input = &self.trace_search;
        if input.editing { &input.before } else { &input.text }
            .trim()
            .to_owned()
    }

    /// A trace of the list, live or found.
    pub(crate) fn trace_summary(&self, id: &str) -> Option<&TraceSummary> {
        let found = match self.known.traces.get(&self.trace_query()) {
            Found::Here(found) => found.iter().find(|trace| trace.trace_id == id),
            _ => None,
        };
        found.or_else(|| self.known.picture().traces.get(id))
    }

    /// The saga whose flow is shown.
    pub(crate) fn shown_saga(&self) -> Option<SagaKey> {
        match &self.place {
            Place::Saga(key) => Some(key.clone()),
            Place::Sagas => {
                let saga = self.known.picture().sagas.get(self.sagas.selected()?)?;
                Some(SagaKey {
                    name: saga.name.clone(),
                    id: saga.id.clone(),
                })
            }
            _ => None,
        }
    }

    fn questions(&mut self, now: Time) -> Vec<Effect> {
        let mut asked = Vec::new();
        let frozen = self.known.held_back().is_some();
        if let Some(key) = self.shown_saga() {
            let row = self.known.picture().sagas.get(&key.text()).map(|saga| saga.updated_at);
            let stale = |detail: &sagascope_api::sagas::SagaDetail, age: f64| {
                !frozen && age > 0.1 && row.is_some_and(|at| at != detail.saga.updated_at)
            };
            asked.extend(self.known.saga.want(&key, now, stale).map(Question::Saga));
        }
        match self.place.clone() {
            Place::SagaType(name) => {
                let stale = |_: &_, age| !frozen && age >= 1.0;
                asked.extend(self.known.saga_type.want(&name, now, stale).map(Question::SagaType));
            }
            Place::Trace(id) => {
                let spans = self.known.picture().traces.get(&id).map_or(0, |trace| trace.span_count);
                let stale = |trace: &Trace, age: f64| {
                    let known = trace.spans.len() as u64 + trace.omitted;
                    !frozen && age >= 1.0 && (!trace.complete || known < spans)
                };
                asked.extend(self.known.trace.want(&id, now, stale).map(Question::Trace));
            }
            Place::Traces => {
                let query = self.trace_query();
                let stale = |_: &_, age| !frozen && age >= 2.0;
                if !query.is_empty() {
                    asked.extend(self.known.traces.want(&query, now, stale).map(Question::Traces));
                }
            }
            Place::Chaos => {
                let wanted = self.known.catalogue.want(&(), now, |_, age| age >= 2.0);
                asked.extend(wanted.map(|()| Question::Catalogue));
            }
            _ => {}
        }
        if let Some(Overlay::Explanation { id, .. }) = &self.overlay {
            let id = id.clone();
            let stale = |_: &_, age| !frozen && age >= 2.0;
            asked.extend(self.known.explanation.want(&id, now, stale).map(Question::Explain));
        }
        asked.into_iter().map(Effect::Ask).collect()
    }
}

fn digest(picture: &Picture, clock: Time, filter: &str) -> Digest {
    let mut digest = Digest {
        attention: attention(picture, clock),
        filter: Filter::parse(filter),
        ..Digest::default()
    };
    for saga in picture.sagas.values() {
        match saga.state {
            SagaState::Running => digest.running += 1,
            SagaState::Compensating => digest.compensating += 1,
            SagaState::Failed => digest.failed += 1,
            SagaState::Completed | SagaState::Compensated => {}
        }
        digest.stuck += u64::from(saga.stuck);
    }
    let types = picture.overview.as_ref().map(|overview| &overview.saga_types);
    digest.sagas_per_second = types
        .filter(|types| !types.is_empty())
        .map(|types| types.iter().map(|kind| kind.started_per_second).sum());
    digest
}

/// Key of a line of the attention list.
pub(crate) fn attention_key(line: &sagascope_api::attention::Attention) -> String {
    format!("{}/{}/{}", line.kind, line.subject, line.link)
}

/// What a column is sorted by.
#[derive(PartialEq)]
enum By<'a> {
    Number(f64),
    Text(&'a str),
}

impl By<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

fn sorted<'a, T>(mut rows: Vec<&'a T>, sort: Sort, by: impl Fn(&'a T) -> By<'a>) -> Vec<&'a T> {
    rows.sort_by(|a, b| {
        let order = by(a).compare(&by(b));
        if sort.inverted { order.reverse() } else { order }
    });
    rows
}

fn saga_rows<'a>(picture: &'a Picture, filter: &Filter, sort: Option<Sort>) -> Vec<&'a String> {
    let shown = picture.sagas.iter().filter(|(_, saga)| filter.matches(saga));
    let Some(sort) = sort else {
        // What is compared is copied beside the key: ten thousand sagas are too many to visit at each comparison.
        let mut rows: Vec<_> = shown.map(|(key, saga)| (rank(saga), key)).collect();
        rows.sort_unstable_by_key(|(rank, _)| *rank);
        return rows.into_iter().map(|(_, key)| key).collect();
    };
    let mut rows: Vec<_> = shown.map(|(key, saga)| (saga_by(saga, sort.column), key)).collect();
    rows.sort_by(|(a, _), (b, _)| {
        let order = a.compare(b);
        if sort.inverted { order.reverse() } else { order }
    });
    rows.into_iter().map(|(_, key)| key).collect()
}

/// As many as the tallest screen shows on the overview.
const LATEST: usize = 60;

fn latest(picture: &Picture) -> Vec<String> {
    let mut rows: Vec<_> = picture.sagas.iter().map(|(key, saga)| (rank(saga), key)).collect();
    if rows.len() > LATEST {
        rows.select_nth_unstable_by_key(LATEST, |(rank, _)| *rank);
        rows.truncate(LATEST);
    }
    rows.sort_unstable_by_key(|(rank, _)| *rank);
    rows.into_iter().map(|(_, key)| key.clone()).collect()
}

/// Place in the list's own order: what needs a person first, then the newest.
fn rank(saga: &Saga) -> (u8, Reverse<Time>) {
    (urgency(saga), Reverse(saga.started_at))
}

/// What needs a person first, then what moves, then what ended.
fn urgency(saga: &Saga) -> u8 {
    match saga.state {
        _ if saga.stuck => 0,
        SagaState::Failed => 1,
        SagaState::Compensating => 2,
        SagaState::Running if saga.waiting.is_some() => 3,
        SagaState::Running => 4,
        SagaState::Completed | SagaState::Compensated => 5,
    }
}

fn saga_by(saga: &Saga, column: usize) -> By<'_> {
    let step = saga.step.as_ref();
    match column {
        0 => By::Text(&saga.id),
        1 => By::Text(&saga.name),
        2 => By::Number(step.map_or(-1.0, |step| step.index as f64)),
        3 => By::Number(step.map_or(0.0, |step| -f64::from(step.attempt))),
        4 => By::Number(saga.started_at.0 as f64),
        _ => By::Text(saga.waiting.as_ref().map_or("~", |waiting| waiting.kind.as_str())),
    }
}

fn trace_rows<'a>(traces: impl Iterator<Item = &'a TraceSummary>, sort: Option<Sort>) -> Vec<String> {
    let newest = Sort {
        column: 0,
        inverted: true,
    };
    let rows = sorted(traces.collect(), sort.unwrap_or(newest), |trace| {
        match sort.map_or(0, |sort| sort.column) {
            0 => By::Number(trace.started_at.0 as f64),
            1 => By::Text(&trace.root.service),
            2 => By::Text(&trace.root.name),
            3 => By::Number(-(trace.duration_nanos as f64)),
            4 => By::Number(-(trace.span_count as f64)),
            _ => By::Number(-(trace.error_count as f64)),
        }
    });
    rows.into_iter().map(|trace| trace.trace_id.clone()).collect()
}

fn breaker_rows(picture: &Picture, sort: Option<Sort>) -> Vec<String> {
    let worst = Sort {
        column: 1,
        inverted: false,
    };
    let rows = sorted(
        picture.breakers.values().collect(),
        sort.unwrap_or(worst),
        |breaker| match sort.map_or(1, |sort| sort.column) {
            0 => By::Text(&breaker.caller),
            1 => By::Number(severity(breaker)),
            2 => By::Number(breaker.since.map_or(0.0, |since| -(since.0 as f64))),
            3 => By::Number(-breaker.failing().unwrap_or(0.0)),
            4 => By::Number(-breaker.rejected_per_second),
            _ => By::Number(-(breaker.waiting_sagas.values().sum::<u64>() as f64)),
        },
    );
    rows.into_iter().map(|breaker| breaker.id.clone()).collect()
}

fn severity(breaker: &Breaker) -> f64 {
    match breaker.state {
        _ if !breaker.live => 5.0,
        Some(BreakerState::Open | BreakerState::ForcedOpen) => 0.0,
        Some(BreakerState::HalfOpen) => 1.0,
        Some(BreakerState::Disabled) => 2.0,
        Some(BreakerState::Closed) => 3.0,
        None => 4.0,
    }
}

/// Spans of a trace in waterfall order, without what is folded away.
fn visible_spans(trace: &Trace, folded: &std::collections::HashSet<String>) -> Vec<String> {
    let mut rows = Vec::with_capacity(trace.spans.len());
    let mut hidden_below = None;
    for span in &trace.spans {
        if hidden_below.is_some_and(|depth| span.depth > depth) {
            continue;
        }
        hidden_below = folded.contains(&span.span_id).then_some(span.depth);
        rows.push(span.span_id.clone());
    }
    rows
}
