//! Attributes in columns: keys and kinds once a shape, then eight bytes a value.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use prost::Message;
use sagascope_api::Time;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use super::strings::{Str, Strings};
use crate::normalise::{any_of, value_of};
use crate::rows::{Attributes, Value};

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Nothing was sent.
    #[default]
    Empty,
    /// Text.
    Text,
    /// Truth.
    Bool,
    /// Whole number.
    Int,
    /// Fraction.
    Double,
    /// Raw bytes.
    Bytes,
    /// A list or map, as the bytes of its OTLP `AnyValue`.
    Nested,
}

/// A value in its column: the number of its text or bytes, or the bits of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it is.
    pub kind: Kind,
    /// Its eight bytes.
    pub bits: u64,
}

/// Keys and kinds of a set of attributes, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShapeId(u32);

impl ShapeId {
    /// Its number, from 0 (no attributes) on in the order of first use.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The attributes of one row: a shape, and where its values begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttributeSet {
    /// Keys and kinds.
    pub shape: ShapeId,
    /// Place of the first value.
    pub start: u32,
}

/// The distinct shapes of a block.
#[derive(Clone, Debug)]
pub struct Shapes {
    members: Vec<(Str, Kind)>,
    ends: Vec<u32>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Shapes {
    fn default() -> Self {
        let mut shapes = Self {
            members: Vec::new(),
            ends: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::default(),
        };
        shapes.intern(&[]);
        shapes
    }
}

impl Shapes {
    fn intern(&mut self, members: &[(Str, Kind)]) -> ShapeId {
        let Self {
            members: all,
            ends,
            table,
            hasher,
        } = self;
        let hash = hasher.hash_one(members);
        if let Some(known) = table.find(hash, |n| all[range(ends, *n)] == *members) {
            return ShapeId(*known);
        }
        let number = ends.len() as u32;
        all.extend_from_slice(members);
        ends.push(all.len() as u32);
        table.insert_unique(hash, number, |n| hasher.hash_one(&all[range(ends, *n)]));
        ShapeId(number)
    }

    /// Keys with their kinds, in the order they were sent.
    #[must_use]
    pub fn get(&self, shape: ShapeId) -> &[(Str, Kind)] {
        &self.members[range(&self.ends, shape.0)]
    }

    /// How many.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "the empty shape is always there")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All shapes, in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[(Str, Kind)]> {
        (0..self.ends.len()).map(|n| self.get(ShapeId(n as u32)))
    }
}

fn range(ends: &[u32], number: u32) -> Range<usize> {
    let begin = match number {
        0 => 0,
        n => ends[n as usize - 1],
    };
    begin as usize..ends[number as usize] as usize
}

/// What came before in the same place, which mostly comes again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hint {
    /// The key that followed this key.
    pub(crate) key_after: Str,
    /// The text that this key had.
    pub(crate) value: Str,
}

/// Keys that are remembered; those that come late to a block with very many strings are not.
const HINTS_MAX: usize = 1 << 14;

/// The attributes of all rows of a block.
#[derive(Clone, Debug, Default)]
pub struct AttributeValues {
    /// Shapes.
    pub shapes: Shapes,
    /// Values; those of one set behind each other.
    pub values: Vec<u64>,
    blobs: Vec<u8>,
    blob_ends: Vec<u32>,
    pending: Vec<(Str, Kind)>,
    hints: Vec<Hint>,
}

impl AttributeValues {
    /// Adds an attribute to the set being built.
    pub fn push(&mut self, key: Str, cell: Cell) {
        self.pending.push((key, cell.kind));
        self.values.push(cell.bits);
    }

    /// What came with a key before; with the empty one, what a set began with.
    #[inline]
    pub(crate) fn hint(&self, key: Str) -> Hint {
        self.hints.get(key.index()).copied().unwrap_or_default()
    }

    /// The same, to be changed.
    pub(crate) fn hint_mut(&mut self, key: Str) -> &mut Hint {
        let place = if key.index() < HINTS_MAX { key.index() } else { 0 };
        if place >= self.hints.len() {
            self.hints.resize(place + 1, Hint::default());
        }
        &mut self.hints[place]
    }

    /// How many the set being built has.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Ends the set being built.
    pub fn finish(&mut self) -> AttributeSet {
        let start = (self.values.len() - self.pending.len()) as u32;
        let shape = self.shapes.intern(&self.pending);
        self.pending.clear();
        AttributeSet { shape, start }
    }

    /// The shape of these keys and kinds, for whoever puts values behind each other without [`AttributeValues::push`].
    pub fn shape(&mut self, members: &[(Str, Kind)]) -> ShapeId {
        self.shapes.intern(members)
    }

    /// Keeps bytes, for a cell of kind [`Kind::Bytes`] or [`Kind::Nested`].
    pub fn blob(&mut self, kind: Kind, bytes: &[u8]) -> Cell {
        self.blobs.extend_from_slice(bytes);
        self.blob_ends.push(self.blobs.len() as u32);
        Cell {
            kind,
            bits: self.blob_ends.len() as u64 - 1,
        }
    }

    /// The bytes of such a cell.
    #[must_use]
    pub fn blob_of(&self, bits: u64) -> &[u8] {
        &self.blobs[range(&self.blob_ends, bits as u32)]
    }

    /// Values of a set, with their keys and kinds.
    pub fn cells(&self, set: AttributeSet) -> impl ExactSizeIterator<Item = (Str, Cell)> + Clone {
        let members = self.shapes.get(set.shape);
        let values = &self.values[set.start as usize..][..members.len()];
        let pairs = members.iter().zip(values);
        pairs.map(|((key, kind), bits)| {
            (
                *key,
                Cell {
                    kind: *kind,
                    bits: *bits,
                },
            )
        })
    }

    /// Memory held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.capacity() * 8
            + self.shapes.members.capacity() * 8
            + self.shapes.ends.capacity() * 12
            + self.blobs.capacity()
            + self.blob_ends.capacity() * 4
            + self.hints.capacity() * size_of::<Hint>()
    }

    pub(super) fn push_value(&mut self, strings: &mut Strings, key: &str, value: &Value) {
        let cell = self.cell(strings, value);
        let key = strings.intern(key);
        self.push(key, cell);
    }

    pub(super) fn push_all(&mut self, strings: &mut Strings, attributes: &Attributes) -> AttributeSet {
        for (key, value) in &attributes.0 {
            self.push_value(strings, key, value);
        }
        self.finish()
    }

    pub(super) fn cell(&mut self, strings: &mut Strings, value: &Value) -> Cell {
        let of = |kind, bits| Cell { kind, bits };
        match value {
            Value::Empty => Cell::default(),
            Value::Text(text) => of(Kind::Text, strings.intern(text).index() as u64),
            Value::Bool(truth) => of(Kind::Bool, u64::from(*truth)),
            Value::Int(number) => of(Kind::Int, number.cast_unsigned()),
            Value::Double(number) => of(Kind::Double, number.to_bits()),
            Value::Bytes(bytes) => self.blob(Kind::Bytes, bytes),
            Value::List(_) | Value::Map(_) => {
                let bytes = any_of(value).encode_to_vec();
                self.blob(Kind::Nested, &bytes)
            }
        }
    }
}

/// A value, borrowed from its block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// Nothing was sent.
    Empty,
    /// Text.
    Text(&'a str),
    /// Truth.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Fraction.
    Double(f64),
    /// Raw bytes.
    Bytes(&'a [u8]),
    /// A list or map, as the bytes of its OTLP `AnyValue`.
    Nested(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// A cell as its value.
    #[must_use]
    pub fn of(cell: Cell, strings: &'a Strings, values: &'a AttributeValues) -> Self {
        match cell.kind {
            Kind::Empty => Self::Empty,
            Kind::Text => Self::Text(strings.get(text_of(cell))),
            Kind::Bool => Self::Bool(cell.bits != 0),
            Kind::Int => Self::Int(cell.bits.cast_signed()),
            Kind::Double => Self::Double(f64::from_bits(cell.bits)),
            Kind::Bytes => Self::Bytes(values.blob_of(cell.bits)),
            Kind::Nested => Self::Nested(values.blob_of(cell.bits)),
        }
    }

    /// As a whole number, also when it came as text.
    #[must_use]
    pub fn int(self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(n),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// As a moment: RFC 3339 text, or unix nanoseconds.
    #[must_use]
    pub fn time(self) -> Option<Time> {
        match self {
            Self::Text(text) => Time::parse(text),
            Self::Int(nanos) => u64::try_from(nanos).ok().map(Time),
            _ => None,
        }
    }

    /// As an owned value.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Empty => Value::Empty,
            Self::Text(text) => Value::Text(text.into()),
            Self::Bool(truth) => Value::Bool(truth),
            Self::Int(number) => Value::Int(number),
            Self::Double(number) => Value::Double(number),
            Self::Bytes(bytes) => Value::Bytes(bytes.into()),
            // Whoever wrote the bytes has checked them.
            Self::Nested(bytes) => AnyValue::decode(bytes).map_or(Value::Empty, value_of),
        }
    }
}

impl Cell {
    /// A text that the block has.
    #[must_use]
    pub const fn text(string: Str) -> Self {
        Self {
            kind: Kind::Text,
            bits: string.index() as u64,
        }
    }

    /// The string of a text cell.
    #[must_use]
    pub fn as_str(self) -> Option<Str> {
        (self.kind == Kind::Text).then(|| text_of(self))
    }
}

const fn text_of(cell: Cell) -> Str {
    Str::from_index(cell.bits as u32)
}

/// The attributes of one row, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct AttributesRef<'a> {
    pub(super) strings: &'a Strings,
    pub(super) values: &'a AttributeValues,
    pub(super) set: AttributeSet,
}

impl<'a> AttributesRef<'a> {
    /// Which shape, and where.
    #[must_use]
    pub const fn set(self) -> AttributeSet {
        self.set
    }

    /// Keys and values in the order they were sent.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a str, ValueRef<'a>)> {
        let Self { strings, values, set } = self;
        let cells = values.cells(set);
        cells.map(move |(key, cell)| (strings.get(key), ValueRef::of(cell, strings, values)))
    }

    /// The value at a place of the shape.
    #[must_use]
    pub fn at(self, place: usize) -> Option<ValueRef<'a>> {
        let (_, cell) = self.values.cells(self.set).nth(place)?;
        Some(ValueRef::of(cell, self.strings, self.values))
    }

    /// The value of `key`; the first of equal keys counts.
    #[must_use]
    pub fn get(self, key: &str) -> Option<ValueRef<'a>> {
        let members = self.values.shapes.get(self.set.shape);
        let place = members.iter().position(|(k, _)| self.strings.get(*k) == key)?;
        self.at(place)
    }

    /// The block's numbers of the keys, in the order of their places.
    pub fn keys(self) -> impl ExactSizeIterator<Item = Str> {
        self.values.shapes.get(self.set.shape).iter().map(|(key, _)| *key)
    }

    /// The block's number of any text, when it has it.
    #[must_use]
    pub fn find_string(self, text: &str) -> Option<Str> {
        self.strings.find(text)
    }

    /// The block's number of the text at a place of the shape.
    #[must_use]
    pub fn string_at(self, place: usize) -> Option<Str> {
        let (_, cell) = self.values.cells(self.set).nth(place)?;
        cell.as_str()
    }

    /// The value of `key` when it is text.
    #[must_use]
    pub fn text(self, key: &str) -> Option<&'a str> {
        match self.get(key)? {
            ValueRef::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `key` as a whole number, also when it came as text.
    #[must_use]
    pub fn int(self, key: &str) -> Option<i64> {
        self.get(key)?.int()
    }

    /// The value of `key` as a fraction, also when it came as a whole number or text.
    #[must_use]
    pub fn double(self, key: &str) -> Option<f64> {
        match self.get(key)? {
            ValueRef::Double(n) => Some(n),
            ValueRef::Int(n) => Some(n as f64),
            ValueRef::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value of `key` as a moment: RFC 3339 text, or unix nanoseconds.
    #[must_use]
    pub fn time(self, key: &str) -> Option<Time> {
        self.get(key)?.time()
    }

    /// As owned attributes.
    #[must_use]
    pub fn to_owned(self) -> Attributes {
        let pairs = self.iter().map(|(key, value)| (Arc::from(key), value.to_value()));
        Attributes(pairs.collect())
    }
}
