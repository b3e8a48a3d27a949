//! Values as the text that OpenTelemetry gives them, and back.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sagascope_core::block::{AttributeValues, Cell, Kind, Strings, ValueRef};
use sagascope_core::rows::Value;

use crate::segments::codec::Damaged;

/// Appends a value: text as it is, bytes in base64, lists and maps as JSON.
pub(super) fn write(value: ValueRef<'_>, out: &mut String) {
    // Writing to a string does not fail.
    let _ = match value {
        ValueRef::Empty => Ok(()),
        ValueRef::Text(text) => out.write_str(text),
        ValueRef::Bool(truth) => write!(out, "{truth}"),
        ValueRef::Int(number) => write!(out, "{number}"),
        ValueRef::Double(number) => write_double(number, out),
        ValueRef::Bytes(bytes) => {
            STANDARD.encode_string(bytes, out);
            Ok(())
        }
        ValueRef::Nested(_) => write_json(&value.to_value(), out),
    };
}

fn write_double(number: f64, out: &mut String) -> std::fmt::Result {
    let size = number.abs();
    if size != 0.0 && size.is_finite() && !(1e-6..1e21).contains(&size) {
        write!(out, "{number:e}")
    } else {
        write!(out, "{number}")
    }
}

fn write_json(value: &Value, out: &mut String) -> std::fmt::Result {
    match value {
        Value::Empty => out.write_str("null"),
        Value::Text(text) => write_quoted(text, out),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Double(number) if number.is_finite() => write_double(*number, out),
        Value::Double(number) => write_quoted(&number.to_string(), out),
        Value::Bytes(bytes) => write_quoted(&STANDARD.encode(bytes), out),
        Value::List(values) => {
            out.push('[');
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_json(value, out)?;
            }
            out.write_char(']')
        }
        Value::Map(entries) => {
            out.push('{');
            for (n, (key, value)) in entries.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_quoted(key, out)?;
                out.push(':');
                write_json(value, out)?;
            }
            out.write_char('}')
        }
    }
}

fn write_quoted(text: &str, out: &mut String) -> std::fmt::Result {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(out, "\\{letter}")?,
            control if control < ' ' => write!(out, "\\u{:04x}", u32::from(control))?,
            other => out.push(other),
        }
    }
    out.write_char('"')
}

/// A value from its text; lists and maps come from `nested`, since JSON does not say all of them.
pub(super) fn read<'a>(
    kind: Kind,
    text: &[u8],
    nested: impl FnOnce() -> Result<&'a [u8], Damaged>,
    strings: &mut Strings,
    values: &mut AttributeValues,
) -> Result<Cell, Damaged> {
    let words = || std::str::from_utf8(text).map_err(|_| NO_TEXT);
    let of = |bits| Cell { kind, bits };
    Ok(match kind {
        Kind::Empty => Cell::default(),
        Kind::Text => Cell::text(strings.intern(words()?)),
        Kind::Bool => of(u64::from(text == b"true")),
        Kind::Int => of(words()?.parse::<i64>().map_err(|_| NO_NUMBER)?.cast_unsigned()),
        Kind::Double => of(words()?.parse::<f64>().map_err(|_| NO_NUMBER)?.to_bits()),
        Kind::Bytes => values.blob(kind, &STANDARD.decode(text).map_err(|_| NO_BYTES)?),
        Kind::Nested => values.blob(kind, nested()?),
    })
}

pub(super) const NO_TEXT: Damaged = Damaged("a text is not UTF-8");
const NO_NUMBER: Damaged = Damaged("a number does not read as one");
const NO_BYTES: Damaged = Damaged("bytes are not base64");

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: ValueRef<'_>) -> String {
        let mut out = String::new();
        write(value, &mut out);
        out
    }

    #[test]
    fn values_read_as_they_are_elsewhere() {
        assert_eq!(written(ValueRef::Double(0.5)), "0.5");
        assert_eq!(written(ValueRef::Double(-3.0)), "-3");
        assert_eq!(written(ValueRef::Double(1e300)), "1e300");
        assert_eq!(written(ValueRef::Int(i64::MIN)), i64::MIN.to_string());
        assert_eq!(written(ValueRef::Bytes(&[1, 2])), "AQI=");
        let map = Value::Map(vec![(
            "a\"\n".into(),
            Value::List(vec![Value::Int(1), Value::Empty, Value::Text("ü".into())]),
        )]);
        let mut out = String::new();
        write_json(&map, &mut out).unwrap();
        assert_eq!(out, r#"{"a\"\u000a":[1,null,"ü"]}"#);
    }
}
