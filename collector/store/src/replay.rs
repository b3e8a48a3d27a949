//! Reads the log back at start, oldest record first.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;

use crate::files::{self, HeaderCheck, Segment};
use crate::frame::{Piece, Record, Scan};
use crate::position::Position;

/// What the replay came upon beside good records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Good records.
    pub records: u64,
    /// Damaged stretches that were skipped; later records were kept.
    pub skipped: u64,
    /// Bytes of half-written records that were cut off.
    pub torn_bytes: u64,
}

/// Iterator over the records that were in the log when it was opened, with their places; one file at a time is in memory.
#[derive(Default)]
pub struct Replay {
    segments: VecDeque<Segment>,
    current: Option<(Segment, Scan)>,
    after: Option<Position>,
    recovered: Recovered,
}

impl Replay {
    pub(crate) fn new(segments: Vec<Segment>) -> Self {
        Self {
            segments: segments.into(),
            ..Self::default()
        }
    }

    /// Leaves out what lies at or before `position`; files that lie wholly before it are not read.
    pub fn begin_after(&mut self, position: Option<Position>) {
        self.after = position;
        if let Some(position) = position {
            self.segments.retain(|segment| segment.number >= position.file);
        }
    }

    /// What was found so far.
    #[must_use]
    pub const fn recovered(&self) -> Recovered {
        self.recovered
    }

    fn open_next(&mut self) -> Option<()> {
        let segment = self.segments.pop_front()?;
        match fs::read(&segment.path) {
            Ok(content) => self.current = scan(content, &segment).map(|scan| (segment, scan)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tracing::debug!(file = %segment.path.display(), "a file of the log was removed for its age meanwhile");
            }
            Err(error) => {
                tracing::error!(file = %segment.path.display(), %error, "a file of the log cannot be read; it is left as it is");
                self.recovered.skipped += 1;
            }
        }
        if self.current.is_none() {
            self.open_next()?;
        }
        Some(())
    }

    fn cut(&mut self, path: &Path, at: usize, bytes: u64) {
        let torn = bytes.saturating_sub(at as u64);
        self.recovered.torn_bytes += torn;
        tracing::warn!(file = %path.display(), bytes = torn, "the log ended within a record that was never acknowledged; it was cut off");
        let cut = fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(at as u64));
        if let Err(error) = cut {
            tracing::warn!(file = %path.display(), %error, "cannot cut the file; its end is skipped");
        }
    }
}

fn scan(content: Vec<u8>, segment: &Segment) -> Option<Scan> {
    match files::check_header(&content) {
        // `Wal::open` has refused other versions; a damaged header does not make the frames behind it worthless.
        HeaderCheck::Ours | HeaderCheck::Foreign | HeaderCheck::Version(_) => {
            Some(Scan::new(Bytes::from(content), files::FILE_HEADER))
        }
        HeaderCheck::Unfinished => {
            tracing::warn!(file = %segment.path.display(), "a file of the log was never begun; it is empty");
            None
        }
    }
}

impl Iterator for Replay {
    type Item = (Position, Record);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((segment, scan)) = &mut self.current else {
                self.open_next()?;
                continue;
            };
            match scan.next() {
                Some(Piece::Record { at, record }) => {
                    let position = Position {
                        file: segment.number,
                        offset: at as u64,
                    };
                    if Some(position) > self.after {
                        self.recovered.records += 1;
                        return Some((position, record));
                    }
                }
                Some(Piece::Bad { bytes }) => {
                    tracing::warn!(file = %segment.path.display(), bytes, "a damaged record was skipped");
                    self.recovered.skipped += 1;
                }
                Some(Piece::Torn { at }) => {
                    let (path, bytes) = (segment.path.clone(), segment.bytes);
                    self.cut(&path, at, bytes);
                }
                None => self.current = None,
            }
        }
    }
}
