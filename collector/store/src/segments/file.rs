//! A sealed file: written once, whole; read column by column; removed when nobody looks at it any more.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use sagascope_api::Time;
use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};
use sagascope_core::rows::TraceId;

use super::checksums::Footer;
use super::codec::Damaged;
use super::meta::FileMeta;
use super::schema::Table;
use super::tables::read::GroupColumns;
use super::tables::write::hex;
use super::tables::{Columns, logs, points, spans};

/// Why rows of a file cannot be had. The file is left out of answers, and counted.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk says no, or the file is gone.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    /// Its bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
}

impl ReadError {
    /// Is it about the file, and not about this process having too many open?
    fn is_lasting(&self) -> bool {
        match self {
            Self::Io(error) => !matches!(error.raw_os_error(), Some(ENFILE | EMFILE)),
            Self::Damaged(_) => true,
        }
    }
}

const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

impl From<Damaged> for ReadError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged.to_string())
    }
}

impl From<parquet::errors::ParquetError> for ReadError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// A part of a file whose rows are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMeta {
    /// Rows.
    pub rows: usize,
    /// Earliest time of a row.
    pub min_time: Time,
    /// Latest time of a row.
    pub max_time: Time,
    /// Least sequence of a row.
    pub min_sequence: u64,
    /// Greatest sequence of a row.
    pub max_sequence: u64,
}

/// A sealed file.
#[derive(Debug)]
pub struct SealedFile {
    meta: FileMeta,
    path: PathBuf,
    opened: Mutex<Option<Arc<Opened>>>,
    me: Weak<Self>,
    shelf: Arc<Shelf>,
    /// To be removed once nobody holds it.
    doomed: AtomicBool,
    /// Could not be read, as far as anybody tried.
    damaged: AtomicBool,
}

type Blooms = hashbrown::HashMap<(usize, usize), Option<Arc<Sbbf>>>;

/// What is kept of a file while it is read.
#[derive(Debug)]
struct Opened {
    file: File,
    footer: Footer,
    groups: Vec<GroupMeta>,
    /// Filters already read, by row group and column.
    blooms: Mutex<Blooms>,
}

impl SealedFile {
    pub(super) fn new(meta: FileMeta, path: PathBuf, shelf: Arc<Shelf>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            meta,
            path,
            opened: Mutex::default(),
            me: me.clone(),
            shelf,
            doomed: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
        })
    }

    /// What the catalogue knows of it.
    #[must_use]
    pub const fn meta(&self) -> &FileMeta {
        &self.meta
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether rows of it could not be read. It stays where it is, for whoever can mend it, and counts.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Remembers that rows of it cannot be read; told to our own log the first time.
    pub(super) fn set_damaged(&self, why: &dyn std::fmt::Display) {
        if !self.damaged.swap(true, Ordering::Relaxed) {
            tracing::error!(path = %self.path.display(), %why, "a sealed file cannot be read; its rows are left out");
        }
    }

    /// Its row groups, oldest rows first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn groups(&self) -> Result<Vec<GroupMeta>, ReadError> {
        self.noted(self.open().map(|opened| opened.groups.clone()))
    }

    /// Those of these traces of which rows may be in a row group; the others certainly have none there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn likely_traces(&self, group: usize, traces: &[TraceId]) -> Result<Vec<TraceId>, ReadError> {
        let bloom = self.noted(self.bloom(group, "TraceId"))?;
        let Some(bloom) = bloom else {
            return Ok(traces.to_vec());
        };
        let mut digits = Vec::with_capacity(32);
        let mut is_likely = |trace: &TraceId| {
            digits.clear();
            hex(&trace.0, &mut digits);
            bloom.check(&digits[..])
        };
        Ok(traces.iter().copied().filter(|trace| is_likely(trace)).collect())
    }

    /// Whether an attribute of rows of a row group, of their senders or of their events may have this value, as text in
    /// lower case, or hold it in a list. A "no" is certain.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn may_have_value(&self, group: usize, value: &str) -> Result<bool, ReadError> {
        for column in self.value_columns() {
            if self.may_have(group, column, value.as_bytes())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    const fn value_columns(&self) -> &'static [&'static str] {
        match self.meta.table {
            Table::Traces => &[
                "SpanAttributes.key_value.value",
                "ResourceAttributes.key_value.value",
                "Events.Attributes.list.element.key_value.value",
            ],
            Table::Logs => &["LogAttributes.key_value.value", "ResourceAttributes.key_value.value"],
            _ => &["Attributes.key_value.value"],
        }
    }

    /// Rows of a row group that have this text, in lower case, as the value of an attribute of their own, or more; `None`
    /// when only looking at all of them can tell: the value may be in a list, with the sender, or with an event.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn rows_with_value(&self, group: usize, value: &str) -> Result<Option<Vec<Range<usize>>>, ReadError> {
        let columns = self.value_columns();
        for other in &columns[1..] {
            if self.may_have(group, other, value.as_bytes())? {
                return Ok(None);
            }
        }
        let rows = self
            .open()
            .and_then(|opened| self.columns(&opened, group)?.rows_with_value(columns[0], value));
        self.noted(rows)
    }

    /// Rows of a trace in a row group, in ascending ranges.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn rows_of_trace(&self, group: usize, trace: TraceId) -> Result<Vec<Range<usize>>, ReadError> {
        if self.likely_traces(group, &[trace])?.is_empty() {
            return Ok(Vec::new());
        }
        let text = trace.to_string();
        let rows = self
            .open()
            .and_then(|opened| self.columns(&opened, group)?.rows_with_text("TraceId", text.as_bytes()));
        self.noted(rows)
    }

    /// Spans of a row group: the wanted rows (ascending ranges, all of them when `None`) with the wanted columns.
    ///
    /// # Errors
    /// When it cannot be read, or holds no spans.
    pub fn spans(&self, group: usize, columns: Columns, rows: Option<&[Range<usize>]>) -> Result<SpanBlock, ReadError> {
        self.holds(&[Table::Traces])?;
        self.noted(self.read(group, rows, |group, rows| spans::read(group, columns, rows)))
    }

    /// Log records of a row group, as with [`SealedFile::spans`].
    ///
    /// # Errors
    /// When it cannot be read, or holds no log records.
    pub fn logs(&self, group: usize, columns: Columns, rows: Option<&[Range<usize>]>) -> Result<LogBlock, ReadError> {
        self.holds(&[Table::Logs])?;
        self.noted(self.read(group, rows, |group, rows| logs::read(group, columns, rows)))
    }

    /// Metric points of a row group, as with [`SealedFile::spans`].
    ///
    /// # Errors
    /// When it cannot be read, or holds no points.
    pub fn points(
        &self,
        group: usize,
        columns: Columns,
        rows: Option<&[Range<usize>]>,
    ) -> Result<PointBlock, ReadError> {
        self.holds(&Table::ALL[2..])?;
        let table = self.meta.table;
        self.noted(self.read(group, rows, |group, rows| points::read(group, table, columns, rows)))
    }

    /// Lets go of what is kept for reading.
    fn close(&self) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Has it removed as soon as nobody holds it.
    pub(super) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    fn holds(&self, tables: &[Table]) -> Result<(), ReadError> {
        if tables.contains(&self.meta.table) {
            Ok(())
        } else {
            Err(ReadError::Damaged(format!("it holds {}", self.meta.table.name())))
        }
    }

    fn read<T>(
        &self,
        group: usize,
        rows: Option<&[Range<usize>]>,
        read: impl FnOnce(&GroupColumns<'_>, &[Range<usize>]) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let opened = self.open()?;
        let columns = self.columns(&opened, group)?;
        let count = opened.groups[group].rows;
        let all = 0..count;
        let rows = rows.unwrap_or(std::slice::from_ref(&all));
        let is_ascending = rows.is_sorted_by(|a, b| a.end <= b.start);
        if !is_ascending || rows.iter().any(|rows| rows.start > rows.end || rows.end > count) {
            return Err(ReadError::Damaged("rows are wanted that it lacks".to_owned()));
        }
        read(&columns, rows)
    }

    fn columns<'a>(&self, opened: &'a Opened, group: usize) -> Result<GroupColumns<'a>, ReadError> {
        if group >= opened.groups.len() {
            return Err(ReadError::Damaged("a row group is missing".to_owned()));
        }
        Ok(GroupColumns {
            file: &opened.file,
            footer: &opened.footer.metadata,
            schema: self.meta.table.schema(),
            group,
        })
    }

    /// Remembers what a failed read tells of the file.
    fn noted<T>(&self, read: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(error) = &read
            && error.is_lasting()
        {
            self.set_damaged(error);
        }
        read
    }

    fn may_have(&self, group: usize, path: &str, text: &[u8]) -> Result<bool, ReadError> {
        let bloom = self.noted(self.bloom(group, path))?;
        Ok(bloom.is_none_or(|bloom| bloom.check(text)))
    }

    /// The filter of a column; `None` when it has none.
    fn bloom(&self, group: usize, path: &str) -> Result<Option<Arc<Sbbf>>, ReadError> {
        let opened = self.open()?;
        let columns = self.columns(&opened, group)?;
        let Some(leaf) = columns.schema.leaf(path) else {
            return Ok(None);
        };
        let mut blooms = opened.blooms.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match blooms.get(&(group, leaf)) {
            Some(known) => known.clone(),
            None => {
                // Rows can be had without it: one that is damaged tells nothing.
                let bloom = opened.footer.filter(&opened.file, group, leaf);
                let bloom = self.noted(bloom).unwrap_or_default().map(Arc::new);
                blooms.insert((group, leaf), bloom.clone());
                bloom
            }
        })
    }

    fn open(&self) -> Result<Arc<Opened>, ReadError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = &*opened {
            return Ok(Arc::clone(ready));
        }
        let file = File::open(&self.path)?;
        let footer = Footer::read(&file)?;
        if self.meta.checksums && !footer.has_checksums() {
            return Err(Damaged("its checksums are missing").into());
        }
        let groups = groups_of(self.meta.table, &footer.metadata)?;
        let ready = Arc::new(Opened {
            file,
            footer,
            groups,
            blooms: Mutex::default(),
        });
        *opened = Some(Arc::clone(&ready));
        drop(opened);
        self.shelf.put(self.me.clone());
        Ok(ready)
    }
}

/// Files that are open, the longest open first; beyond a number those are closed.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<VecDeque<Weak<SealedFile>>>);

/// Open files, at most; footer and filters of one are below 200 KiB mostly.
const OPEN_MAX: usize = 128;

impl Shelf {
    fn put(&self, file: Weak<SealedFile>) {
        let surplus = {
            let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            files.push_back(file);
            if files.len() > OPEN_MAX {
                files.pop_front()
            } else {
                None
            }
        };
        if let Some(file) = surplus.and_then(|file| file.upgrade()) {
            file.close();
        }
    }
}

impl Drop for SealedFile {
    fn drop(&mut self) {
        if *self.doomed.get_mut()
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // It is of no unit any more: the next start removes it.
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a sealed file");
        }
    }
}

fn groups_of(table: Table, footer: &ParquetMetaData) -> Result<Vec<GroupMeta>, ReadError> {
    let schema = table.schema();
    let groups = footer.row_groups().iter().map(|group| {
        if group.num_columns() != schema.leaves() {
            return Err(ReadError::Damaged("columns are missing".to_owned()));
        }
        // Without statistics it may hold anything.
        let extremes = |path| {
            let statistics = schema.leaf(path).and_then(|leaf| group.column(leaf).statistics());
            let range = match statistics {
                Some(Statistics::Int64(values)) => values.min_opt().zip(values.max_opt()),
                _ => None,
            };
            range.map_or((0, u64::MAX), |(min, max)| (min.cast_unsigned(), max.cast_unsigned()))
        };
        let (min_time, max_time) = extremes(table.time_column());
        let (min_sequence, max_sequence) = extremes("Sagascope.Sequence");
        Ok(GroupMeta {
            rows: usize::try_from(group.num_rows()).map_err(|_| Damaged("a row group has no length"))?,
            min_time: Time(min_time),
            max_time: Time(max_time),
            min_sequence,
            max_sequence,
        })
    });
    groups.collect()
}

/// Bytes of a file that other readers may read at the same time.
pub(super) fn read_at(file: &File, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
    const MAX: u64 = 1 << 31;
    let length = range.end.saturating_sub(range.start);
    if length > MAX {
        return Err(Damaged("a column lies outside of its file").into());
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

/// A file as Parquet's reader wants it. Reads at places, so that readers do not move each other.
pub(super) struct At<'a>(pub(super) &'a File);

impl Length for At<'_> {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for At<'_> {
    type T = io::Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        const AHEAD: u64 = 64 << 10;
        let end = self.len().min(start.saturating_add(AHEAD));
        Ok(io::Cursor::new(
            self.get_bytes(start, end.saturating_sub(start) as usize)?,
        ))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start.saturating_add(length as u64) > self.len() {
            return Err(parquet::errors::ParquetError::EOF("it ends too early".to_owned()));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, start)?;
        Ok(Bytes::from(bytes))
    }
}
