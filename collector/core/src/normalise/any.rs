//! Values back into OTLP.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

use crate::rows::Value;

/// A value as a message.
pub(crate) fn any_of(value: &Value) -> AnyValue {
    let value = match value {
        Value::Empty => None,
        Value::Text(text) => Some(Otlp::StringValue(text.to_string())),
        Value::Bool(truth) => Some(Otlp::BoolValue(*truth)),
        Value::Int(number) => Some(Otlp::IntValue(*number)),
        Value::Double(number) => Some(Otlp::DoubleValue(*number)),
        Value::Bytes(bytes) => Some(Otlp::BytesValue(bytes.to_vec())),
        Value::List(values) => Some(Otlp::ArrayValue(ArrayValue {
            values: values.iter().map(any_of).collect(),
        })),
        Value::Map(pairs) => Some(Otlp::KvlistValue(KeyValueList {
            values: pairs
                .iter()
                .map(|(key, value)| KeyValue {
                    key: key.to_string(),
                    value: Some(any_of(value)),
                    ..KeyValue::default()
                })
                .collect(),
        })),
    };
    AnyValue { value }
}
