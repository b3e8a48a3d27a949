//! Attribute values and resources, bounded in number, length and depth.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use sagascope_conventions::attributes as key;

use super::interner::{Interner, cut};
use crate::rows::{Attributes, Resource, Scope, Value};

/// Attributes kept of one record.
pub(crate) const ATTRIBUTES_MAX: usize = 1_024;
/// Bytes kept of one text or byte value. What is in lists and maps is kept whole.
pub(crate) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// The first attributes that have a key.
pub(super) fn attributes(pairs: Vec<KeyValue>, names: &mut Interner) -> Attributes {
    let sent = pairs.len();
    let pairs = pairs.into_iter().filter(|pair| !pair.key.is_empty());
    let kept: Vec<_> = pairs
        .take(ATTRIBUTES_MAX)
        .map(|pair| (names.name(&pair.key), value(pair.value, names)))
        .collect();
    names.cut += (sent - kept.len()) as u64;
    Attributes(kept)
}

/// Attributes, and how many were left out by the sender and here.
pub(super) fn counted(pairs: Vec<KeyValue>, dropped: u32, names: &mut Interner) -> (Attributes, u32) {
    let sent = pairs.len();
    let attributes = attributes(pairs, names);
    let cut = u32::try_from(sent - attributes.0.len()).unwrap_or(u32::MAX);
    (attributes, dropped.saturating_add(cut))
}

pub(super) fn value(value: Option<AnyValue>, names: &mut Interner) -> Value {
    match any(value, names) {
        Value::Text(t) => Value::Text(text(t.into(), names)),
        Value::Bytes(bytes) if bytes.len() > VALUE_BYTES_MAX => {
            names.cut += 1;
            Value::Bytes(bytes[..VALUE_BYTES_MAX].into())
        }
        value => value,
    }
}

pub(super) fn text(text: String, names: &mut Interner) -> Box<str> {
    if text.len() <= VALUE_BYTES_MAX {
        text.into_boxed_str()
    } else {
        names.cut += 1;
        cut(&text, VALUE_BYTES_MAX).into()
    }
}

pub(super) fn resource(resource: Option<OtlpResource>, schema_url: &str, names: &mut Interner) -> Arc<Resource> {
    let resource = resource.unwrap_or_default();
    let (attributes, dropped_attributes) = counted(resource.attributes, resource.dropped_attributes_count, names);
    let named = |key: &str| attributes.text(key).filter(|text| !text.is_empty());
    Arc::new(Resource {
        service: names.copy(named(key::SERVICE_NAME).unwrap_or("unknown_service")),
        instance: names.copy(named(key::SERVICE_INSTANCE_ID).unwrap_or_default()),
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

/// A message as a value, whole: whoever read it has held its depth and size against what a request may have.
pub(crate) fn value_of(message: AnyValue) -> Value {
    any(Some(message), &mut Interner::default())
}

fn any(value: Option<AnyValue>, names: &mut Interner) -> Value {
    let Some(value) = value.and_then(|value| value.value) else {
        return Value::Empty;
    };
    match value {
        Otlp::StringValue(text) => Value::Text(text.into_boxed_str()),
        Otlp::BoolValue(b) => Value::Bool(b),
        Otlp::IntValue(n) => Value::Int(n),
        Otlp::DoubleValue(n) => Value::Double(n),
        Otlp::BytesValue(bytes) => Value::Bytes(bytes.into_boxed_slice()),
        Otlp::ArrayValue(list) => Value::List(list.values.into_iter().map(|value| any(Some(value), names)).collect()),
        Otlp::KvlistValue(list) => Value::Map(
            list.values
                .into_iter()
                .map(|pair| (names.whole(&pair.key), any(pair.value, names)))
                .collect(),
        ),
        // Refers to a table that only profiles carry.
        Otlp::StringValueStrindex(_) => Value::Empty,
    }
}
