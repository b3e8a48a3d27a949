//! A column of a row group, read back for the rows that are wanted.

use std::ops::Range;

use parquet::basic::CompressionCodec;

use super::hybrid::{decode, take};
use super::page::{self, read_page};
use super::{Damaged, delta};

/// The pages of one column of a row group, as they lie in the file.
#[derive(Debug)]
pub(in crate::segments) struct Chunk<'a> {
    pub(in crate::segments) codec: CompressionCodec,
    /// The dictionary page, when there is one.
    pub(in crate::segments) dictionary: Option<&'a [u8]>,
    /// Pages that hold wanted rows, with the rows of each.
    pub(in crate::segments) pages: Vec<(Range<usize>, &'a [u8])>,
    /// Wanted rows in ascending order, that do not overlap.
    pub(in crate::segments) wanted: &'a [Range<usize>],
}

/// Texts, each once.
#[derive(Debug, Default)]
pub(in crate::segments) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<(u32, u32)>,
}

impl Texts {
    pub(in crate::segments) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(in crate::segments) fn get(&self, place: u32) -> &[u8] {
        let (begin, end) = self.ends.get(place as usize).copied().unwrap_or_default();
        &self.bytes[begin as usize..end as usize]
    }

    fn read(plain: Vec<u8>, count: usize) -> Result<Self, Damaged> {
        let mut ends = Vec::with_capacity(count.min(plain.len() / 4));
        let mut rest = &plain[..];
        for _ in 0..count {
            let length = take(&mut rest, 4)?;
            let begin = (plain.len() - rest.len()) as u32;
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            take(&mut rest, length as usize)?;
            ends.push((begin, begin + length));
        }
        Ok(Self { bytes: plain, ends })
    }
}

/// Texts of rows, by their places among the distinct ones.
#[derive(Debug, Default)]
pub(in crate::segments) struct TextsOf {
    pub(in crate::segments) texts: Texts,
    pub(in crate::segments) places: Vec<u32>,
}

/// How many values each wanted row has; of lists of lists, how many lists, and how many values those have.
#[derive(Debug, Default)]
pub(in crate::segments) struct Lists {
    pub(in crate::segments) outer: Vec<u32>,
    pub(in crate::segments) inner: Vec<u32>,
}

impl Chunk<'_> {
    /// Texts of a column with a dictionary, one each row.
    pub(in crate::segments) fn texts(&self) -> Result<TextsOf, Damaged> {
        Ok(self.nested_texts(0)?.0)
    }

    /// Texts of a column with a dictionary whose rows are lists (`depth` 1) or lists of lists (2).
    pub(in crate::segments) fn nested_texts(&self, depth: u8) -> Result<(TextsOf, Lists), Damaged> {
        let texts = self.distinct()?;
        let mut places = Vec::new();
        let lists = self.walk(depth, &mut places, |header, mut body, values, out| {
            if header.encoding == page::PLAIN && values == 0 {
                return Ok(());
            }
            if header.encoding != page::DICTIONARY {
                return Err(UNKNOWN);
            }
            let bits = u32::from(take(&mut body, 1)?[0]);
            let before = out.len();
            decode(&mut body, bits, values, out)?;
            let is_known = |place: &u32| (*place as usize) < texts.len();
            if out[before..].iter().all(is_known) {
                Ok(())
            } else {
                Err(Damaged("a text is not in its dictionary"))
            }
        })?;
        Ok((TextsOf { texts, places }, lists))
    }

    /// The dictionary alone.
    pub(in crate::segments) fn distinct(&self) -> Result<Texts, Damaged> {
        let Some(bytes) = self.dictionary else {
            return Ok(Texts::default());
        };
        let mut body = Vec::new();
        let header = read_page(bytes, self.codec, &mut body)?;
        if !header.is_dictionary || header.encoding != page::PLAIN {
            return Err(UNKNOWN);
        }
        Texts::read(body, header.values)
    }

    /// Whole numbers, one each row.
    pub(in crate::segments) fn numbers(&self) -> Result<Vec<i64>, Damaged> {
        Ok(self.nested_numbers(0)?.0)
    }

    /// Whole numbers in lists.
    pub(in crate::segments) fn nested_numbers(&self, depth: u8) -> Result<(Vec<i64>, Lists), Damaged> {
        let mut numbers = Vec::new();
        let lists = self.walk(depth, &mut numbers, |header, mut body, values, out| {
            if header.encoding != page::DELTA {
                return Err(UNKNOWN);
            }
            let before = out.len();
            delta::decode(&mut body, out)?;
            exactly(out.len() - before, values)
        })?;
        Ok((numbers, lists))
    }

    /// Fractions in lists, or one each row.
    pub(in crate::segments) fn nested_fractions(&self, depth: u8) -> Result<(Vec<f64>, Lists), Damaged> {
        let mut fractions = Vec::new();
        let lists = self.walk(depth, &mut fractions, |header, body, values, out| {
            if header.encoding != page::PLAIN {
                return Err(UNKNOWN);
            }
            let (eights, _) = body.as_chunks::<8>();
            exactly(eights.len(), values)?;
            out.extend(eights.iter().map(|eight| f64::from_le_bytes(*eight)));
            Ok(())
        })?;
        Ok((fractions, lists))
    }

    /// Texts of `N` bytes or none, one each row, that have no dictionary; `read` makes something of each.
    pub(in crate::segments) fn plain_texts<T: Copy>(
        &self,
        depth: u8,
        read: impl Fn(&[u8]) -> Result<T, Damaged>,
    ) -> Result<(Vec<T>, Lists), Damaged> {
        let mut made = Vec::new();
        let lists = self.walk(depth, &mut made, |header, mut body, values, out| {
            if header.encoding != page::DELTA_TEXTS {
                return Err(UNKNOWN);
            }
            let mut lengths = Vec::new();
            delta::decode_texts(&mut body, &mut lengths)?;
            exactly(lengths.len(), values)?;
            for length in lengths {
                out.push(read(take(&mut body, length as usize)?)?);
            }
            Ok(())
        })?;
        Ok((made, lists))
    }

    /// Goes through the pages, has each decoded, and keeps the values of wanted rows.
    fn walk<T: Copy>(
        &self,
        depth: u8,
        kept: &mut Vec<T>,
        mut decode: impl FnMut(&page::Header, &[u8], usize, &mut Vec<T>) -> Result<(), Damaged>,
    ) -> Result<Lists, Damaged> {
        let mut lists = Lists::default();
        let (mut body, mut values) = (Vec::new(), Vec::new());
        for (rows, bytes) in &self.pages {
            let header = read_page(bytes, self.codec, &mut body)?;
            if header.is_dictionary {
                return Err(UNKNOWN);
            }
            let mut rest = &body[..];
            let shape = PageLists::read(depth, header.values, &mut rest)?;
            values.clear();
            decode(&header, rest, shape.values, &mut values)?;
            exactly(shape.rows(), rows.len())?;
            let mut at = Passed::default();
            for range in self.wanted {
                let (begin, end) = (range.start.max(rows.start), range.end.min(rows.end));
                if begin < end {
                    let wanted = begin - rows.start..end - rows.start;
                    shape.keep(wanted, &mut at, &values, kept, &mut lists);
                }
            }
        }
        Ok(lists)
    }
}

const UNKNOWN: Damaged = Damaged("a page is encoded in an unknown way");

fn exactly(found: usize, wanted: usize) -> Result<(), Damaged> {
    if found == wanted {
        Ok(())
    } else {
        Err(Damaged("a page has another number of values than it says"))
    }
}

/// How the values of one page lie in its rows.
struct PageLists {
    depth: u8,
    values: usize,
    outer: Vec<u32>,
    inner: Vec<u32>,
}

/// Rows of a page that lie behind, the lists of lists in them, and their values.
#[derive(Clone, Copy, Default)]
struct Passed {
    row: usize,
    lists: usize,
    values: usize,
}

impl PageLists {
    fn read(depth: u8, levels: usize, rest: &mut &[u8]) -> Result<Self, Damaged> {
        let mut lists = Self {
            depth,
            values: levels,
            outer: Vec::new(),
            inner: Vec::new(),
        };
        if depth == 0 {
            return Ok(lists);
        }
        let (mut repeats, mut depths) = (Vec::new(), Vec::new());
        for out in [&mut repeats, &mut depths] {
            let length = take(rest, 4)?;
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            let mut bytes = take(rest, length as usize)?;
            decode(&mut bytes, u32::from(depth), levels, out)?;
        }
        lists.values = 0;
        for (repeat, deep) in repeats.iter().zip(&depths) {
            let has_value = *deep == u32::from(depth);
            lists.values += usize::from(has_value);
            lists.level(*repeat, *deep, has_value)?;
        }
        Ok(lists)
    }

    fn level(&mut self, repeat: u32, deep: u32, has_value: bool) -> Result<(), Damaged> {
        const TORN: Damaged = Damaged("a page begins within a row");
        if self.depth == 1 {
            if repeat == 0 {
                self.outer.push(0);
            }
            *self.outer.last_mut().ok_or(TORN)? += u32::from(has_value);
            return Ok(());
        }
        if repeat == 0 {
            self.outer.push(0);
        }
        if repeat < 2 && deep > 0 {
            *self.outer.last_mut().ok_or(TORN)? += 1;
            self.inner.push(0);
        }
        if has_value {
            *self.inner.last_mut().ok_or(TORN)? += 1;
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        if self.depth == 0 { self.values } else { self.outer.len() }
    }

    /// Keeps rows that lie behind those passed already.
    fn keep<T: Copy>(&self, rows: Range<usize>, at: &mut Passed, values: &[T], kept: &mut Vec<T>, lists: &mut Lists) {
        if self.depth == 0 {
            kept.extend_from_slice(&values[rows]);
            return;
        }
        self.pass(rows.start, at);
        let before = *at;
        self.pass(rows.end, at);
        lists.outer.extend_from_slice(&self.outer[rows]);
        if self.depth == 2 {
            lists.inner.extend_from_slice(&self.inner[before.lists..at.lists]);
        }
        kept.extend_from_slice(&values[before.values..at.values]);
    }

    /// On to a row.
    fn pass(&self, row: usize, at: &mut Passed) {
        let sum = |counts: &[u32]| counts.iter().map(|count| *count as usize).sum::<usize>();
        let passed = sum(&self.outer[at.row..row]);
        at.row = row;
        if self.depth == 1 {
            at.values += passed;
        } else {
            at.values += sum(&self.inner[at.lists..at.lists + passed]);
            at.lists += passed;
        }
    }
}
