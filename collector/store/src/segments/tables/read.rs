//! Columns of a row group, read into the tables of a block.

use std::fs::File;
use std::ops::Range;

use parquet::basic::CompressionCodec;
use parquet::file::metadata::ParquetMetaData;
use sagascope_core::block::{AttributeSet, Cell, Kind, ResourceEntry, ScopeEntry, Str, Strings, Tables};
use serde::de::DeserializeOwned;

use super::exact::{self, ExactResource, ExactScope, ExactShape, Item};
use super::text;
use crate::segments::codec::{Chunk, Damaged, Lists, TextsOf};
use crate::segments::file::{ReadError, read_at};
use crate::segments::schema::Schema;

/// The columns of one row group of an open file.
#[derive(Clone, Copy, Debug)]
pub(in crate::segments) struct GroupColumns<'a> {
    pub(in crate::segments) file: &'a File,
    pub(in crate::segments) footer: &'a ParquetMetaData,
    pub(in crate::segments) schema: &'static Schema,
    pub(in crate::segments) group: usize,
}

/// Records of ours, one each row.
#[derive(Debug)]
pub(super) struct Words<R> {
    distinct: Vec<R>,
    places: Vec<u32>,
}

impl<R> Words<R> {
    /// Is there one for each of so many rows?
    pub(super) fn even(&self, rows: usize) -> Result<(), Damaged> {
        even(rows, &[self.places.len()])
    }

    pub(super) fn of(&self, row: usize) -> &R {
        &self.distinct[self.places[row] as usize]
    }
}

/// Attributes of an event, link or exemplar.
pub(super) struct AttributesIn<'a> {
    pub(super) set: AttributeSet,
    pub(super) item: &'a Item,
}

const NO_COLUMN: Damaged = Damaged("a column is missing");
const NO_PLACE: Damaged = Damaged("a column lies outside of its file");
const UNEVEN: Damaged = Damaged("columns differ in length");

impl GroupColumns<'_> {
    /// Looks at the column of this path.
    pub(super) fn column<T>(
        &self,
        path: &str,
        rows: &[Range<usize>],
        read: impl FnOnce(&Chunk<'_>) -> Result<T, Damaged>,
    ) -> Result<T, ReadError> {
        let leaf = self.schema.leaf(path).ok_or(NO_COLUMN)?;
        let group = self.footer.row_group(self.group);
        let column = group.column(leaf);
        let index = self.footer.page_index().ok_or(NO_COLUMN)?;
        let locations = index.page_locations(self.group, leaf).ok_or(NO_COLUMN)?;
        let place = |number: i64| u64::try_from(number).map_err(|_| NO_PLACE);
        let first_page = locations.first().ok_or(NO_COLUMN)?;
        let dictionary = match column.dictionary_page_offset() {
            Some(begin) => place(begin)?..place(first_page.offset)?,
            None => 0..0,
        };
        // Pages from the first that holds a wanted row to the last.
        let row_of = |n: usize| {
            let first = locations.get(n).map(|page| page.first_row_index);
            usize::try_from(first.unwrap_or(group.num_rows())).unwrap_or(usize::MAX)
        };
        let is_wanted = |n: &usize| {
            let page = row_of(*n)..row_of(n + 1);
            rows.iter().any(|rows| rows.start < page.end && rows.end > page.start)
        };
        let wanted: Vec<usize> = (0..locations.len()).filter(is_wanted).collect();
        let (begin, end) = match (wanted.first(), wanted.last()) {
            (Some(first), Some(last)) => {
                let last = &locations[*last];
                let size = u64::try_from(last.compressed_page_size).map_err(|_| NO_PLACE)?;
                (
                    place(locations[*first].offset)?,
                    place(last.offset)?.checked_add(size).ok_or(NO_PLACE)?,
                )
            }
            _ => (0, 0),
        };
        let dictionary_bytes = read_at(self.file, dictionary.clone())?;
        let page_bytes = read_at(self.file, begin..end)?;
        let mut pages = Vec::with_capacity(wanted.len());
        for n in wanted {
            let from = place(locations[n].offset)?.checked_sub(begin).ok_or(NO_PLACE)? as usize;
            let size = usize::try_from(locations[n].compressed_page_size).map_err(|_| NO_PLACE)?;
            let page = page_bytes
                .get(from..)
                .and_then(|page| page.get(..size))
                .ok_or(NO_PLACE)?;
            pages.push((row_of(n)..row_of(n + 1), page));
        }
        let codec: CompressionCodec = column.compression_codec();
        Ok(read(&Chunk {
            codec,
            dictionary: (!dictionary.is_empty()).then_some(&dictionary_bytes[..]),
            pages,
            wanted: rows,
        })?)
    }

    pub(super) fn numbers<T>(
        &self,
        path: &str,
        rows: &[Range<usize>],
        make: impl Fn(i64) -> T,
    ) -> Result<Vec<T>, ReadError> {
        let numbers = self.column(path, rows, |chunk| chunk.numbers())?;
        Ok(numbers.into_iter().map(make).collect())
    }

    pub(super) fn nested_numbers(
        &self,
        path: &str,
        depth: u8,
        rows: &[Range<usize>],
    ) -> Result<(Vec<i64>, Lists), ReadError> {
        self.column(&list(path, depth), rows, |chunk| chunk.nested_numbers(depth))
    }

    pub(super) fn fractions(
        &self,
        path: &str,
        depth: u8,
        rows: &[Range<usize>],
    ) -> Result<(Vec<f64>, Lists), ReadError> {
        self.column(&list(path, depth), rows, |chunk| chunk.nested_fractions(depth))
    }

    /// Makes something of each distinct text, and gives it to each row.
    pub(super) fn each_text<T: Copy>(
        &self,
        path: &str,
        rows: &[Range<usize>],
        make: impl Fn(&[u8]) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, ReadError> {
        let TextsOf { texts, places } = self.column(path, rows, |chunk| chunk.texts())?;
        if places.len() < texts.len() {
            let each = places.into_iter().map(|place| make(texts.get(place)));
            return Ok(each.collect::<Result<_, Damaged>>()?);
        }
        let made = (0..texts.len() as u32).map(|place| make(texts.get(place)));
        let made = made.collect::<Result<Vec<T>, Damaged>>()?;
        Ok(places.into_iter().map(|place| made[place as usize]).collect())
    }

    /// Texts as strings of the block.
    pub(super) fn strings(
        &self,
        path: &str,
        rows: &[Range<usize>],
        strings: &mut Strings,
    ) -> Result<Vec<Str>, ReadError> {
        let found = self.column(path, rows, |chunk| chunk.texts())?;
        Ok(interned(&found, strings)?)
    }

    /// Texts in lists as strings of the block.
    pub(super) fn nested_strings(
        &self,
        path: &str,
        rows: &[Range<usize>],
        strings: &mut Strings,
    ) -> Result<Vec<Str>, ReadError> {
        let (found, _) = self.column(&list(path, 1), rows, |chunk| chunk.nested_texts(1))?;
        Ok(interned(&found, strings)?)
    }

    /// Ids in hexadecimal digits; absent ones are all zeros.
    pub(super) fn ids<const N: usize>(
        &self,
        path: &str,
        depth: u8,
        rows: &[Range<usize>],
    ) -> Result<(Vec<[u8; N]>, Lists), ReadError> {
        self.column(&list(path, depth), rows, |chunk| chunk.plain_texts(depth, id))
    }

    /// Records of ours.
    pub(super) fn records<R: DeserializeOwned>(
        &self,
        path: &str,
        rows: &[Range<usize>],
    ) -> Result<Words<R>, ReadError> {
        let TextsOf { texts, mut places } = self.column(path, rows, |chunk| chunk.texts())?;
        let mut known = vec![None; texts.len()];
        let mut distinct = Vec::new();
        for place in &mut places {
            let known = &mut known[*place as usize];
            if known.is_none() {
                distinct.push(exact::read(texts.get(*place))?);
                *known = Some(distinct.len() as u32 - 1);
            }
            *place = known.unwrap_or_default();
        }
        Ok(Words { distinct, places })
    }

    /// Senders, as places in the block's tables.
    pub(super) fn resources(&self, rows: &[Range<usize>], tables: &mut Tables) -> Result<Vec<u32>, ReadError> {
        self.shared("Sagascope.Resource", rows, |bytes| {
            let exact: ExactResource<'_> = exact::read(bytes)?;
            Ok(tables.resource(bytes, |tables| ResourceEntry {
                service: tables.strings.intern(exact.service),
                instance: tables.strings.intern(exact.instance),
                attributes: exact.attributes.push(&mut tables.strings, &mut tables.values),
                dropped_attributes: exact.dropped_attributes,
                schema_url: tables.strings.intern(exact.schema_url),
            }))
        })
    }

    /// Scopes, as places in the block's tables.
    pub(super) fn scopes(&self, rows: &[Range<usize>], tables: &mut Tables) -> Result<Vec<u32>, ReadError> {
        self.shared("Sagascope.Scope", rows, |bytes| {
            let exact: ExactScope<'_> = exact::read(bytes)?;
            Ok(tables.scope(bytes, |tables| ScopeEntry {
                name: tables.strings.intern(exact.name),
                version: tables.strings.intern(exact.version),
                attributes: exact.attributes.push(&mut tables.strings, &mut tables.values),
                dropped_attributes: exact.dropped_attributes,
                schema_url: tables.strings.intern(exact.schema_url),
            }))
        })
    }

    /// Makes something of the records that wanted rows have, once each.
    pub(super) fn shared(
        &self,
        path: &str,
        rows: &[Range<usize>],
        mut make: impl FnMut(&[u8]) -> Result<u32, Damaged>,
    ) -> Result<Vec<u32>, ReadError> {
        let TextsOf { texts, places } = self.column(path, rows, |chunk| chunk.texts())?;
        let mut known = vec![None; texts.len()];
        let each = places.into_iter().map(|place| match known[place as usize] {
            Some(made) => Ok(made),
            None => {
                let made = make(texts.get(place))?;
                known[place as usize] = Some(made);
                Ok(made)
            }
        });
        Ok(each.collect::<Result<_, Damaged>>()?)
    }

    /// Attributes of rows, with the kinds that the column of shapes tells; `nested` has the lists and maps of a row.
    pub(super) fn attributes<'n>(
        &self,
        path: &str,
        rows: &[Range<usize>],
        tables: &mut Tables,
        nested: impl Fn(usize) -> &'n [Vec<u8>],
    ) -> Result<Vec<AttributeSet>, ReadError> {
        let mut shapes: Vec<Vec<(Str, Kind)>> = Vec::new();
        let strings = &mut tables.strings;
        let of_rows = self.shared("Sagascope.Shape", rows, |bytes| {
            let ExactShape(members) = exact::read(bytes)?;
            let members = members
                .into_iter()
                .map(|(key, kind)| Ok((strings.intern(key), exact::kind(kind)?)));
            shapes.push(members.collect::<Result<_, Damaged>>()?);
            Ok(shapes.len() as u32 - 1)
        })?;
        let (found, lists) = self.column(&format!("{path}.key_value.value"), rows, |chunk| chunk.nested_texts(1))?;
        even(of_rows.len(), &[lists.outer.len()])?;
        let ids: Vec<_> = shapes.iter().map(|shape| tables.values.shape(shape)).collect();
        let mut cells = Cells::new(&found);
        let mut sets = Vec::with_capacity(of_rows.len());
        for (row, (shape, count)) in of_rows.into_iter().zip(lists.outer).enumerate() {
            let members = &shapes[shape as usize];
            even(members.len(), &[count as usize])?;
            let start = tables.values.values.len() as u32;
            let mut nested = nested(row).iter();
            for (_, kind) in members {
                let bits = cells.next(*kind, || next_of(&mut nested), tables)?;
                tables.values.values.push(bits);
            }
            sets.push(AttributeSet {
                shape: ids[shape as usize],
                start,
            });
        }
        Ok(sets)
    }

    /// One value each row, of these kinds.
    pub(super) fn values<'n>(
        &self,
        path: &str,
        rows: &[Range<usize>],
        tables: &mut Tables,
        kinds: &[Kind],
        nested: impl Fn(usize) -> Option<&'n [u8]>,
    ) -> Result<Vec<Cell>, ReadError> {
        let found = self.column(path, rows, |chunk| chunk.texts())?;
        even(kinds.len(), &[found.places.len()])?;
        let mut cells = Cells::new(&found);
        let each = kinds.iter().enumerate().map(|(row, kind)| {
            let bits = cells.next(*kind, || nested(row).ok_or(UNEVEN), tables)?;
            Ok(Cell { kind: *kind, bits })
        });
        Ok(each.collect::<Result<_, Damaged>>()?)
    }

    /// Attributes of what lies in lists; `items` tell the kinds.
    pub(super) fn attributes_in<'i>(
        &self,
        path: &str,
        rows: &[Range<usize>],
        tables: &mut Tables,
        items: impl Iterator<Item = &'i Item>,
    ) -> Result<Vec<AttributesIn<'i>>, ReadError> {
        let leaf = |name| format!("{path}.list.element.key_value.{name}");
        let (keys, lists) = self.column(&leaf("key"), rows, |chunk| chunk.nested_texts(2))?;
        let (found, _) = self.column(&leaf("value"), rows, |chunk| chunk.nested_texts(2))?;
        let mut keys = interned(&keys, &mut tables.strings)?.into_iter();
        let mut cells = Cells::new(&found);
        let mut sets = Vec::with_capacity(lists.inner.len());
        for (item, count) in items.zip(lists.inner) {
            even(item.kinds.len(), &[count as usize])?;
            let mut nested = item.nested.iter();
            for kind in &item.kinds {
                let kind = exact::kind(*kind)?;
                let bits = cells.next(kind, || next_of(&mut nested), tables)?;
                let key = keys.next().ok_or(UNEVEN)?;
                tables.values.push(key, Cell { kind, bits });
            }
            sets.push(AttributesIn {
                set: tables.values.finish(),
                item,
            });
        }
        Ok(sets)
    }

    /// Rows whose map has this text, in lower case, as a value; `None` when a list among the values may hold it.
    pub(in crate::segments) fn rows_with_value(
        &self,
        path: &str,
        value: &str,
    ) -> Result<Option<Vec<Range<usize>>>, ReadError> {
        let all = 0..usize::try_from(self.footer.row_group(self.group).num_rows()).unwrap_or(0);
        let (found, lists) = self.column(path, std::slice::from_ref(&all), |chunk| chunk.nested_texts(1))?;
        let mut is_wanted = vec![false; found.texts.len()];
        for (place, is_wanted) in is_wanted.iter_mut().enumerate() {
            let text = found.texts.get(place as u32);
            if text.first() == Some(&b'[') {
                return Ok(None);
            }
            *is_wanted = text.eq_ignore_ascii_case(value.as_bytes());
        }
        let mut rows: Vec<Range<usize>> = Vec::new();
        let mut places = found.places.iter();
        for (row, count) in lists.outer.iter().enumerate() {
            // Each place is looked at, so that the next row begins where this one ends.
            let of_row = places.by_ref().take(*count as usize);
            if of_row.filter(|place| is_wanted[**place as usize]).count() > 0 {
                match rows.last_mut() {
                    Some(last) if last.end == row => last.end += 1,
                    _ => rows.push(row..row + 1),
                }
            }
        }
        Ok(Some(rows))
    }

    /// Rows whose text is this one; rows that follow each other as one range.
    pub(in crate::segments) fn rows_with_text(&self, path: &str, text: &[u8]) -> Result<Vec<Range<usize>>, ReadError> {
        let texts = self.column(path, &[], |chunk| chunk.distinct())?;
        let Some(wanted) = (0..texts.len() as u32).find(|place| texts.get(*place) == text) else {
            return Ok(Vec::new());
        };
        let all = 0..usize::try_from(self.footer.row_group(self.group).num_rows()).unwrap_or(0);
        let places = self
            .column(path, std::slice::from_ref(&all), |chunk| chunk.texts())?
            .places;
        let mut rows: Vec<Range<usize>> = Vec::new();
        for (row, _) in places.iter().enumerate().filter(|(_, place)| **place == wanted) {
            match rows.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => rows.push(row..row + 1),
            }
        }
        Ok(rows)
    }
}

/// Values of attributes as they come out of their column.
struct Cells<'a> {
    found: &'a TextsOf,
    next: usize,
    /// Strings of texts already seen, by place.
    known: Vec<Option<Str>>,
}

impl<'a> Cells<'a> {
    fn new(found: &'a TextsOf) -> Self {
        Self {
            found,
            next: 0,
            known: vec![None; found.texts.len()],
        }
    }

    fn next<'n>(
        &mut self,
        kind: Kind,
        nested: impl FnOnce() -> Result<&'n [u8], Damaged>,
        tables: &mut Tables,
    ) -> Result<u64, Damaged> {
        let place = *self.found.places.get(self.next).ok_or(UNEVEN)?;
        self.next += 1;
        let Tables { strings, values, .. } = tables;
        if kind == Kind::Text
            && let Some(known) = self.known[place as usize]
        {
            return Ok(known.index() as u64);
        }
        let cell = text::read(kind, self.found.texts.get(place), nested, strings, values)?;
        if let Some(text) = cell.as_str() {
            self.known[place as usize] = Some(text);
        }
        Ok(cell.bits)
    }
}

fn next_of<'n>(nested: &mut std::slice::Iter<'n, Vec<u8>>) -> Result<&'n [u8], Damaged> {
    nested.next().map(Vec::as_slice).ok_or(UNEVEN)
}

/// Texts as strings, each looked up once.
fn interned(found: &TextsOf, strings: &mut Strings) -> Result<Vec<Str>, Damaged> {
    let mut known: Vec<Option<Str>> = vec![None; found.texts.len()];
    let each = found.places.iter().map(|place| match known[*place as usize] {
        Some(known) => Ok(known),
        None => {
            let text = string(found.texts.get(*place))?;
            Ok(*known[*place as usize].insert(strings.intern(text)))
        }
    });
    each.collect()
}

pub(super) fn string(bytes: &[u8]) -> Result<&str, Damaged> {
    std::str::from_utf8(bytes).map_err(|_| text::NO_TEXT)
}

/// An id from its digits; none at all are all zeros.
pub(super) fn id<const N: usize>(text: &[u8]) -> Result<[u8; N], Damaged> {
    const NO_ID: Damaged = Damaged("an id is not one");
    let mut id = [0; N];
    if text.is_empty() {
        return Ok(id);
    }
    if text.len() != 2 * N {
        return Err(NO_ID);
    }
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |letter: u8| (letter as char).to_digit(16).ok_or(NO_ID);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Ok(id)
}

/// The one of `all` with this word.
pub(super) fn word<T: Copy>(text: &[u8], all: &[T], word_of: impl Fn(&T) -> &'static str) -> Result<T, Damaged> {
    let found = all.iter().find(|one| word_of(one).as_bytes() == text);
    found.copied().ok_or(Damaged("a word is not known"))
}

/// Where each list ends.
pub(super) fn ends(counts: &[u32]) -> Vec<u32> {
    let ends = counts.iter().scan(0, |end, count| {
        *end += count;
        Some(*end)
    });
    ends.collect()
}

/// The part of a table that belongs to a row.
pub(super) fn within(ends: &[u32], row: usize) -> Range<usize> {
    let begin = row.checked_sub(1).map_or(0, |before| ends[before]);
    begin as usize..ends[row] as usize
}

/// Are all as long as they should be?
pub(super) fn even(count: usize, lengths: &[usize]) -> Result<(), Damaged> {
    if lengths.iter().all(|length| *length == count) {
        Ok(())
    } else {
        Err(UNEVEN)
    }
}

fn list(path: &str, depth: u8) -> String {
    match depth {
        0 => path.to_owned(),
        _ => format!("{path}.list.element"),
    }
}
