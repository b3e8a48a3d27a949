//! What can be searched: spans, log records, sagas, each with its fields and its texts.

use sagascope_api::sagas::Saga;
use sagascope_conventions::attributes as key;

use super::pattern::Field;
use crate::rows::{Attributes, LogRow, PointRow, Resource, SpanRow, Value};

/// Something with named fields and texts. The visitor says whether a value will do, which ends the visit.
pub(super) trait Subject {
    /// Visits the values of a field.
    fn field(&self, name: &str, accepts: &mut dyn FnMut(Field<'_>) -> bool) -> bool;

    /// Visits every text.
    fn texts(&self, accepts: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl Subject for SpanRow {
    fn field(&self, name: &str, accepts: &mut dyn FnMut(Field<'_>) -> bool) -> bool {
        match name {
            "service" => accepts(Field::Text(&self.resource.service)),
            "instance" => accepts(Field::Text(&self.resource.instance)),
            "name" | "operation" => accepts(Field::Text(&self.name)),
            "kind" => accepts(Field::Text(self.kind.as_str())),
            "status" => accepts(Field::Text(self.status.as_str())),
            "status_message" => accepts(Field::Text(&self.status_message)),
            "scope" => accepts(Field::Text(&self.scope.name)),
            "duration" => accepts(Field::Nanos(self.duration_nanos)),
            "trace" | "trace_id" => accepts(Field::Text(&self.trace_id.to_string())),
            "span" | "span_id" => accepts(Field::Text(&self.span_id.to_string())),
            "parent" | "parent_span_id" => self
                .parent_span_id
                .is_some_and(|id| accepts(Field::Text(&id.to_string()))),
            "event" => self.events.iter().any(|event| accepts(Field::Text(&event.name))),
            _ => {
                attribute(&self.attributes, &self.resource, name, accepts)
                    || self
                        .events
                        .iter()
                        .any(|event| own(&event.attributes, plain(name), accepts))
            }
        }
    }

    fn texts(&self, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        accepts(&self.name)
            || accepts(&self.resource.service)
            || accepts(&self.status_message)
            || all_texts(&self.attributes, accepts)
            || accepts(&self.trace_id.to_string())
            || self
                .events
                .iter()
                .any(|event| accepts(&event.name) || all_texts(&event.attributes, accepts))
    }
}

impl Subject for LogRow {
    fn field(&self, name: &str, accepts: &mut dyn FnMut(Field<'_>) -> bool) -> bool {
        match name {
            "service" => accepts(Field::Text(&self.resource.service)),
            "instance" => accepts(Field::Text(&self.resource.instance)),
            "scope" => accepts(Field::Text(&self.scope.name)),
            "severity" | "level" => {
                accepts(Field::Number(f64::from(self.severity)))
                    || accepts(Field::Text(severity_word(self.severity)))
                    || accepts(Field::Text(&self.severity_text))
            }
            "event" | "event_name" => self
                .event_name
                .as_deref()
                .is_some_and(|name| accepts(Field::Text(name))),
            "body" | "message" => {
                texts_of(&self.body, &mut |text| accepts(Field::Text(text)))
                    || self.body != Value::Empty && accepts(Field::Other)
            }
            "trace" | "trace_id" => self.trace_id.is_some_and(|id| accepts(Field::Text(&id.to_string()))),
            "span" | "span_id" => self.span_id.is_some_and(|id| accepts(Field::Text(&id.to_string()))),
            _ => attribute(&self.attributes, &self.resource, name, accepts),
        }
    }

    fn texts(&self, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        texts_of(&self.body, accepts)
            || accepts(&self.resource.service)
            || self.event_name.as_deref().is_some_and(&mut *accepts)
            || all_texts(&self.attributes, accepts)
            || self.trace_id.is_some_and(|id| accepts(&id.to_string()))
    }
}

impl Subject for PointRow {
    fn field(&self, name: &str, accepts: &mut dyn FnMut(Field<'_>) -> bool) -> bool {
        match name {
            "service" => accepts(Field::Text(&self.resource.service)),
            "instance" => accepts(Field::Text(&self.resource.instance)),
            "scope" => accepts(Field::Text(&self.scope.name)),
            "name" | "metric" => accepts(Field::Text(&self.metric.name)),
            "unit" => accepts(Field::Text(&self.metric.unit)),
            "kind" => accepts(Field::Text(self.metric.kind.word().as_str())),
            _ => attribute(&self.attributes, &self.resource, name, accepts),
        }
    }

    fn texts(&self, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        accepts(&self.metric.name)
            || accepts(&self.metric.description)
            || accepts(&self.resource.service)
            || all_texts(&self.attributes, accepts)
    }
}

impl Subject for Saga {
    fn field(&self, name: &str, accepts: &mut dyn FnMut(Field<'_>) -> bool) -> bool {
        let mut text = |text: Option<&str>| text.is_some_and(|text| accepts(Field::Text(text)));
        match name {
            key::SAGA_NAME | "name" | "saga" => text(Some(&self.name)),
            key::SAGA_ID | "id" => text(Some(&self.id)),
            "state" | "saga.state" => text(Some(self.state.as_str())),
            "stuck" => accepts(Field::Truth(self.stuck)),
            "step" | key::SAGA_STEP_NAME => text(self.step.as_ref().map(|step| step.name.as_str())),
            "attempt" | key::SAGA_STEP_ATTEMPT => self
                .step
                .as_ref()
                .is_some_and(|step| accepts(Field::Number(f64::from(step.attempt)))),
            "waiting" | key::SAGA_STEP_WAITING_FOR => text(self.waiting.as_ref().map(|waiting| waiting.kind.as_str())),
            key::SAGA_STEP_WAITING_ON => text(self.waiting.as_ref().and_then(|waiting| waiting.on.as_deref())),
            key::SAGA_COORDINATION | "coordination" => {
                text(self.coordination.map(|coordination| coordination.as_str()))
            }
            key::CORRELATION_ID | "correlation" => text(self.correlation_id.as_deref()),
            "trace" | "trace_id" => text(self.trace_id.as_deref()),
            key::SAGA_REASON | "reason" => text(self.reason.as_deref()),
            key::FAULT_ID | "fault" => self.faults.iter().any(|fault| text(Some(fault))),
            "duration" => {
                let end = self.ended_at.unwrap_or(self.updated_at);
                accepts(Field::Nanos(end.0.saturating_sub(self.started_at.0)))
            }
            _ => false,
        }
    }

    fn texts(&self, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        let step = self.step.as_ref().map(|step| step.name.as_str());
        [
            Some(self.id.as_str()),
            Some(&self.name),
            Some(self.state.as_str()),
            step,
        ]
        .into_iter()
        .chain([&self.correlation_id, &self.trace_id, &self.reason].map(Option::as_deref))
        .chain(self.faults.iter().map(|fault| Some(fault.as_str())))
        .flatten()
        .any(accepts)
    }
}

/// The name of an attribute that stands behind `attr.`, for those named like a field or like a resource's.
pub(super) fn plain(name: &str) -> &str {
    name.strip_prefix("attr.").unwrap_or(name)
}

/// An attribute of the record or of its resource; the resource's alone after `resource.`.
fn attribute(
    attributes: &Attributes,
    resource: &Resource,
    name: &str,
    accepts: &mut dyn FnMut(Field<'_>) -> bool,
) -> bool {
    if let Some(name) = name.strip_prefix("resource.") {
        return own(&resource.attributes, name, accepts);
    }
    let name = plain(name);
    own(attributes, name, accepts)
        || name == key::CORRELATION_ID && own(attributes, key::CONVERSATION_ID, accepts)
        || own(&resource.attributes, name, accepts)
}

fn own(attributes: &Attributes, name: &str, accepts: &mut dyn FnMut(Field<'_>) -> bool) -> bool {
    attributes.get(name).is_some_and(|value| visit(value, accepts))
}

/// A list has each of its elements as a value.
pub(super) fn visit(value: &Value, accepts: &mut dyn FnMut(Field<'_>) -> bool) -> bool {
    match value {
        Value::Text(text) => accepts(Field::Text(text)),
        Value::Bool(truth) => accepts(Field::Truth(*truth)),
        Value::Int(number) => accepts(Field::Int(*number)),
        Value::Double(number) => accepts(Field::Number(*number)),
        Value::List(list) if !list.is_empty() => list.iter().any(|value| visit(value, accepts)),
        Value::Empty | Value::Bytes(_) | Value::List(_) | Value::Map(_) => accepts(Field::Other),
    }
}

fn all_texts(attributes: &Attributes, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
    attributes.0.iter().any(|(_, value)| texts_of(value, accepts))
}

pub(super) fn texts_of(value: &Value, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::Text(text) => accepts(text),
        Value::Int(number) => accepts(&number.to_string()),
        Value::Double(number) => accepts(&number.to_string()),
        Value::Bool(truth) => accepts(if *truth { "true" } else { "false" }),
        Value::List(list) => list.iter().any(|value| texts_of(value, accepts)),
        Value::Map(map) => map.iter().any(|(_, value)| texts_of(value, accepts)),
        Value::Empty | Value::Bytes(_) => false,
    }
}

/// The ranges of OTLP severity numbers.
pub(super) const fn severity_word(number: u8) -> &'static str {
    match number {
        1..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        21.. => "fatal",
        0 => "",
    }
}
