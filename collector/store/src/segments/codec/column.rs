//! The columns of a row group, written as Parquet's pages.

use std::io::Write;
use std::rc::Rc;

use bytes::Bytes;
use parquet::basic::{CompressionCodec, Encoding};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;

use super::dictionary::Dictionary;
use super::page::{self, Squeeze};
use super::{PAGE_ROWS, delta, hybrid};

/// One column of a row group.
#[derive(Debug)]
pub(in crate::segments) struct Column {
    pub(in crate::segments) values: Values,
    pub(in crate::segments) nesting: Nesting,
}

/// The values of a column.
#[derive(Debug)]
pub(in crate::segments) enum Values {
    /// Texts that come again, by their places in a dictionary; with a filter that says "maybe" to what is not there in
    /// such a share of cases, or without.
    Places {
        dictionary: Dictionary,
        places: Vec<u32>,
        bloom: Option<f64>,
    },
    /// Texts that do not come again: lengths, and bytes behind each other.
    Texts { lengths: Vec<i64>, bytes: Vec<u8> },
    /// Whole numbers of eight bytes.
    Numbers(Vec<i64>),
    /// Whole numbers of at most four bytes.
    Small(Vec<i32>),
    /// Fractions.
    Fractions(Vec<f64>),
    /// Truths.
    Truths(Vec<bool>),
}

/// How many values rows have.
#[derive(Clone, Debug)]
pub(in crate::segments) enum Nesting {
    /// One each.
    Flat,
    /// A list each, of so many.
    Lists(Rc<Vec<u32>>),
    /// A list each of so many lists, and those of so many values.
    ListsOfLists(Rc<Vec<u32>>, Rc<Vec<u32>>),
}

impl Column {
    pub(in crate::segments) const fn flat(values: Values) -> Self {
        Self {
            values,
            nesting: Nesting::Flat,
        }
    }
}

/// Writes columns, in the order of the schema, as the next row group.
pub(in crate::segments) fn write_group<W: Write + Send>(
    file: &mut SerializedFileWriter<W>,
    columns: &[Column],
    rows: usize,
    squeeze: &mut Squeeze,
) -> Result<()> {
    let schema = file.schema_descr().columns().to_vec();
    if schema.len() != columns.len() {
        return Err(ParquetError::General("columns differ from the schema".to_owned()));
    }
    let mut group = file.next_row_group()?;
    for (descr, column) in schema.into_iter().zip(columns) {
        let (bytes, closed) = ChunkWriter::new(column, rows, squeeze).write(descr)?;
        group.append_column(&Bytes::from(bytes), closed)?;
    }
    group.close()?;
    Ok(())
}

struct ChunkWriter<'a> {
    column: &'a Column,
    rows: usize,
    squeeze: &'a mut Squeeze,
    codec: CompressionCodec,
    out: Vec<u8>,
    unpacked: usize,
    levels: usize,
    locations: Vec<PageLocation>,
}

/// A part of the column that makes a page: rows, lists in them, values in those.
#[derive(Clone, Copy, Default)]
struct Place {
    row: usize,
    list: usize,
    value: usize,
}

impl<'a> ChunkWriter<'a> {
    fn new(column: &'a Column, rows: usize, squeeze: &'a mut Squeeze) -> Self {
        let codec = if column.is_worth_compressing() {
            CompressionCodec::ZSTD
        } else {
            CompressionCodec::UNCOMPRESSED
        };
        Self {
            column,
            rows,
            squeeze,
            codec,
            out: Vec::new(),
            unpacked: 0,
            levels: 0,
            locations: Vec::new(),
        }
    }

    fn write(mut self, descr: ColumnDescPtr) -> Result<(Vec<u8>, ColumnCloseResult)> {
        let dictionary = self.column.dictionary();
        if let Some(texts) = dictionary {
            let kind = (true, texts.len(), page::PLAIN);
            self.unpacked += self.squeeze.page(kind, self.codec, texts.plain(), &mut self.out)?;
        }
        let data_offset = self.out.len() as i64;
        let page_rows = if self.column.is_constant() {
            self.rows
        } else {
            PAGE_ROWS
        };
        let mut at = Place::default();
        while at.row < self.rows {
            let end = self.column.advance(at, page_rows.min(self.rows - at.row));
            self.page(at, end)?;
            at = end;
        }
        let mut encodings = vec![Encoding::RLE, self.column.encoding().0];
        if dictionary.is_some() {
            encodings.push(Encoding::PLAIN);
        }
        let mut metadata = ColumnChunkMetaData::builder(descr)
            .set_encodings(encodings)
            .set_compression_codec(self.codec)
            .set_num_values(self.levels as i64)
            .set_total_compressed_size(self.out.len() as i64)
            .set_total_uncompressed_size(self.unpacked as i64)
            .set_dictionary_page_offset(dictionary.is_some().then_some(0))
            .set_data_page_offset(data_offset);
        if let Some(statistics) = self.column.statistics() {
            metadata = metadata.set_statistics(statistics);
        }
        let closed = ColumnCloseResult {
            bytes_written: self.out.len() as u64,
            rows_written: self.rows as u64,
            metadata: metadata.build()?,
            bloom_filter: self.column.bloom()?,
            column_index: None,
            offset_index: Some(OffsetIndexMetaData {
                page_locations: self.locations,
                unencoded_byte_array_data_bytes: None,
            }),
        };
        Ok((self.out, closed))
    }

    fn page(&mut self, begin: Place, end: Place) -> Result<()> {
        let mut body = Vec::new();
        let levels = self.column.nesting.levels(begin, end, &mut body);
        self.column.values.encode(begin.value, end.value, &mut body);
        let offset = self.out.len();
        let kind = (false, levels, self.column.encoding().1);
        self.unpacked += self.squeeze.page(kind, self.codec, &body, &mut self.out)?;
        self.levels += levels;
        self.locations.push(PageLocation {
            offset: offset as i64,
            compressed_page_size: (self.out.len() - offset) as i32,
            first_row_index: begin.row as i64,
        });
        Ok(())
    }
}

impl Column {
    /// The dictionary, unless there is nothing in it.
    fn dictionary(&self) -> Option<&Dictionary> {
        match &self.values {
            Values::Places { dictionary, .. } if dictionary.len() > 0 => Some(dictionary),
            _ => None,
        }
    }

    fn encoding(&self) -> (Encoding, i64) {
        match self.values {
            Values::Places { .. } if self.dictionary().is_some() => (Encoding::RLE_DICTIONARY, page::DICTIONARY),
            Values::Numbers(_) | Values::Small(_) => (Encoding::DELTA_BINARY_PACKED, page::DELTA),
            Values::Texts { .. } => (Encoding::DELTA_LENGTH_BYTE_ARRAY, page::DELTA_TEXTS),
            Values::Places { .. } | Values::Fractions(_) | Values::Truths(_) => (Encoding::PLAIN, page::PLAIN),
        }
    }

    /// The same in all rows, so that one small page says it.
    fn is_constant(&self) -> bool {
        let has_rows = matches!(self.nesting, Nesting::Flat);
        match &self.values {
            Values::Places { dictionary, places, .. } => places.is_empty() || has_rows && dictionary.len() == 1,
            _ => false,
        }
    }

    /// Packed numbers are as small as they get; so is what is always the same.
    fn is_worth_compressing(&self) -> bool {
        match &self.values {
            Values::Numbers(_) | Values::Small(_) => !matches!(self.nesting, Nesting::Flat),
            Values::Places { dictionary, .. } => !self.is_constant() || dictionary.plain().len() > 256,
            Values::Texts { .. } | Values::Fractions(_) | Values::Truths(_) => true,
        }
    }

    fn statistics(&self) -> Option<Statistics> {
        match &self.values {
            Values::Numbers(numbers) if matches!(self.nesting, Nesting::Flat) => {
                let (least, greatest) = (numbers.iter().min()?, numbers.iter().max()?);
                // Beyond the year 2262, or in a length beyond belief, signs would tell the wrong order.
                let is_plain = *least >= 0;
                is_plain.then(|| Statistics::int64(Some(*least), Some(*greatest), None, Some(0), false))
            }
            _ => None,
        }
    }

    fn bloom(&self) -> Result<Option<Sbbf>> {
        let Values::Places {
            dictionary,
            bloom: Some(false_share),
            ..
        } = &self.values
        else {
            return Ok(None);
        };
        let mut filter = Sbbf::new_with_ndv_fpp(dictionary.len().max(1) as u64, *false_share)?;
        dictionary.iter().for_each(|text| admit(&mut filter, text));
        Ok(Some(filter))
    }

    fn advance(&self, at: Place, rows: usize) -> Place {
        let row = at.row + rows;
        let sum = |counts: &[u32]| counts.iter().map(|count| *count as usize).sum::<usize>();
        match &self.nesting {
            Nesting::Flat => Place {
                row,
                list: row,
                value: row,
            },
            Nesting::Lists(counts) => Place {
                row,
                list: row,
                value: at.value + sum(&counts[at.row..row]),
            },
            Nesting::ListsOfLists(outer, inner) => {
                let list = at.list + sum(&outer[at.row..row]);
                Place {
                    row,
                    list,
                    value: at.value + sum(&inner[at.list..list]),
                }
            }
        }
    }
}

impl Nesting {
    /// Appends the levels of a page and gives their number.
    fn levels(&self, begin: Place, end: Place, out: &mut Vec<u8>) -> usize {
        let (mut repeats, mut depths) = (Vec::new(), Vec::new());
        let bits = match self {
            Self::Flat => return end.row - begin.row,
            Self::Lists(counts) => {
                for count in &counts[begin.row..end.row] {
                    repeats.push(0);
                    repeats.resize(repeats.len() + count.saturating_sub(1) as usize, 1);
                    depths.resize(depths.len() + (*count).max(1) as usize, u32::from(*count > 0));
                }
                1
            }
            Self::ListsOfLists(outer, inner) => {
                let mut lists = inner[begin.list..end.list].iter();
                for count in &outer[begin.row..end.row] {
                    if *count == 0 {
                        repeats.push(0);
                        depths.push(0);
                    }
                    for (n, inside) in lists.by_ref().take(*count as usize).enumerate() {
                        repeats.push(u32::from(n > 0));
                        repeats.resize(repeats.len() + inside.saturating_sub(1) as usize, 2);
                        depths.resize(depths.len() + (*inside).max(1) as usize, 1 + u32::from(*inside > 0));
                    }
                }
                2
            }
        };
        for levels in [&repeats, &depths] {
            let length = out.len();
            out.extend_from_slice(&[0; 4]);
            hybrid::encode(levels, bits, out);
            let bytes = (out.len() - length - 4) as u32;
            out[length..length + 4].copy_from_slice(&bytes.to_le_bytes());
        }
        repeats.len()
    }
}

impl Values {
    fn encode(&self, begin: usize, end: usize, out: &mut Vec<u8>) {
        match self {
            Self::Places { dictionary, places, .. } => match dictionary.len() {
                0 => {}
                len => {
                    let bits = (32 - (len as u32 - 1).leading_zeros()).next_multiple_of(8).max(8);
                    out.push(bits as u8);
                    encode_places(&places[begin..end], bits, out);
                }
            },
            Self::Texts { lengths, bytes } => {
                let sum = |lengths: &[i64]| lengths.iter().sum::<i64>() as usize;
                let from = sum(&lengths[..begin]);
                let lengths = &lengths[begin..end];
                delta::encode_texts(lengths, &bytes[from..from + sum(lengths)], out);
            }
            Self::Numbers(numbers) => delta::encode(&numbers[begin..end], out),
            Self::Small(numbers) => {
                let wide: Vec<_> = numbers[begin..end].iter().map(|number| i64::from(*number)).collect();
                delta::encode(&wide, out);
            }
            Self::Fractions(fractions) => {
                let bytes = fractions[begin..end].iter().flat_map(|fraction| fraction.to_le_bytes());
                out.extend(bytes);
            }
            Self::Truths(truths) => {
                let bytes = truths[begin..end].chunks(8).map(|eight| {
                    let bits = eight.iter().enumerate();
                    bits.fold(0, |byte, (n, truth)| byte | u8::from(*truth) << n)
                });
                out.extend(bytes);
            }
        }
    }
}

/// Runs are only worth it where rows repeat each other; elsewhere they would tear apart what compresses well.
fn encode_places(places: &[u32], bits: u32, out: &mut Vec<u8>) {
    let changes = places.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if changes * 4 < places.len() {
        hybrid::encode(places, bits, out);
    } else {
        hybrid::encode_literally(places, bits, out);
    }
}

/// A text, in lower case too since searches have no regard to case, and what a list holds. More than there is makes the
/// filter say "maybe" more often, and never "no" to what is there.
fn admit(filter: &mut Sbbf, text: &[u8]) {
    filter.insert(text);
    if text.iter().any(u8::is_ascii_uppercase) {
        filter.insert(text.to_ascii_lowercase().as_slice());
    }
    if text.first() == Some(&b'[')
        && let Ok(list) = serde_json::from_slice::<serde_json::Value>(text)
    {
        admit_elements(filter, &list);
    }
}

fn admit_elements(filter: &mut Sbbf, value: &serde_json::Value) {
    match value {
        serde_json::Value::Array(elements) => elements.iter().for_each(|element| admit_elements(filter, element)),
        serde_json::Value::String(text) => {
            filter.insert(text.as_bytes());
            filter.insert(text.to_ascii_lowercase().as_bytes());
        }
        serde_json::Value::Object(_) => {}
        other => filter.insert(other.to_string().as_bytes()),
    }
}
