//! Values as JSON.

use serde_json::Value as Json;

use crate::rows::Value;

/// Whole numbers beyond this lose digits in a browser.
const EXACT_MAX: i64 = 1 << 53;

/// A value as people read it: text as it is, nothing as nothing, the rest as JSON.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => text.to_string(),
        other => match json(other) {
            Json::String(text) => text,
            json => json.to_string(),
        },
    }
}

/// A value as JSON. What JSON cannot say becomes text: numbers beyond 2^53, not-a-number, bytes (as hex).
#[must_use]
pub fn json(value: &Value) -> Json {
    match value {
        Value::Empty => Json::Null,
        Value::Text(text) => Json::String(text.to_string()),
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) if (-EXACT_MAX..=EXACT_MAX).contains(number) => Json::from(*number),
        Value::Int(number) => Json::String(number.to_string()),
        Value::Double(number) if number.is_finite() => Json::from(*number),
        Value::Double(number) => Json::String(number.to_string()),
        Value::Bytes(bytes) => Json::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Value::List(list) => Json::Array(list.iter().map(json).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.to_string(), json(value))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::text as value;

    #[test]
    fn what_json_cannot_say_becomes_text() {
        for (value, expected) in [
            (Value::Int(7), "7"),
            (Value::Int(i64::MAX), "\"9223372036854775807\""),
            (Value::Double(1.5), "1.5"),
            (Value::Double(f64::NAN), "\"NaN\""),
            (Value::Double(f64::NEG_INFINITY), "\"-inf\""),
            (Value::Bytes([0xab, 1].into()), "\"ab01\""),
            (Value::Empty, "null"),
            (Value::List(vec![Value::Bool(true), value("x")]), "[true,\"x\"]"),
            (Value::Map(vec![("k".into(), Value::Int(1))]), "{\"k\":1}"),
        ] {
            assert_eq!(json(&value).to_string(), expected);
        }
        assert_eq!(text(&value("plain")), "plain");
        assert_eq!(text(&Value::Empty), "");
        assert_eq!(text(&Value::List(vec![Value::Int(1)])), "[1]");
    }
}
