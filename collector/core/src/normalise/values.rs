//! Attribute values and resources, bounded in number, length and depth.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use sagascope_conventions::attributes as key;

use super::interner::{Interner, cut};
use crate::rows::{Attributes, Resource, Scope, Value};

/// Attributes kept of one record.
pub(crate) const ATTRIBUTES_MAX: usize = 128;
/// Elements kept of one list or map inside a value.
const ELEMENTS_MAX: usize = 256;
/// Bytes kept of one text or byte value.
pub(crate) const VALUE_BYTES_MAX: usize = 16 * 1024;
/// Lists and maps within each other; what is deeper becomes empty.
const DEPTH_MAX: usize = 8;

pub(super) fn attributes(pairs: Vec<KeyValue>, names: &mut Interner) -> Attributes {
    Attributes(map(pairs, names, ATTRIBUTES_MAX, DEPTH_MAX))
}

/// Attributes, and how many were left out by the sender and here.
pub(super) fn counted(pairs: Vec<KeyValue>, dropped: u32, names: &mut Interner) -> (Attributes, u32) {
    let sent = pairs.len();
    let attributes = attributes(pairs, names);
    let cut = u32::try_from(sent - attributes.0.len()).unwrap_or(u32::MAX);
    (attributes, dropped.saturating_add(cut))
}

pub(super) fn value(value: Option<AnyValue>, names: &mut Interner) -> Value {
    any(value, names, DEPTH_MAX)
}

pub(super) fn text(text: String) -> Box<str> {
    if text.len() <= VALUE_BYTES_MAX {
        text.into_boxed_str()
    } else {
        cut(&text, VALUE_BYTES_MAX).into()
    }
}

pub(super) fn resource(resource: Option<OtlpResource>, schema_url: &str, names: &mut Interner) -> Arc<Resource> {
    let resource = resource.unwrap_or_default();
    let (attributes, dropped_attributes) = counted(resource.attributes, resource.dropped_attributes_count, names);
    let named = |key: &str| attributes.text(key).filter(|text| !text.is_empty());
    Arc::new(Resource {
        service: names.name(named(key::SERVICE_NAME).unwrap_or("unknown_service")),
        instance: names.name(named(key::SERVICE_INSTANCE_ID).unwrap_or_default()),
        attributes,
        dropped_attributes,
        schema_url: names.name(schema_url),
    })
}

pub(super) fn scope(scope: Option<InstrumentationScope>, schema_url: &str, names: &mut Interner) -> Arc<Scope> {
    let scope = scope.unwrap_or_default();
    let (attributes, dropped_attributes) = counted(scope.attributes, scope.dropped_attributes_count, names);
    Arc::new(Scope {
        name: names.name(&scope.name),
        version: names.name(&scope.version),
        attributes,
        dropped_attributes,
        schema_url: names.name(schema_url),
    })
}

/// A message as a value, within the bounds of every value.
pub(crate) fn value_of(message: AnyValue) -> Value {
    any(Some(message), &mut Interner::default(), DEPTH_MAX)
}

fn any(value: Option<AnyValue>, names: &mut Interner, depth: usize) -> Value {
    let Some(value) = value.and_then(|value| value.value) else {
        return Value::Empty;
    };
    match value {
        Otlp::StringValue(t) => Value::Text(text(t)),
        Otlp::BoolValue(b) => Value::Bool(b),
        Otlp::IntValue(n) => Value::Int(n),
        Otlp::DoubleValue(n) => Value::Double(n),
        Otlp::BytesValue(mut bytes) => {
            bytes.truncate(VALUE_BYTES_MAX);
            Value::Bytes(bytes.into_boxed_slice())
        }
        Otlp::ArrayValue(_) | Otlp::KvlistValue(_) if depth == 0 => Value::Empty,
        Otlp::ArrayValue(list) => Value::List(
            list.values
                .into_iter()
                .take(ELEMENTS_MAX)
                .map(|value| any(Some(value), names, depth - 1))
                .collect(),
        ),
        Otlp::KvlistValue(list) => Value::Map(map(list.values, names, ELEMENTS_MAX, depth - 1)),
        // Refers to a table that only profiles carry.
        Otlp::StringValueStrindex(_) => Value::Empty,
    }
}

fn map(pairs: Vec<KeyValue>, names: &mut Interner, limit: usize, depth: usize) -> Vec<(Arc<str>, Value)> {
    pairs
        .into_iter()
        .filter(|pair| !pair.key.is_empty())
        .take(limit)
        .map(|pair| (names.name(&pair.key), any(pair.value, names, depth)))
        .collect()
}
