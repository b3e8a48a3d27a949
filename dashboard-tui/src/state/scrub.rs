//! Text from outside is made safe once, as it enters the state, so that no view has to think of it.

use std::collections::BTreeMap;

use sagascope_api::breakers::{Breaker, BreakerChange};
use sagascope_api::canaries::{Canary, CanaryChange};
use sagascope_api::experiments::{Experiment, ExperimentRun, FigureTable, Finding, ProgressLine, RunSummary, Scenario};
use sagascope_api::explain::{Evidence, Explanation};
use sagascope_api::faults::{FaultKindOption, FaultStatus, FaultTargetOption};
use sagascope_api::invariants::{self, Invariant};
use sagascope_api::live::{LiveMessage, Rows};
use sagascope_api::logs::LogRow;
use sagascope_api::overview::{Demo, Overview, SagaTypeSummary};
use sagascope_api::read_models::{DeadLetter, Outbox, ReadModel};
use sagascope_api::sagas::{
    Compensation, CurrentStep, Saga, SagaDetail, SagaEvent, SagaType, Step, StepSummary, Waiting,
};
use sagascope_api::services::Service;
use sagascope_api::text;
use sagascope_api::traces::{Span, SpanEvent, SpanLink, Trace, TraceRoot, TraceSummary};
use sagascope_conventions::fault::{Fault, FaultCapability, FaultStrength, FaultTarget};
use serde_json::{Map, Value};

/// Longest text kept, in characters; no view shows more of one value.
const TEXT_LIMIT: usize = 2_000;

/// Makes every text inside harmless to a terminal.
pub(super) trait Scrub {
    fn scrub(&mut self);
}

impl Scrub for String {
    fn scrub(&mut self) {
        // Nearly every text is short printable ASCII, which needs no copy.
        let plain = self.len() <= TEXT_LIMIT && self.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !plain {
            *self = text::scrub(self, TEXT_LIMIT);
        }
    }
}

impl<T: Scrub> Scrub for Option<T> {
    fn scrub(&mut self) {
        self.iter_mut().for_each(Scrub::scrub);
    }
}

impl<T: Scrub> Scrub for Vec<T> {
    fn scrub(&mut self) {
        self.iter_mut().for_each(Scrub::scrub);
    }
}

impl<T> Scrub for BTreeMap<String, T> {
    fn scrub(&mut self) {
        *self = std::mem::take(self)
            .into_iter()
            .map(|(key, value)| (cleaned(key), value))
            .collect();
    }
}

impl Scrub for Map<String, Value> {
    fn scrub(&mut self) {
        *self = std::mem::take(self)
            .into_iter()
            .map(|(key, mut value)| {
                value.scrub();
                (cleaned(key), value)
            })
            .collect();
    }
}

impl Scrub for Value {
    fn scrub(&mut self) {
        match self {
            Self::String(text) => text.scrub(),
            Self::Array(values) => values.scrub(),
            Self::Object(map) => map.scrub(),
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}

fn cleaned(mut text: String) -> String {
    text.scrub();
    text
}

macro_rules! scrub_fields {
    ($($type:ty { $($field:ident),+ })+) => {
        $(impl Scrub for $type {
            fn scrub(&mut self) {
                $(self.$field.scrub();)+
            }
        })+
    };
}

scrub_fields! {
    Overview { saga_types, version, durability, demo }
    SagaTypeSummary { name }
    Demo { profile, summary }
    Service { name, faults }
    Saga { id, name, step, waiting, correlation_id, trace_id, reason, faults }
    CurrentStep { name }
    Waiting { on }
    SagaDetail { saga, steps, events, breakers }
    Step { name, reason, compensation }
    Compensation { reason }
    SagaEvent { name, service, step, reason, fault_id, trace_id, span_id }
    SagaType { name, steps }
    StepSummary { name }
    Breaker { id, caller, name, target, instance, reason, waiting_sagas, history }
    BreakerChange { reason }
    ReadModel { name, service, partition }
    Outbox { name, service }
    Invariant { id, service, statement, evidence }
    Canary { service, told_by, version, reason, changes }
    CanaryChange { version, reason }
    invariants::Evidence { text }
    DeadLetter { id, destination, service, reason, correlation_id, trace_id }
    TraceSummary { trace_id, root, services, faults, correlation_id }
    TraceRoot { service, name }
    Trace { trace_id, root, spans, critical_path, sagas, linked_traces }
    Span { span_id, parent_span_id, service, name, kind, status, status_message, attributes, events, links }
    SpanEvent { name, attributes }
    SpanLink { trace_id, span_id }
    LogRow { service, severity_text, event_name, body, attributes, trace_id, span_id, correlation_id }
    FaultStatus { fault, instances }
    Fault { id, target, strength }
    FaultTarget { service, operation, instance }
    FaultStrength { peer }
    FaultTargetOption { service, instances, kinds }
    FaultKindOption { capability, strength, description }
    FaultCapability { operations }
    Explanation { id, kind, summary, cause, evidence }
    Evidence { text, link }
    Experiment { scenario, last, run }
    Scenario { name, title, look_at }
    RunSummary { id, experiment, verdict }
    ExperimentRun { summary, progress, tables, findings }
    ProgressLine { text }
    FigureTable { title, columns, rows }
    Finding { text }
}

impl Scrub for Rows {
    fn scrub(&mut self) {
        match self {
            Self::Overview(rows) => rows.scrub(),
            Self::Services(rows) => rows.scrub(),
            Self::Sagas(rows) => rows.scrub(),
            Self::Breakers(rows) => rows.scrub(),
            Self::ReadModels(rows) => rows.scrub(),
            Self::Outboxes(rows) => rows.scrub(),
            Self::DeadLetters(rows) => rows.scrub(),
            Self::Invariants(rows) => rows.scrub(),
            Self::Canaries(rows) => rows.scrub(),
            Self::Traces(rows) => rows.scrub(),
            Self::Logs(rows) => rows.scrub(),
            Self::Faults(rows) => rows.scrub(),
            Self::Experiments(rows) => rows.scrub(),
        }
    }
}

impl Scrub for LiveMessage {
    fn scrub(&mut self) {
        match self {
            Self::Snapshot { data, .. } => data.scrub(),
            // Keys are made of scrubbed texts, so they are looked for as such.
            Self::Update { data, removed, .. } => {
                data.scrub();
                removed.scrub();
            }
            Self::Lagged { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hostile_is_left_in_a_span() {
        let hostile = "x\u{1b}[2J\u{202e}\u{7}".to_owned();
        let mut attributes = Map::new();
        attributes.insert(hostile.clone(), Value::Array(vec![Value::String(hostile.clone())]));
        let mut span = Span {
            name: hostile.clone(),
            attributes,
            ..Span::default()
        };
        span.scrub();
        let text = serde_json::to_string(&span).unwrap();
        assert!(!text.contains("\\u001b") && !text.contains('\u{202e}'), "{text}");
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["orders → payments", "a b", ""] {
            assert_eq!(cleaned(text.into()), text);
        }
        assert_eq!(cleaned("x".repeat(TEXT_LIMIT + 1)).chars().count(), TEXT_LIMIT + 1);
    }
}
