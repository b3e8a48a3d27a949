//! The strings of a block, each once.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

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
    pub fn intern(&mut self, text: &str) -> Str {
        let Self {
            text: all,
            ends,
            table,
            hasher,
        } = self;
        let hash = hasher.hash_one(text);
        if let Some(known) = table.find(hash, |n| slice(all, ends, *n) == text) {
            return Str(*known);
        }
        let (Ok(number), Ok(end)) = (u32::try_from(ends.len()), u32::try_from(all.len() + text.len())) else {
            return Str::EMPTY;
        };
        all.push_str(text);
        ends.push(end);
        table.insert_unique(hash, number, |n| hasher.hash_one(slice(all, ends, *n)));
        Str(number)
    }

    /// The number of `text` when the block has it.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Str> {
        let hash = self.hasher.hash_one(text);
        let found = self.table.find(hash, |n| slice(&self.text, &self.ends, *n) == text);
        found.copied().map(Str)
    }

    /// The string; empty for a number of another block that this one lacks.
    #[must_use]
    pub fn get(&self, string: Str) -> &str {
        slice(&self.text, &self.ends, string.0)
    }

    /// Strings in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|n| slice(&self.text, &self.ends, n as u32))
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

fn slice<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    let number = number as usize;
    let begin = match number {
        0 => 0,
        n => ends.get(n - 1).copied().unwrap_or(u32::MAX),
    };
    let end = ends.get(number).copied().unwrap_or(0);
    text.get(begin as usize..end as usize).unwrap_or_default()
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
