//! Attribute values, whole or as the bytes of what is nested.

use std::borrow::Cow;

use super::reader::{LEVELS_MAX, Malformed, Reader, whole_varint};
use crate::block::{Cell, Kind, Str, Tables};
use crate::normalise::{ATTRIBUTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX, cut};

/// A text field that nobody has looked at yet: whoever keeps it, or passes over it, makes sure that it is UTF-8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.0).map_err(|_| Malformed::Text)
    }

    /// Most texts are short and ASCII, which eight bytes at a time tell.
    #[inline]
    pub(super) fn check(self) -> Result<(), Malformed> {
        if is_ascii(self.0) {
            Ok(())
        } else {
            self.text().map(drop)
        }
    }
}

#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & 0x8080_8080_8080_8080 == 0 && rest < 0x80
}

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Any<'a> {
    Empty,
    Text(Raw<'a>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    /// The whole `AnyValue`, which holds a list or map, and how many members are in it.
    Nested(Cow<'a, [u8]>, u64),
}

impl Any<'_> {
    /// Checks the text that it may be.
    #[inline]
    fn check(&self) -> Result<(), Malformed> {
        match self {
            Any::Text(text) => text.check(),
            _ => Ok(()),
        }
    }

    const fn members(&self) -> u64 {
        match self {
            Any::Nested(_, members) => *members,
            _ => 0,
        }
    }
}

/// Reads an `AnyValue` that lies at `level`. Of several values in it the last counts, as the format has it; two lists, or
/// two maps, are one. All texts in it have been checked, but for one that it is itself.
#[inline]
pub(super) fn any(bytes: &[u8], level: u32) -> Result<Any<'_>, Malformed> {
    match plain_any(bytes) {
        Some(plain) => Ok(plain),
        None => any_field_by_field(bytes, level),
    }
}

/// Checks an `AnyValue` that lies at `level`; answers how many members are in it.
#[inline]
pub(super) fn check_any(bytes: &[u8], level: u32) -> Result<u64, Malformed> {
    let value = any(bytes, level)?;
    value.check()?;
    Ok(value.members())
}

/// A value as every exporter writes it: one field that fills the message. These four kinds are the same at every level.
#[inline]
fn plain_any(bytes: &[u8]) -> Option<Any<'_>> {
    match *bytes {
        [0x0a, length, ref text @ ..] if length < 0x80 && text.len() == usize::from(length) => {
            Some(Any::Text(Raw(text)))
        }
        [0x10, truth] if truth < 0x80 => Some(Any::Bool(truth != 0)),
        [0x18, ref number @ ..] => whole_varint(number).map(|number| Any::Int(number.cast_signed())),
        [0x21, a, b, c, d, e, f, g, h] => Some(Any::Double(f64::from_le_bytes([a, b, c, d, e, f, g, h]))),
        _ => None,
    }
}

fn any_field_by_field(bytes: &[u8], level: u32) -> Result<Any<'_>, Malformed> {
    let mut value = Any::Empty;
    // Which of list and map the value is so far, and its bytes.
    let mut nested: Option<(u32, Cow<'_, [u8]>)> = None;
    let mut members = 0;
    let mut reader = Reader::new(bytes, level);
    while let Some((number, field)) = reader.next()? {
        let plain = match number {
            1 => {
                let text = Raw(field.bytes()?);
                text.check()?;
                Any::Text(text)
            }
            2 => Any::Bool(field.varint()? != 0),
            3 => Any::Int(field.varint()?.cast_signed()),
            4 => Any::Double(field.double()?),
            5 | 6 => {
                let inner = field.message(level)?;
                members += values(inner, number, level + 1)?;
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
        Some((number, inner)) => Any::Nested(wrapped(bytes, number, inner), members),
        None => value,
    })
}

/// Checks the list (5) or map (6) that lies at `level`; answers how many members are in it, theirs included.
fn values(bytes: &[u8], number: u32, level: u32) -> Result<u64, Malformed> {
    let mut members = 0;
    let mut reader = Reader::new(bytes, level);
    while let Some((inner, field)) = reader.next()? {
        match (inner, number) {
            (1, 5) => members += 1 + check_any(field.message(level)?, level + 1)?,
            (1, _) => members += 1 + check_pair(field.message(level)?, level + 1)?,
            _ => reader.unknown()?,
        }
    }
    Ok(members)
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

/// Reads a `KeyValue` that lies at `level`; key and text are still to be checked.
#[inline]
pub(super) fn key_value(bytes: &[u8], level: u32) -> Result<(Raw<'_>, Any<'_>), Malformed> {
    match plain_pair(bytes) {
        Some((key, value)) if level < LEVELS_MAX => Ok((Raw(key), any(value, level + 1)?)),
        _ => pair_field_by_field(bytes, level),
    }
}

/// A pair as every exporter writes it: a key, then a value, both shorter than 128 bytes, and no more.
#[inline]
fn plain_pair(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, length @ ..0x80, rest @ ..] = bytes else {
        return None;
    };
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    match rest {
        [0x12, length @ ..0x80, value @ ..] if value.len() == usize::from(*length) => Some((key, value)),
        _ => None,
    }
}

fn pair_field_by_field(bytes: &[u8], level: u32) -> Result<(Raw<'_>, Any<'_>), Malformed> {
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
    Ok((Raw(key.as_bytes()), value))
}

/// A pair with several values: they are one message, in parts.
#[cold]
fn again(bytes: &[u8], level: u32) -> Result<(Raw<'_>, Any<'_>), Malformed> {
    let (mut key, mut whole) = ("", Vec::new());
    let mut reader = Reader::new(bytes, level);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => key = field.text()?,
            2 => {
                let part = field.message(level)?;
                check_any(part, level + 1)?;
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
        Any::Nested(nested, members) => Any::Nested(Cow::Owned(nested.into_owned()), members),
    };
    Ok((Raw(key.as_bytes()), value))
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

const LONG_NAME: &str = "a key or name longer than 4 KiB";
const LONG_TEXT: &str = "a text longer than 1 MiB";

/// What is not kept of the good part of a request, and what takes more memory than bytes on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    /// Values that are not kept as they were sent, and parts of records left out.
    pub(super) cut: u64,
    /// What the first of them is.
    pub(super) first: &'static str,
    /// Members of lists and maps.
    pub(super) members: u64,
}

impl Left {
    pub(super) const fn add(&mut self, other: Self) {
        if self.cut == 0 {
            self.first = other.first;
        }
        self.cut += other.cut;
        self.members += other.members;
    }

    /// Counts one when it is cut.
    #[inline]
    pub(super) const fn count(&mut self, is_cut: bool, what: &'static str) {
        if is_cut {
            if self.cut == 0 {
                self.first = what;
            }
            self.cut += 1;
        }
    }

    pub(super) const fn name(&mut self, name: &str) {
        self.count(name.len() > NAME_BYTES_MAX, LONG_NAME);
    }

    pub(super) const fn text(&mut self, text: &str) {
        self.count(text.len() > VALUE_BYTES_MAX, LONG_TEXT);
    }

    pub(super) fn value(&mut self, value: &Any<'_>) {
        match value {
            Any::Text(text) => self.count(text.0.len() > VALUE_BYTES_MAX, LONG_TEXT),
            Any::Bytes(bytes) => self.count(bytes.len() > VALUE_BYTES_MAX, "bytes longer than 1 MiB"),
            Any::Nested(_, members) => self.members += members,
            Any::Empty | Any::Bool(_) | Any::Int(_) | Any::Double(_) => {}
        }
    }

    /// Counts an attribute that is left out.
    fn attribute(&mut self, key: Raw<'_>) {
        let what = if key.is_empty() {
            "an attribute without a key"
        } else {
            "an attribute beyond the 1024th of a record"
        };
        self.count(true, what);
    }

    /// Counts of a pair; of one shorter than any bound only what is nested counts.
    #[inline]
    fn pair(&mut self, length: usize, key: Raw<'_>, value: &Any<'_>) {
        if length > NAME_BYTES_MAX || matches!(value, Any::Nested(..)) {
            self.count(key.0.len() > NAME_BYTES_MAX, LONG_NAME);
            self.value(value);
        }
    }
}

/// Checks attributes that lie at `level`; answers what is left out of them.
pub(super) fn check_pairs(pairs: &[&[u8]], level: u32) -> Result<Left, Malformed> {
    let (mut left, mut kept) = (Left::default(), 0);
    for pair in pairs {
        let (key, value) = key_value(pair, level)?;
        key.check()?;
        value.check()?;
        if key.is_empty() || kept == ATTRIBUTES_MAX {
            left.attribute(key);
        } else {
            kept += 1;
            left.pair(pair.len(), key, &value);
        }
    }
    Ok(left)
}

#[inline]
fn check_pair(bytes: &[u8], level: u32) -> Result<u64, Malformed> {
    let (key, value) = key_value(bytes, level)?;
    key.check()?;
    value.check()?;
    Ok(value.members())
}

/// Puts attributes that lie at `level` into the set being built; answers how many were left out.
pub(super) fn push_pairs(pairs: &[&[u8]], level: u32, tables: &mut Tables, left: &mut Left) -> Result<u32, Malformed> {
    let before = tables.values.pending();
    let mut hint = tables.values.hint(Str::EMPTY);
    let mut last = Str::EMPTY;
    for pair in pairs {
        let (key, value) = key_value(pair, level)?;
        if !key.is_empty() && tables.values.pending() - before < ATTRIBUTES_MAX {
            left.pair(pair.len(), key, &value);
            let key = raw(tables, key, NAME_BYTES_MAX, hint.key_after)?;
            if key != hint.key_after {
                tables.values.hint_mut(last).key_after = key;
            }
            (last, hint) = (key, tables.values.hint(key));
            let cell = cell(tables, &value, hint.value)?;
            if let Some(value) = cell.as_str().filter(|value| *value != hint.value) {
                tables.values.hint_mut(key).value = value;
            }
            tables.values.push(key, cell);
        } else {
            left.attribute(key);
            key.check()?;
            value.check()?;
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

/// A text as it is kept, and checked. `guess` is what it probably is.
#[inline]
fn raw(tables: &mut Tables, text: Raw<'_>, most: usize, guess: Str) -> Result<Str, Malformed> {
    if tables.strings.is(guess, text.0) {
        return Ok(guess);
    }
    if text.0.len() > most {
        return Ok(tables.strings.intern(cut(text.text()?, most)));
    }
    tables.strings.intern_bytes(text.0).map_err(|_| Malformed::Text)
}

/// A value as it is kept. `guess` is the text that it probably is.
#[inline]
pub(super) fn cell(tables: &mut Tables, value: &Any<'_>, guess: Str) -> Result<Cell, Malformed> {
    let of = |kind, bits| Cell { kind, bits };
    Ok(match value {
        Any::Empty => Cell::default(),
        Any::Text(value) => Cell::text(raw(tables, *value, VALUE_BYTES_MAX, guess)?),
        Any::Bool(truth) => of(Kind::Bool, u64::from(*truth)),
        Any::Int(number) => of(Kind::Int, number.cast_unsigned()),
        Any::Double(number) => of(Kind::Double, number.to_bits()),
        Any::Bytes(bytes) => tables
            .values
            .blob(Kind::Bytes, &bytes[..bytes.len().min(VALUE_BYTES_MAX)]),
        Any::Nested(bytes, _) => tables.values.blob(Kind::Nested, bytes),
    })
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
        if cut(key.text().ok()?, NAME_BYTES_MAX) == wanted {
            return match value {
                Any::Text(text) => Some(cut(text.text().ok()?, VALUE_BYTES_MAX)),
                _ => None,
            };
        }
    }
    None
}
