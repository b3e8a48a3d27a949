//! One request as it lies in the log: a checksummed header and the compressed protobuf bytes.
//!
//! ```text
//! magic 4 | length 4 | crc32 4 | signal 1 | received_at 8 | raw length 4 | zstd bytes …     (little endian)
//! ```
//! The checksum covers everything but the magic and itself, so no flipped bit is ever served as data. After a bad
//! frame the scan looks for the next magic whose frame checks out: later frames are kept.

use std::cell::RefCell;

use bytes::Bytes;
use sagascope_api::Time;
use sagascope_core::wire::Signal;

const MAGIC: [u8; 4] = *b"SGF1";
const HEADER: usize = 25;
const LEVEL: i32 = 1;
/// Larger requests are refused long before they get here.
const RAW_MAX: usize = 128 << 20;

const fn code(signal: Signal) -> u8 {
    match signal {
        Signal::Traces => 1,
        Signal::Logs => 2,
        Signal::Metrics => 3,
    }
}

const fn signal_of(code: u8) -> Option<Signal> {
    match code {
        1 => Some(Signal::Traces),
        2 => Some(Signal::Logs),
        3 => Some(Signal::Metrics),
        _ => None,
    }
}

/// One request read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the bytes are.
    pub signal: Signal,
    /// When the collector received it.
    pub received_at: Time,
    /// The protobuf message.
    pub bytes: Bytes,
}

/// A request ready to be appended. Made by the receiver, so that compression runs beside the writer thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Vec<u8>,
    received_at: Time,
}

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

impl Frame {
    /// Compresses and seals one protobuf message.
    ///
    /// # Errors
    /// When zstd fails, or the message is larger than the log takes.
    pub fn encode(signal: Signal, received_at: Time, message: &[u8]) -> std::io::Result<Self> {
        if message.len() > RAW_MAX {
            return Err(std::io::Error::other("message larger than the log takes"));
        }
        let payload = compress(message)?;
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(code(signal));
        bytes.extend_from_slice(&received_at.0.to_le_bytes());
        bytes.extend_from_slice(&(message.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&payload);
        let crc = checksum(&bytes);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        Ok(Self { bytes, received_at })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn received_at(&self) -> Time {
        self.received_at
    }
}

fn compress(message: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(zstd::bulk::Compressor::new(LEVEL)?);
        }
        slot.as_mut()
            .map_or_else(|| Ok(Vec::new()), |compressor| compressor.compress(message))
    })
}

/// Over length, signal, time, raw length and payload.
fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[4..8]);
    hasher.update(&frame[12..]);
    hasher.finalize()
}

/// What a scan of a file comes upon.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A good frame.
    Record {
        /// Where it begins.
        at: usize,
        record: Record,
    },
    /// Bytes that are no good frame, with good ones or a whole frame's length behind them.
    Bad {
        /// How many.
        bytes: usize,
    },
    /// The file ends within a frame.
    Torn {
        /// Where that frame begins.
        at: usize,
    },
}

/// Walks the frames of a file's content (without the file header).
pub(crate) struct Scan {
    data: Bytes,
    at: usize,
}

enum Parsed {
    Good {
        record: Record,
        len: usize,
    },
    /// Whole by its length, but it does not check out.
    Corrupt,
    /// Ends after the file does, or is no frame at all.
    Broken,
}

impl Scan {
    pub(crate) const fn new(data: Bytes, at: usize) -> Self {
        Self { data, at }
    }

    fn resync(&self) -> Option<usize> {
        let mut from = self.at + 1;
        while let Some(found) = self.data[from..].windows(4).position(|window| window == MAGIC) {
            let at = from + found;
            if matches!(parse(&self.data, at), Parsed::Good { .. }) {
                return Some(at);
            }
            from = at + 1;
        }
        None
    }
}

impl Iterator for Scan {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.at >= self.data.len() {
            return None;
        }
        let start = self.at;
        let corrupt = match parse(&self.data, start) {
            Parsed::Good { record, len } => {
                self.at += len;
                return Some(Piece::Record { at: start, record });
            }
            Parsed::Corrupt => true,
            Parsed::Broken => false,
        };
        let next = self.resync();
        self.at = next.unwrap_or(self.data.len());
        Some(if next.is_some() || corrupt {
            Piece::Bad { bytes: self.at - start }
        } else {
            Piece::Torn { at: start }
        })
    }
}

fn parse(data: &Bytes, at: usize) -> Parsed {
    let rest = &data[at..];
    if rest.len() < HEADER || rest[..4] != MAGIC {
        return Parsed::Broken;
    }
    let word = |from: usize| u32::from_le_bytes([rest[from], rest[from + 1], rest[from + 2], rest[from + 3]]);
    let len = HEADER + word(4) as usize;
    if rest.len() < len {
        return Parsed::Broken;
    }
    let frame = &rest[..len];
    let raw_len = word(21) as usize;
    if checksum(frame) != word(8) || raw_len > RAW_MAX {
        return Parsed::Corrupt;
    }
    let Some(signal) = signal_of(frame[12]) else {
        return Parsed::Corrupt;
    };
    let mut time = [0; 8];
    time.copy_from_slice(&frame[13..21]);
    match zstd::bulk::decompress(&frame[HEADER..], raw_len) {
        Ok(message) if message.len() == raw_len => Parsed::Good {
            record: Record {
                signal,
                received_at: Time(u64::from_le_bytes(time)),
                bytes: message.into(),
            },
            len,
        },
        _ => Parsed::Corrupt,
    }
}

/// The frame with a signal that nobody knows, and good otherwise.
#[cfg(test)]
pub(crate) fn of_unknown_signal(frame: &Frame) -> Vec<u8> {
    let mut bytes = frame.bytes.clone();
    bytes[12] = 0xee;
    let crc = checksum(&bytes);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: u8) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for n in 0..count {
            starts.push(bytes.len());
            let message = vec![n; 40 + usize::from(n)];
            bytes.extend_from_slice(
                Frame::encode(Signal::Logs, Time(u64::from(n)), &message)
                    .unwrap()
                    .as_bytes(),
            );
        }
        starts.push(bytes.len());
        (bytes, starts)
    }

    fn times(data: &[u8]) -> Vec<u64> {
        Scan::new(Bytes::copy_from_slice(data), 0)
            .filter_map(|piece| match piece {
                Piece::Record { record, .. } => Some(record.received_at.0),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn what_goes_in_comes_out() {
        for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
            let frame = Frame::encode(signal, Time(7), b"hello").unwrap();
            let pieces: Vec<_> = Scan::new(frame.bytes.into(), 0).collect();
            let bytes = Bytes::from_static(b"hello");
            assert_eq!(
                pieces,
                [Piece::Record {
                    at: 0,
                    record: Record {
                        signal,
                        received_at: Time(7),
                        bytes
                    }
                }]
            );
        }
    }

    #[test]
    fn c04_a_cut_at_every_byte_loses_only_the_torn_frame() {
        let (bytes, starts) = frames(3);
        for cut in 0..=bytes.len() {
            let whole = starts.iter().filter(|start| **start <= cut).count() - 1;
            let expected: Vec<u64> = (0..whole as u64).collect();
            assert_eq!(times(&bytes[..cut]), expected, "cut at {cut}");
            let last = Scan::new(Bytes::copy_from_slice(&bytes[..cut]), 0).last();
            let torn = matches!(last, Some(Piece::Torn { at }) if at == starts[whole]);
            assert_eq!(torn, cut != starts[whole], "cut at {cut}");
        }
    }

    #[test]
    fn c05_a_flip_of_every_byte_loses_only_its_own_frame() {
        let (bytes, starts) = frames(4);
        for flipped in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[flipped] ^= 0x41;
            let hit = starts.iter().filter(|start| **start <= flipped).count() as u64 - 1;
            let expected: Vec<u64> = (0..4).filter(|n| *n != hit).collect();
            assert_eq!(times(&bytes), expected, "flipped {flipped}");
        }
    }

    #[test]
    fn garbage_is_no_record_and_no_panic() {
        for data in [&b"SGF1"[..], b"", b"SGF1SGF1SGF1SGF1SGF1SGF1SGF1SGF1SGF1", &[0xff; 300]] {
            assert_eq!(times(data), Vec::<u64>::new());
        }
    }
}
