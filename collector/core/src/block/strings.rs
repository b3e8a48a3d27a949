//! The strings of a block, each once.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::str::Utf8Error;

/// A string of one block, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(u32);

impl Str {
    /// The empty string, which every block has.
    pub const EMPTY: Self = Self(0);

    /// The string with this number.
    #[must_use]
    pub const fn from_index(index: u32) -> Self {
        Self(index)
    }

    /// Its number, from 0 on in the order of first use.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Distinct strings in the order of their first use.
#[derive(Clone, Debug)]
pub struct Strings {
    text: String,
    ends: Vec<u32>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Strings {
    fn default() -> Self {
        let mut strings = Self {
            text: String::new(),
            ends: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::default(),
        };
        strings.intern("");
        strings
    }
}

impl Strings {
    /// The number of `text`, which is added when it is new. Beyond 4 GiB of text, which no block is let grow to, new
    /// strings read as empty.
    #[inline]
    pub fn intern(&mut self, text: &str) -> Str {
        let hash = self.hash(text.as_bytes());
        match self.known(hash, text.as_bytes()) {
            Some(known) => known,
            None => self.add(hash, text),
        }
    }

    /// The same for bytes that ought to be text. Only those that are new have to be looked at: what the block has is text.
    ///
    /// # Errors
    /// When they are not UTF-8.
    #[inline]
    pub fn intern_bytes(&mut self, bytes: &[u8]) -> Result<Str, Utf8Error> {
        let hash = self.hash(bytes);
        match self.known(hash, bytes) {
            Some(known) => Ok(known),
            None => Ok(self.add(hash, std::str::from_utf8(bytes)?)),
        }
    }

    /// Whether a string is just these bytes.
    #[inline]
    #[must_use]
    pub fn is(&self, string: Str, bytes: &[u8]) -> bool {
        same(slice(self.text.as_bytes(), &self.ends, string.0), bytes)
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        hash(&self.hasher, bytes)
    }

    #[inline]
    fn known(&self, hash: u64, bytes: &[u8]) -> Option<Str> {
        let all = self.text.as_bytes();
        let known = self.table.find(hash, |n| same(slice(all, &self.ends, *n), bytes));
        known.copied().map(Str)
    }

    fn add(&mut self, hash_of_text: u64, text: &str) -> Str {
        let Self {
            text: all,
            ends,
            table,
            hasher,
        } = self;
        let (Ok(number), Ok(end)) = (u32::try_from(ends.len()), u32::try_from(all.len() + text.len())) else {
            return Str::EMPTY;
        };
        all.push_str(text);
        ends.push(end);
        let of = |n: &u32| hash(hasher, slice(all.as_bytes(), ends, *n));
        table.insert_unique(hash_of_text, number, of);
        Str(number)
    }

    /// The number of `text` when the block has it.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Str> {
        self.known(self.hash(text.as_bytes()), text.as_bytes())
    }

    /// The string; empty for a number of another block that this one lacks.
    #[must_use]
    pub fn get(&self, string: Str) -> &str {
        text(&self.text, &self.ends, string.0)
    }

    /// Strings in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|n| text(&self.text, &self.ends, n as u32))
    }

    /// How many.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "the empty string is always there")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All text behind each other, with the end of each string: what a columnar format takes as it is.
    #[must_use]
    pub fn raw(&self) -> (&str, &[u32]) {
        (&self.text, &self.ends)
    }

    /// Memory held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4 + self.table.capacity() * 5
    }
}

#[inline]
fn hash(hasher: &RandomState, bytes: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(bytes);
    state.finish()
}

/// Equality, of which most that is asked about short strings is known without a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ends = |bytes: &[u8]| Some((*bytes.first_chunk::<8>()?, *bytes.last_chunk::<8>()?));
    match (ends(a), ends(b)) {
        (Some(ends_of_a), Some(ends_of_b)) => ends_of_a == ends_of_b && (a.len() <= 16 || a == b),
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

#[inline]
fn slice<'a>(text: &'a [u8], ends: &[u32], number: u32) -> &'a [u8] {
    text.get(range(ends, number)).unwrap_or_default()
}

fn text<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    text.get(range(ends, number)).unwrap_or_default()
}

/// Where a string lies; nowhere for a number that is not known.
#[inline]
fn range(ends: &[u32], number: u32) -> Range<usize> {
    let number = number as usize;
    let begin = match number {
        0 => 0,
        n => ends.get(n - 1).copied().unwrap_or(u32::MAX),
    };
    let end = ends.get(number).copied().unwrap_or(0);
    begin as usize..end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_have_one_number() {
        let mut strings = Strings::default();
        let (a, b) = (strings.intern("a"), strings.intern("bü"));
        assert_eq!((strings.intern("a"), strings.intern("")), (a, Str::EMPTY));
        assert_eq!((strings.get(a), strings.get(b), strings.len()), ("a", "bü", 3));
        assert_eq!((strings.find("bü"), strings.find("c")), (Some(b), None));
        assert_eq!(strings.iter().collect::<Vec<_>>(), ["", "a", "bü"]);
        assert_eq!(strings.get(Str(99)), "");
    }
}
