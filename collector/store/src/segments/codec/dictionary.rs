//! The distinct texts of one column of a row group.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Texts, each once, as Parquet keeps them: four bytes of length, then the text.
#[derive(Debug, Default)]
pub(in crate::segments) struct Dictionary {
    plain: Vec<u8>,
    /// Where each text begins, behind its length.
    begins: Vec<u32>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Dictionary {
    /// The place of `text`, which is added when it is new.
    pub(in crate::segments) fn place(&mut self, text: &[u8]) -> u32 {
        let Self {
            plain,
            begins,
            table,
            hasher,
        } = self;
        let hash = hasher.hash_one(text);
        if let Some(known) = table.find(hash, |place| text_at(plain, begins, *place) == text) {
            return *known;
        }
        let place = begins.len() as u32;
        table.insert_unique(hash, place, |place| hasher.hash_one(text_at(plain, begins, *place)));
        self.append(text)
    }

    /// Adds a text that is known to be new, and that nobody asks for again.
    pub(in crate::segments) fn append(&mut self, text: &[u8]) -> u32 {
        let place = self.begins.len() as u32;
        self.plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.begins.push(self.plain.len() as u32);
        self.plain.extend_from_slice(text);
        place
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    pub(super) fn len(&self) -> usize {
        self.begins.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.begins.len() as u32).map(|place| text_at(&self.plain, &self.begins, place))
    }
}

fn text_at<'a>(plain: &'a [u8], begins: &[u32], place: u32) -> &'a [u8] {
    let begin = begins[place as usize] as usize;
    let end = begins
        .get(place as usize + 1)
        .map_or(plain.len(), |next| *next as usize - 4);
    &plain[begin..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_place() {
        let mut dictionary = Dictionary::default();
        let places: Vec<_> = ["a", "", "bü", "a", ""]
            .iter()
            .map(|text| dictionary.place(text.as_bytes()))
            .collect();
        assert_eq!((places, dictionary.len()), (vec![0, 1, 2, 0, 1], 3));
        assert_eq!(
            dictionary.iter().collect::<Vec<_>>(),
            ["a".as_bytes(), b"", "bü".as_bytes()]
        );
    }
}
