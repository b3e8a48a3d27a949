//! Checksums of what Parquet has none for. Its pages have their own; the footer, the places of pages and the filters tell
//! where rows are and which are not there, and a flipped bit in them would make rows other ones, or hide them.
//!
//! The footer carries them under the key `sagascope.checksums`, as CRC-32 in eight digits each, with spaces between:
//!
//! 1. of the footer itself, these eight digits as zeros, to the end of the file;
//! 2. of the places of pages (Parquet's offset indexes, which lie behind each other);
//! 3. and on: of each filter, in the order of row groups and columns.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};

use super::codec::read_varint;
use super::file::{At, ReadError, read_at};

const KEY: &str = "sagascope.checksums";
/// Digits of one checksum.
const DIGITS: usize = 8;
/// What ends a file: the length of the footer, and Parquet's mark.
const END: usize = 8;
/// Footers that are believed in; ours are far smaller.
const FOOTER_MAX: u64 = 256 << 20;

/// The footer of a sealed file with the places of its pages.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) metadata: ParquetMetaData,
    /// Checksums of filters; `None` in files that have no checksums.
    filters: Option<Vec<u32>>,
}

/// Key and value for a footer still to be written: the value has the right length, and is replaced by [`fill`].
pub(super) fn reserve(groups: &[RowGroupMetaData]) -> (&'static str, String) {
    let words = 2 + filters_of(groups).count();
    (KEY, vec!["0".repeat(DIGITS); words].join(" "))
}

/// Puts the checksums into a file that is written but for them.
pub(super) fn fill(file: &File) -> Result<(), ReadError> {
    let (begin, mut footer) = footer_bytes(file)?;
    let place = place_in(&footer).ok_or_else(foreign)?;
    let metadata = parse(file)?;
    let mut words = vec![0, index_checksum(file, &metadata)?];
    for range in filters_of(metadata.row_groups()) {
        words.push(crc32fast::hash(&read_at(file, range)?));
    }
    let others = written(&words[1..]);
    let rest = place.start + DIGITS + 1..place.end;
    if rest.len() != others.len() {
        return Err(foreign());
    }
    footer[rest].copy_from_slice(others.as_bytes());
    let own = written(&[crc32fast::hash(&footer)]);
    footer[place.start..place.start + DIGITS].copy_from_slice(own.as_bytes());
    Ok(file.write_all_at(&footer[place.clone()], begin + place.start as u64)?)
}

impl Footer {
    /// Reads a footer; one that has checksums must agree with them.
    pub(super) fn read(file: &File) -> Result<Self, ReadError> {
        let (_, mut footer) = footer_bytes(file)?;
        let Some(place) = place_in(&footer) else {
            let metadata = parse(file)?;
            return Ok(Self {
                metadata,
                filters: None,
            });
        };
        let words = read_words(&footer[place.clone()]).ok_or_else(differs)?;
        let own = place.start..place.start + DIGITS;
        footer[own].fill(b'0');
        if crc32fast::hash(&footer) != words[0] {
            return Err(differs());
        }
        let metadata = parse(file)?;
        if index_checksum(file, &metadata)? != words[1] {
            return Err(ReadError::Damaged(
                "the places of its pages differ from their checksum".to_owned(),
            ));
        }
        Ok(Self {
            metadata,
            filters: Some(words[2..].to_vec()),
        })
    }

    pub(super) const fn has_checksums(&self) -> bool {
        self.filters.is_some()
    }

    /// The filter of a column of a row group; `None` when there is none.
    pub(super) fn filter(&self, file: &File, group: usize, column: usize) -> Result<Option<Sbbf>, ReadError> {
        let groups = self.metadata.row_groups();
        let Some(range) = filter_of(groups[group].column(column)) else {
            return Ok(None);
        };
        let bytes = read_at(file, range)?;
        if let Some(checksums) = &self.filters {
            let before = filters_of(&groups[..group]).count();
            let place = before + groups[group].columns()[..column].iter().filter_map(filter_of).count();
            if checksums.get(place) != Some(&crc32fast::hash(&bytes)) {
                return Err(ReadError::Damaged("a filter differs from its checksum".to_owned()));
            }
        }
        // One without any bits cannot be asked.
        Ok(Some(Sbbf::from_bytes(&bytes)?).filter(|filter| filter.num_blocks() > 0))
    }
}

/// The footer with what follows it, and where it begins.
fn footer_bytes(file: &File) -> Result<(u64, Vec<u8>), ReadError> {
    let length = file.metadata()?.len();
    let end = read_at(file, length.saturating_sub(END as u64)..length)?;
    let stated = end
        .first_chunk::<4>()
        .map(|length| u64::from(u32::from_le_bytes(*length)));
    let begin = stated
        .filter(|stated| *stated <= FOOTER_MAX)
        .and_then(|stated| length.checked_sub(stated + END as u64))
        .ok_or_else(foreign)?;
    Ok((begin, read_at(file, begin..length)?))
}

fn parse(file: &File) -> Result<ParquetMetaData, ReadError> {
    let reader = ParquetMetaDataReader::new().with_offset_index_policy(PageIndexPolicy::Required);
    Ok(reader.parse_and_finish(&At(file))?)
}

/// Where the value of our key lies. In Thrift's compact protocol it stands right behind the key, as the next field.
fn place_in(footer: &[u8]) -> Option<Range<usize>> {
    const NEXT_IS_TEXT: u8 = 0x18;
    let key = footer.windows(KEY.len()).rposition(|bytes| bytes == KEY.as_bytes())?;
    let mut rest = footer[key + KEY.len()..].strip_prefix(&[NEXT_IS_TEXT])?;
    let length = usize::try_from(read_varint(&mut rest).ok()?).ok()?;
    let begin = footer.len() - rest.len();
    (length <= rest.len()).then(|| begin..begin + length)
}

fn read_words(text: &[u8]) -> Option<Vec<u32>> {
    let text = std::str::from_utf8(text).ok()?;
    let words = text.split(' ').map(|word| u32::from_str_radix(word, 16).ok());
    words.collect::<Option<Vec<_>>>().filter(|words| words.len() >= 2)
}

fn written(words: &[u32]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:08x}")).collect();
    words.join(" ")
}

fn index_checksum(file: &File, metadata: &ParquetMetaData) -> Result<u32, ReadError> {
    let mut hasher = crc32fast::Hasher::new();
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let place = column.offset_index_offset().zip(column.offset_index_length());
        let range = place
            .and_then(|(begin, length)| range(begin, length))
            .ok_or_else(foreign)?;
        hasher.update(&read_at(file, range)?);
    }
    Ok(hasher.finalize())
}

/// Where filters lie, in the order of row groups and columns.
fn filters_of(groups: &[RowGroupMetaData]) -> impl Iterator<Item = Range<u64>> {
    groups.iter().flat_map(RowGroupMetaData::columns).filter_map(filter_of)
}

fn filter_of(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    range(column.bloom_filter_offset()?, column.bloom_filter_length()?)
}

fn range(begin: i64, length: i32) -> Option<Range<u64>> {
    let (begin, length) = (u64::try_from(begin).ok()?, u64::try_from(length).ok()?);
    Some(begin..begin.checked_add(length)?)
}

fn differs() -> ReadError {
    ReadError::Damaged("its footer differs from its checksum".to_owned())
}

fn foreign() -> ReadError {
    ReadError::Damaged("its footer is not of ours".to_owned())
}
