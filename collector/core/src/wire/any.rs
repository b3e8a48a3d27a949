//! Attribute values, whole or as the bytes of what is nested.

use std::borrow::Cow;

use super::reader::{Malformed, Reader};
use crate::block::{Cell, Kind, Str, Tables};
use crate::normalise::{ATTRIBUTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX, cut};

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Any<'a> {
    Empty,
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    /// The whole `AnyValue`, which holds a list or map.
    Nested(Cow<'a, [u8]>),
}

/// Reads an `AnyValue` that lies at `level`. Of several values in it the last counts, as the format has it; two lists, or
/// two maps, are one.
pub(super) fn any(bytes: &[u8], level: u32) -> Result<Any<'_>, Malformed> {
    let mut value = Any::Empty;
    // Which of list and map the value is so far, and its bytes.
    let mut nested: Option<(u32, Cow<'_, [u8]>)> = None;
    let mut reader = Reader::new(bytes, level);
    while let Some((number, field)) = reader.next()? {
        let plain = match number {
            1 => Any::Text(field.text()?),
            2 => Any::Bool(field.varint()? != 0),
            3 => Any::Int(field.varint()?.cast_signed()),
            4 => Any::Double(field.double()?),
            5 | 6 => {
                let inner = field.message(level)?;
                values(inner, number, level + 1)?;
                nested = Some(match nested.take() {
                    Some((known, bytes)) if known == number => (number, joined(bytes, inner)),
                    _ => (number, Cow::Borrowed(inner)),
                });
                continue;
            }
            7 => Any::Bytes(field.bytes()?),
            8 => {
                // Refers to a table that only profiles carry.
                field.varint()?;
                Any::Empty
            }
            _ => {
                reader.unknown()?;
                continue;
            }
        };
        nested = None;
        value = plain;
    }
    Ok(match nested {
        // As it came, when that is all there is; else made anew from the part that counts.
        Some((number, inner)) => Any::Nested(wrapped(bytes, number, inner)),
        None => value,
    })
}

/// Checks the list (5) or map (6) that lies at `level`.
fn values(bytes: &[u8], number: u32, level: u32) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes, level);
    while let Some((inner, field)) = reader.next()? {
        match (inner, number) {
            (1, 5) => {
                any(field.message(level)?, level + 1)?;
            }
            (1, _) => {
                key_value(field.message(level)?, level + 1)?;
            }
            _ => reader.unknown()?,
        }
    }
    Ok(())
}

fn joined<'a>(first: Cow<'a, [u8]>, second: &[u8]) -> Cow<'a, [u8]> {
    let mut both = first.into_owned();
    both.extend_from_slice(second);
    Cow::Owned(both)
}

fn wrapped<'a>(whole: &'a [u8], number: u32, inner: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    let mut header = vec![(number << 3 | 2) as u8];
    let mut length = inner.len();
    while length >= 0x80 {
        header.push(length as u8 | 0x80);
        length >>= 7;
    }
    header.push(length as u8);
    if whole.len() == header.len() + inner.len() && whole.starts_with(&header) {
        return Cow::Borrowed(whole);
    }
    header.extend_from_slice(&inner);
    Cow::Owned(header)
}

/// Reads a `KeyValue` that lies at `level`.
#[inline]
pub(super) fn key_value(bytes: &[u8], level: u32) -> Result<(&str, Any<'_>), Malformed> {
    let (mut key, mut value) = ("", None);
    let mut reader = Reader::new(bytes, level);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => key = field.text()?,
            2 if value.is_none() => value = Some(field.message(level)?),
            2 => return again(bytes, level),
            3 => {
                field.varint()?;
            }
            _ => reader.unknown()?,
        }
    }
    let value = value.map_or(Ok(Any::Empty), |value| any(value, level + 1))?;
    Ok((key, value))
}

/// A pair with several values: they are one message, in parts.
#[cold]
fn again(bytes: &[u8], level: u32) -> Result<(&str, Any<'_>), Malformed> {
    let (mut key, mut whole) = ("", Vec::new());
    let mut reader = Reader::new(bytes, level);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => key = field.text()?,
            2 => {
                let part = field.message(level)?;
                any(part, level + 1)?;
                whole.extend_from_slice(part);
            }
            3 => {
                field.varint()?;
            }
            _ => reader.unknown()?,
        }
    }
    // The parts are good, and so is the whole; its texts cannot be borrowed from here.
    let value = match any(&whole, level + 1)? {
        Any::Empty => Any::Empty,
        Any::Bool(truth) => Any::Bool(truth),
        Any::Int(number) => Any::Int(number),
        Any::Double(number) => Any::Double(number),
        Any::Text(_) | Any::Bytes(_) => last_plain(bytes, level)?,
        Any::Nested(nested) => Any::Nested(Cow::Owned(nested.into_owned())),
    };
    Ok((key, value))
}

/// The last text or bytes among the parts.
fn last_plain(bytes: &[u8], level: u32) -> Result<Any<'_>, Malformed> {
    let mut last = Any::Empty;
    let mut reader = Reader::new(bytes, level);
    while let Some((number, field)) = reader.next()? {
        if number == 2
            && let value @ (Any::Text(_) | Any::Bytes(_)) = any(field.message(level)?, level + 1)?
        {
            last = value;
        }
    }
    Ok(last)
}

/// The attributes of one record: each as the bytes of its `KeyValue`.
pub(super) type Pairs<'a> = Vec<&'a [u8]>;

/// Checks attributes that lie at `level`.
pub(super) fn check_pairs(pairs: &[&[u8]], level: u32) -> Result<(), Malformed> {
    for pair in pairs {
        key_value(pair, level)?;
    }
    Ok(())
}

/// Puts attributes that lie at `level` into the set being built; answers how many were left out.
pub(super) fn push_pairs(pairs: &[&[u8]], level: u32, tables: &mut Tables) -> Result<u32, Malformed> {
    let before = tables.values.pending();
    for pair in pairs {
        let (key, value) = key_value(pair, level)?;
        if !key.is_empty() && tables.values.pending() - before < ATTRIBUTES_MAX {
            let key = name(tables, key);
            let cell = cell(tables, &value);
            tables.values.push(key, cell);
        }
    }
    let kept = tables.values.pending() - before;
    Ok((pairs.len() - kept) as u32)
}

/// A name as it is kept.
#[inline]
pub(super) fn name(tables: &mut Tables, text: &str) -> Str {
    tables.strings.intern(cut(text, NAME_BYTES_MAX))
}

/// A text as it is kept.
#[inline]
pub(super) fn text(tables: &mut Tables, text: &str) -> Str {
    tables.strings.intern(cut(text, VALUE_BYTES_MAX))
}

/// A value as it is kept.
#[inline]
pub(super) fn cell(tables: &mut Tables, value: &Any<'_>) -> Cell {
    let of = |kind, bits| Cell { kind, bits };
    match value {
        Any::Empty => Cell::default(),
        Any::Text(value) => Cell::text(text(tables, value)),
        Any::Bool(truth) => of(Kind::Bool, u64::from(*truth)),
        Any::Int(number) => of(Kind::Int, number.cast_unsigned()),
        Any::Double(number) => of(Kind::Double, number.to_bits()),
        Any::Bytes(bytes) => tables
            .values
            .blob(Kind::Bytes, &bytes[..bytes.len().min(VALUE_BYTES_MAX)]),
        Any::Nested(bytes) => tables.values.blob(Kind::Nested, bytes),
    }
}

/// The text that a field holds when it is one, for names that decide something.
pub(super) fn text_of<'a>(pairs: &[&'a [u8]], level: u32, wanted: &str) -> Option<&'a str> {
    let mut kept = 0;
    for pair in pairs {
        let (key, value) = key_value(pair, level).ok()?;
        if key.is_empty() || kept == ATTRIBUTES_MAX {
            continue;
        }
        kept += 1;
        if cut(key, NAME_BYTES_MAX) == wanted {
            return match value {
                Any::Text(text) => Some(cut(text, VALUE_BYTES_MAX)),
                _ => None,
            };
        }
    }
    None
}
