//! A page: its header in Thrift's compact protocol, and its compressed bytes with a checksum.

use std::io;

use parquet::basic::CompressionCodec;

use super::Damaged;
use super::hybrid::{read_varint, take, unzigzag, varint, zigzag};

/// The zstd level; higher ones gain little on columns and cost much.
const LEVEL: i32 = 1;
/// Bytes that a page may unfold to; what we write stays far below.
const PAGE_BYTES_MAX: usize = 1 << 30;

/// Numbers of Parquet's encodings.
pub(super) const PLAIN: i64 = 0;
pub(super) const RLE: i64 = 3;
pub(super) const DELTA: i64 = 5;
pub(super) const DELTA_TEXTS: i64 = 6;
pub(super) const DICTIONARY: i64 = 8;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_dictionary: bool,
    /// Values, absent ones too; of a dictionary its texts.
    pub(super) values: usize,
    pub(super) encoding: i64,
    unpacked: usize,
    packed: usize,
    checksum: u32,
}

/// Compresses and unfolds pages, with memory that is used again.
pub(in crate::segments) struct Squeeze {
    compressor: zstd::bulk::Compressor<'static>,
    buffer: Vec<u8>,
}

impl Squeeze {
    pub(in crate::segments) fn new() -> io::Result<Self> {
        Ok(Self {
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
            buffer: Vec::new(),
        })
    }

    /// Appends a page to `out`; gives the length of its header plus `body` when not compressed.
    pub(super) fn page(
        &mut self,
        kind: (bool, usize, i64),
        codec: CompressionCodec,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let (is_dictionary, values, encoding) = kind;
        let packed = if codec == CompressionCodec::ZSTD {
            self.buffer.clear();
            self.buffer.reserve(zstd::zstd_safe::compress_bound(body.len()));
            self.compressor.compress_to_buffer(body, &mut self.buffer)?;
            &self.buffer[..]
        } else {
            body
        };
        let header = Header {
            is_dictionary,
            values,
            encoding,
            unpacked: body.len(),
            packed: packed.len(),
            checksum: crc32fast::hash(packed),
        };
        let before = out.len();
        header.write(out);
        let header_bytes = out.len() - before;
        out.extend_from_slice(packed);
        Ok(header_bytes + body.len())
    }
}

impl Header {
    fn write(&self, out: &mut Vec<u8>) {
        let field = |out: &mut Vec<u8>, delta: u8, value: i64| {
            out.push(delta << 4 | I32);
            varint(zigzag(value), out);
        };
        field(out, 1, if self.is_dictionary { 2 } else { 0 });
        field(out, 1, self.unpacked as i64);
        field(out, 1, self.packed as i64);
        field(out, 1, i64::from(self.checksum.cast_signed()));
        let step = if self.is_dictionary { 3 } else { 1 };
        out.push(step << 4 | STRUCT);
        field(out, 1, self.values as i64);
        field(out, 1, self.encoding);
        if !self.is_dictionary {
            field(out, 1, RLE);
            field(out, 1, RLE);
        }
        out.extend_from_slice(&[0, 0]);
    }

    /// Takes a header off the front, of a page that [`Squeeze::page`] wrote.
    fn read(bytes: &mut &[u8]) -> Result<Self, Damaged> {
        let is_dictionary = match number(bytes, 1)? {
            0 => false,
            2 => true,
            _ => return Err(FOREIGN),
        };
        let size = |number: i64| usize::try_from(number).map_err(|_| FOREIGN);
        let unpacked = size(number(bytes, 1)?)?;
        let packed = size(number(bytes, 1)?)?;
        let checksum = number(bytes, 1)?;
        let step = if is_dictionary { 3 } else { 1 };
        if take(bytes, 1)?[0] != (step << 4 | STRUCT) {
            return Err(FOREIGN);
        }
        let values = size(number(bytes, 1)?)?;
        let encoding = number(bytes, 1)?;
        if !is_dictionary && (number(bytes, 1)?, number(bytes, 1)?) != (RLE, RLE) {
            return Err(FOREIGN);
        }
        if take(bytes, 2)? != [0, 0] || unpacked > PAGE_BYTES_MAX {
            return Err(FOREIGN);
        }
        Ok(Self {
            is_dictionary,
            values,
            encoding,
            unpacked,
            packed,
            checksum: checksum as u32,
        })
    }
}

const I32: u8 = 5;
const STRUCT: u8 = 12;
const FOREIGN: Damaged = Damaged("a page has a header of another kind");

fn number(bytes: &mut &[u8], delta: u8) -> Result<i64, Damaged> {
    if take(bytes, 1)?[0] != (delta << 4 | I32) {
        return Err(FOREIGN);
    }
    Ok(unzigzag(read_varint(bytes)?))
}

/// Reads a page that fills `bytes`; what is in it goes to `body`.
pub(super) fn read_page(mut bytes: &[u8], codec: CompressionCodec, body: &mut Vec<u8>) -> Result<Header, Damaged> {
    let header = Header::read(&mut bytes)?;
    let packed = bytes;
    if packed.len() != header.packed {
        return Err(Damaged("a page is not as long as its place"));
    }
    if crc32fast::hash(packed) != header.checksum {
        return Err(Damaged("a page differs from its checksum"));
    }
    body.clear();
    match codec {
        CompressionCodec::UNCOMPRESSED => body.extend_from_slice(packed),
        CompressionCodec::ZSTD => {
            body.reserve(header.unpacked);
            let unfolded = DECOMPRESSOR.with_borrow_mut(|decompressor| {
                let decompressor = match decompressor {
                    Some(ready) => ready,
                    None => decompressor.insert(zstd::bulk::Decompressor::new()?),
                };
                decompressor.decompress_to_buffer(packed, body)
            });
            unfolded.map_err(|_| Damaged("a page cannot be unfolded"))?;
        }
        _ => return Err(Damaged("a column is compressed in an unknown way")),
    }
    if body.len() != header.unpacked {
        return Err(Damaged("a page is shorter than it says"));
    }
    Ok(header)
}

thread_local! {
    static DECOMPRESSOR: std::cell::RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { std::cell::RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_comes_out_as_it_went_in_and_a_changed_one_does_not() {
        let body = b"abcabcabcabcabcabc".repeat(9);
        for codec in [CompressionCodec::ZSTD, CompressionCodec::UNCOMPRESSED] {
            for kind in [(false, 7, DELTA), (true, 3, PLAIN)] {
                let (mut out, mut read) = (Vec::new(), Vec::new());
                Squeeze::new().unwrap().page(kind, codec, &body, &mut out).unwrap();
                let header = read_page(&out, codec, &mut read).unwrap();
                assert_eq!((header.is_dictionary, header.values, header.encoding), kind);
                assert_eq!(read, body);
                *out.last_mut().unwrap() ^= 1;
                assert!(read_page(&out, codec, &mut read).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read_page(&bytes, CompressionCodec::ZSTD, &mut Vec::new());
        }
    }
}
