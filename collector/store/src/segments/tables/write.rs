//! Columns of a row group as they grow, from rows of several blocks.

use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::RandomState;
use sagascope_core::block::{AttributeSet, Kind, Str, Strings, Tables, ValueRef};

use super::exact::{self, ExactAttributes, ExactResource, ExactScope};
use super::text;
use crate::segments::codec::{Column, Dictionary, Nesting, Values};

/// Row groups that are read in vain for an attribute's value.
const VALUES_FALSE: f64 = 0.02;
/// For a trace, which is asked for most, and whole pages of them at once: two bytes each bring that much.
const TRACES_FALSE: f64 = 0.001;

/// Something for each number of each block, found by looking rather than by hashing. Numbers are small and dense.
#[derive(Debug)]
struct PerBlock<T>(Vec<Vec<Option<T>>>);

impl<T> Default for PerBlock<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> PerBlock<T> {
    fn slot(&mut self, block: usize, number: u32) -> &mut Option<T> {
        let number = number as usize;
        if self.0.len() <= block {
            self.0.resize_with(block + 1, Vec::new);
        }
        let slots = &mut self.0[block];
        if slots.len() <= number {
            slots.resize_with((number + 1).next_power_of_two(), || None);
        }
        &mut slots[number]
    }
}

/// A column of texts. A string of a block is looked at once; after that its number is enough.
#[derive(Debug, Default)]
pub(super) struct TextColumn {
    dictionary: Dictionary,
    /// Place plus one, by block and number; 0 for not yet.
    known: Vec<Vec<u32>>,
    places: Vec<u32>,
    bloom: Option<f64>,
}

impl TextColumn {
    /// With a filter that tells texts that are not there, but for this share of them.
    fn with_bloom(false_share: f64) -> Self {
        Self {
            bloom: Some(false_share),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, block: usize, strings: &Strings, text: Str) {
        let place = self.place(block, strings, text);
        self.places.push(place);
    }

    pub(super) fn push_text(&mut self, text: &[u8]) {
        let place = self.dictionary.place(text);
        self.places.push(place);
    }

    fn place(&mut self, block: usize, strings: &Strings, text: Str) -> u32 {
        if self.known.len() <= block {
            self.known.resize(block + 1, Vec::new());
        }
        let known = &mut self.known[block];
        if known.is_empty() {
            *known = vec![0; strings.len()];
        }
        let known = &mut known[text.index()];
        if *known == 0 {
            *known = self.dictionary.place(strings.get(text).as_bytes()) + 1;
        }
        *known - 1
    }

    pub(super) fn into_values(self) -> Values {
        Values::Places {
            dictionary: self.dictionary,
            places: self.places,
            bloom: self.bloom,
        }
    }

    pub(super) fn flat(self) -> Column {
        Column::flat(self.into_values())
    }

    pub(super) fn nested(self, nesting: Nesting) -> Column {
        Column {
            values: self.into_values(),
            nesting,
        }
    }
}

/// A map of attributes: a column of keys and one of values.
#[derive(Debug, Default)]
pub(super) struct MapColumn {
    keys: TextColumn,
    values: TextColumn,
    counts: Vec<u32>,
    /// Places of the keys of a shape, by block.
    shapes: PerBlock<Rc<[u32]>>,
    /// Places of values that are no text.
    others: HashMap<(Kind, u64), u32, RandomState>,
    /// Scratch.
    text: String,
}

impl MapColumn {
    /// With a filter over the values.
    pub(super) fn with_bloom() -> Self {
        Self {
            values: TextColumn::with_bloom(VALUES_FALSE),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, block: usize, tables: &Tables, set: AttributeSet) {
        let members = tables.values.shapes.get(set.shape);
        self.counts.push(members.len() as u32);
        if members.is_empty() {
            return;
        }
        let keys = &mut self.keys;
        let shape = self.shapes.slot(block, set.shape.index() as u32);
        let places = shape.get_or_insert_with(|| {
            let places = members.iter().map(|(key, _)| keys.place(block, &tables.strings, *key));
            places.collect()
        });
        keys.places.extend_from_slice(places);
        for (_, cell) in tables.values.cells(set) {
            let place = match cell.kind {
                Kind::Text => self
                    .values
                    .place(block, &tables.strings, Str::from_index(cell.bits as u32)),
                Kind::Bytes | Kind::Nested => {
                    self.write(ValueRef::of(cell, &tables.strings, &tables.values));
                    self.values.dictionary.place(self.text.as_bytes())
                }
                kind => match self.others.get(&(kind, cell.bits)) {
                    Some(known) => *known,
                    None => {
                        self.write(ValueRef::of(cell, &tables.strings, &tables.values));
                        let place = self.values.dictionary.place(self.text.as_bytes());
                        self.others.insert((kind, cell.bits), place);
                        place
                    }
                },
            };
            self.values.places.push(place);
        }
    }

    /// The same as the row at `row` of this column, which has its values at `values`.
    fn repeat(&mut self, count: u32, values: std::ops::Range<usize>) {
        self.counts.push(count);
        self.keys.places.extend_from_within(values.clone());
        self.values.places.extend_from_within(values);
    }

    fn write(&mut self, value: ValueRef<'_>) {
        self.text.clear();
        text::write(value, &mut self.text);
    }

    /// Keys and values, one map a row.
    pub(super) fn flat(self) -> [Column; 2] {
        let nesting = Nesting::Lists(Rc::new(self.counts));
        [self.keys.nested(nesting.clone()), self.values.nested(nesting)]
    }

    /// Keys and values, a list of maps a row.
    pub(super) fn in_lists(self, lists: Rc<Vec<u32>>) -> [Column; 2] {
        let nesting = Nesting::ListsOfLists(lists, Rc::new(self.counts));
        [self.keys.nested(nesting.clone()), self.values.nested(nesting)]
    }
}

/// A map that few distinct owners have: it is made once for each.
#[derive(Debug, Default)]
pub(super) struct SharedMap {
    map: MapColumn,
    known: PerBlock<(u32, std::ops::Range<usize>)>,
}

impl SharedMap {
    /// With a filter over the values.
    pub(super) fn with_bloom() -> Self {
        Self {
            map: MapColumn::with_bloom(),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, block: usize, tables: &Tables, owner: u32, set: AttributeSet) {
        let known = self.known.slot(block, owner);
        if let Some((count, values)) = known {
            self.map.repeat(*count, values.clone());
            return;
        }
        let begin = self.map.values.places.len();
        self.map.push(block, tables, set);
        let end = self.map.values.places.len();
        *known = Some(((end - begin) as u32, begin..end));
    }

    pub(super) fn flat(self) -> [Column; 2] {
        self.map.flat()
    }
}

/// Records of ours that many rows share: each is made once for its number in its block.
#[derive(Debug, Default)]
pub(super) struct Records {
    column: TextColumn,
    known: PerBlock<u32>,
    bytes: Vec<u8>,
}

impl Records {
    fn push(&mut self, block: usize, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let Self { column, known, bytes } = self;
        let place = *known.slot(block, number).get_or_insert_with(|| {
            write(bytes);
            column.dictionary.place(bytes)
        });
        column.places.push(place);
    }

    pub(super) fn resource(&mut self, block: usize, tables: &Tables, place: u32) {
        self.push(block, place, |bytes| {
            let entry = tables.resource_at(place).entry();
            let record = ExactResource {
                service: tables.strings.get(entry.service),
                instance: tables.strings.get(entry.instance),
                attributes: ExactAttributes::of(tables, entry.attributes),
                dropped_attributes: entry.dropped_attributes,
                schema_url: tables.strings.get(entry.schema_url),
            };
            exact::bytes_of(&record, bytes);
        });
    }

    pub(super) fn scope(&mut self, block: usize, tables: &Tables, place: u32) {
        self.push(block, place, |bytes| {
            let entry = tables.scopes.get(place as usize).copied().unwrap_or_default();
            let record = ExactScope {
                name: tables.strings.get(entry.name),
                version: tables.strings.get(entry.version),
                attributes: ExactAttributes::of(tables, entry.attributes),
                dropped_attributes: entry.dropped_attributes,
                schema_url: tables.strings.get(entry.schema_url),
            };
            exact::bytes_of(&record, bytes);
        });
    }

    pub(super) fn shape(&mut self, block: usize, tables: &Tables, set: AttributeSet) {
        self.push(block, set.shape.index() as u32, |bytes| {
            let members = tables.values.shapes.get(set.shape);
            exact::bytes_of(&exact::shape(members, &tables.strings), bytes);
        });
    }

    /// A record of one row.
    pub(super) fn row(&mut self, record: &impl serde::Serialize) {
        let Self { column, bytes, .. } = self;
        exact::bytes_of(record, bytes);
        column.push_text(bytes);
    }

    /// A record known by a number of the caller's.
    pub(super) fn known<R: serde::Serialize>(&mut self, block: usize, number: u32, record: impl FnOnce() -> R) {
        self.push(block, number, |bytes| exact::bytes_of(&record(), bytes));
    }

    pub(super) fn flat(self) -> Column {
        self.column.flat()
    }
}

/// Lists and maps among attributes, as their bytes.
pub(super) fn nested_of(tables: &Tables, set: AttributeSet) -> Vec<Vec<u8>> {
    let cells = tables.values.cells(set);
    let nested = cells.filter(|(_, cell)| cell.kind == Kind::Nested);
    nested
        .map(|(_, cell)| tables.values.blob_of(cell.bits).to_vec())
        .collect()
}

/// Kinds of attributes.
pub(super) fn kinds_of(tables: &Tables, set: AttributeSet) -> Vec<u8> {
    let members = tables.values.shapes.get(set.shape);
    members.iter().map(|(_, kind)| *kind as u8).collect()
}

/// Has the shape a list or a map?
pub(super) fn has_nested(tables: &Tables, set: AttributeSet) -> bool {
    let members = tables.values.shapes.get(set.shape);
    members.iter().any(|(_, kind)| *kind == Kind::Nested)
}

/// A column of few words, that are known by a number.
#[derive(Debug, Default)]
pub(super) struct WordColumn {
    known: [Option<u32>; 8],
    column: TextColumn,
}

impl WordColumn {
    /// The word with this number, which is below 8.
    pub(super) fn push(&mut self, number: u8, word: &str) {
        let dictionary = &mut self.column.dictionary;
        let known = &mut self.known[usize::from(number & 7)];
        let place = *known.get_or_insert_with(|| dictionary.place(word.as_bytes()));
        self.column.places.push(place);
    }

    pub(super) fn flat(self) -> Column {
        self.column.flat()
    }
}

/// Appends bytes in hexadecimal digits.
pub(in crate::segments) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Ids in hexadecimal digits; those of nothing but zeros are empty.
#[derive(Debug, Default)]
pub(super) struct IdColumn {
    lengths: Vec<i64>,
    bytes: Vec<u8>,
}

impl IdColumn {
    pub(super) fn push(&mut self, id: &[u8]) {
        let before = self.bytes.len();
        if id.iter().any(|byte| *byte != 0) {
            hex(id, &mut self.bytes);
        }
        self.lengths.push((self.bytes.len() - before) as i64);
    }

    pub(super) fn into_values(self) -> Values {
        Values::Texts {
            lengths: self.lengths,
            bytes: self.bytes,
        }
    }
}

/// Trace ids: rows of a trace follow each other, so each id is looked at once.
#[derive(Debug)]
pub(super) struct TraceColumn {
    last: Option<[u8; 16]>,
    column: TextColumn,
}

impl TraceColumn {
    pub(super) fn new() -> Self {
        Self {
            last: None,
            column: TextColumn::with_bloom(TRACES_FALSE),
        }
    }

    pub(super) fn push(&mut self, id: [u8; 16]) {
        if self.last == Some(id)
            && let Some(place) = self.column.places.last().copied()
        {
            self.column.places.push(place);
            return;
        }
        self.last = Some(id);
        let mut digits = Vec::with_capacity(32);
        if id != [0; 16] {
            hex(&id, &mut digits);
        }
        self.column.push_text(&digits);
    }

    pub(super) fn flat(self) -> Column {
        self.column.flat()
    }
}
