//! What the three signals share: numbers, ids, attribute values, resource and scope.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use opentelemetry_proto::tonic::common::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A message; like everything else it may be `null`.
pub(super) type One<T> = Option<Object<T>>;
/// A list that may be `null`.
pub(super) type List<T> = Option<Vec<One<T>>>;

/// The message in its protobuf form.
pub(super) fn one<T: Into<P>, P>(message: One<T>) -> Option<P> {
    message.map(|message| message.0.into())
}

/// Every item in its protobuf form; a `null` item is an empty one.
pub(super) fn all<T: Default + Into<P>, P>(list: List<T>) -> Vec<P> {
    list.into_iter()
        .flatten()
        .map(|item| item.unwrap_or_default().0.into())
        .collect()
}

/// A message as an object: serde alone would take a list of its fields' values too.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                let _level = Level::enter()?;
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// Messages in each other, the request itself not counted: as many as in protobuf, where the same message is one level too.
const LEVELS_MAX: u32 = 100;

/// A message that is being read on this thread, in others; serde hands nothing down that could count them.
struct Level;

thread_local! {
    static LEVELS: Cell<u32> = const { Cell::new(0) };
}

impl Level {
    fn enter<E: de::Error>() -> Result<Self, E> {
        let levels = LEVELS.get();
        if levels > LEVELS_MAX {
            return Err(E::custom(format!(
                "messages lie more than {LEVELS_MAX} deep in each other"
            )));
        }
        LEVELS.set(levels + 1);
        Ok(Self)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVELS.set(LEVELS.get() - 1);
    }
}

/// A whole number, as digits or as text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Int<T>(pub(super) T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Int<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = written(deserializer)?;
        let number = match written.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) if text.contains('\\') => {
                whole(&serde_json::from_str::<String>(written).map_err(de::Error::custom)?)
            }
            Some(text) => whole(text),
            None => whole(written),
        };
        in_range(written, number).map(Self)
    }
}

/// An enum: its number; names are not OTLP/JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Enum(pub(super) i32);

impl<'de> Deserialize<'de> for Enum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = written(deserializer)?;
        if written.starts_with('"') {
            return Err(de::Error::custom("an enum is its number: names are not OTLP/JSON"));
        }
        in_range(written, whole(written)).map(Self)
    }
}

/// The value as it stands in the text: a number read any other way may already be rounded.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'de str, D::Error> {
    <&RawValue>::deserialize(deserializer).map(RawValue::get)
}

fn in_range<T: TryFrom<i128>, E: de::Error>(written: &str, number: Option<i128>) -> Result<T, E> {
    number.and_then(|number| number.try_into().ok()).ok_or_else(|| {
        let start: String = written.chars().take(40).collect();
        E::custom(format!("{start} is no whole number within the range of its field"))
    })
}

/// The whole number that a decimal one is, exactly: also with an exponent, or a fraction of zeros.
fn whole(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [before, after].concat();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let exponent = exponent
        .checked_add(zeros)?
        .checked_sub(i64::try_from(after.len()).ok()?)?;
    let scale = 10_i128.checked_pow(u32::try_from(exponent).ok()?)?;
    let number = significant.parse::<i128>().ok()?.checked_mul(scale)?;
    Some(if is_negative { -number } else { number })
}

/// A fraction, as digits or as text, `NaN` and infinities too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Double(pub(super) f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DoubleVisitor;
        impl Visitor<'_> for DoubleVisitor {
            type Value = f64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<f64, E> {
                Ok(number)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<f64, E> {
                Ok(number as f64)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<f64, E> {
                Ok(number as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
                match text {
                    "NaN" => Ok(f64::NAN),
                    "Infinity" => Ok(f64::INFINITY),
                    "-Infinity" => Ok(f64::NEG_INFINITY),
                    _ => text
                        .parse()
                        .ok()
                        .filter(|number: &f64| number.is_finite())
                        .ok_or_else(|| E::invalid_value(de::Unexpected::Str("text"), &self)),
                }
            }
        }
        deserializer.deserialize_any(DoubleVisitor).map(Self)
    }
}

/// A trace or span id. What is no hex becomes an id of a wrong length, which refuses the one record that has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
        Ok(Self(bytes.unwrap_or_else(|| vec![0])))
    }
}

/// Bytes as base64, standard or for URLs, padded or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Base64(Vec<u8>);

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?.replace('-', "+").replace('_', "/");
        ENGINE.decode(text).map(Self).map_err(de::Error::custom)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Any {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<Int<i64>>,
    double_value: Option<Double>,
    array_value: One<Array>,
    kvlist_value: One<Map>,
    bytes_value: Option<Base64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Array {
    values: List<Any>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Map {
    values: List<KeyValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    key: Option<String>,
    value: One<Any>,
}

impl From<Any> for proto::AnyValue {
    fn from(any: Any) -> Self {
        use proto::any_value::Value;
        let value = any
            .string_value
            .map(Value::StringValue)
            .or_else(|| any.bool_value.map(Value::BoolValue))
            .or_else(|| any.int_value.map(|number| Value::IntValue(number.0)))
            .or_else(|| any.double_value.map(|number| Value::DoubleValue(number.0)))
            .or_else(|| {
                any.array_value.map(|array| {
                    Value::ArrayValue(proto::ArrayValue {
                        values: all(array.0.values),
                    })
                })
            })
            .or_else(|| {
                any.kvlist_value.map(|map| {
                    Value::KvlistValue(proto::KeyValueList {
                        values: all(map.0.values),
                    })
                })
            })
            .or_else(|| any.bytes_value.map(|bytes| Value::BytesValue(bytes.0)));
        Self { value }
    }
}

impl From<KeyValue> for proto::KeyValue {
    fn from(pair: KeyValue) -> Self {
        Self {
            key: pair.key.unwrap_or_default(),
            value: one(pair.value),
            ..Self::default()
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Resource {
    attributes: List<KeyValue>,
    dropped_attributes_count: Option<Int<u32>>,
}

impl From<Resource> for ProtoResource {
    fn from(resource: Resource) -> Self {
        Self {
            attributes: all(resource.attributes),
            dropped_attributes_count: resource.dropped_attributes_count.unwrap_or_default().0,
            ..Self::default()
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Scope {
    name: Option<String>,
    version: Option<String>,
    attributes: List<KeyValue>,
    dropped_attributes_count: Option<Int<u32>>,
}

impl From<Scope> for proto::InstrumentationScope {
    fn from(scope: Scope) -> Self {
        Self {
            name: scope.name.unwrap_or_default(),
            version: scope.version.unwrap_or_default(),
            attributes: all(scope.attributes),
            dropped_attributes_count: scope.dropped_attributes_count.unwrap_or_default().0,
        }
    }
}
