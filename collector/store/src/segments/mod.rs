//! Sealed rows: Parquet files that any engine reads, and the catalogue that says which of them count.
//!
//! A *unit* is a range of the log with all rows of it, in at most one file a table. Its files are written under another
//! name, synced and renamed; then one transaction of the catalogue makes all of them count, at once. A crash before it
//! leaves files of no unit, which the next start removes, and the log still has their rows.
//!
//! Whoever reads holds a [`View`]. Files that compaction or retention take out of the catalogue are removed when the
//! last view that has them is gone.

mod catalogue;
mod checksums;
mod codec;
mod compact;
#[cfg(test)]
mod damage_tests;
mod file;
#[cfg(test)]
mod fuzz_tests;
mod mark;
mod meta;
mod rebuild;
mod retain;
mod schema;
mod seal;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sagascope_api::Time;

use crate::Position;
use crate::files::create_private;
use crate::head::{HeadBlocks, Sequences};
use catalogue::Catalogue;
use file::Shelf;

pub use file::{GroupMeta, ReadError, SealedFile};
pub use meta::{FileMeta, Unit};
pub use retain::{Keep, Removed};
pub use schema::Table;
pub use tables::Columns;

/// Why sealed rows cannot be opened, or added to.
#[derive(Debug, thiserror::Error)]
pub enum SegmentsError {
    /// The disk says no.
    #[error("cannot write sealed rows: {0}")]
    Io(#[from] io::Error),
    /// The catalogue cannot be read or written.
    #[error("the catalogue of sealed rows: {0}")]
    Catalogue(#[from] rusqlite::Error),
    /// Parquet cannot be written.
    #[error("cannot write a Parquet file: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A file that should be merged cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ReadError,
    },
    /// Written by a newer version of this program; nothing was changed.
    #[error(
        "{path} was written by a newer version ({found}, known up to {known}): start that version, or move the folder away"
    )]
    Newer {
        /// What.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest known.
        known: i64,
    },
}

/// A range of the log with all rows of it, to be sealed.
#[derive(Clone, Debug)]
pub struct SealUnit {
    /// From the position of its first record to that of the first record after it.
    pub range: Range<Position>,
    /// Its rows.
    pub blocks: HeadBlocks,
    /// The sequences that the rows after it have.
    pub next: Sequences,
}

/// The sealed files at one moment. They stay readable as long as it is held.
#[derive(Clone, Debug, Default)]
pub struct View {
    files: Vec<Arc<SealedFile>>,
}

impl View {
    /// All files, in the order of the log.
    #[must_use]
    pub fn files(&self) -> &[Arc<SealedFile>] {
        &self.files
    }

    /// How many of them are gone or damaged as far as is known, so that rows of them are not found.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.files.iter().filter(|file| file.is_damaged()).count() as u64
    }

    /// Files of a table, in the order of the log.
    pub fn of(&self, table: Table) -> impl DoubleEndedIterator<Item = &Arc<SealedFile>> {
        self.files.iter().filter(move |file| file.meta().table == table)
    }

    /// When the oldest row was received, as far as is known: the times of rows are what senders say.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        let units = self.files.iter().map(|file| &file.meta().unit);
        units.map(|unit| unit.oldest.unwrap_or(unit.newest)).min()
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.meta().bytes).sum()
    }

    /// Units, in the order of the log.
    fn units(&self) -> Vec<(Unit, Vec<Arc<SealedFile>>)> {
        let mut units: Vec<(Unit, Vec<Arc<SealedFile>>)> = Vec::new();
        for file in &self.files {
            match units.last_mut() {
                Some((unit, files)) if unit.range == file.meta().unit.range => files.push(Arc::clone(file)),
                _ => units.push((file.meta().unit.clone(), vec![Arc::clone(file)])),
            }
        }
        units
    }
}

/// All sealed rows, and the one who adds to them.
pub struct Segments {
    dir: PathBuf,
    catalogue: Catalogue,
    view: Arc<View>,
    shelf: Arc<Shelf>,
    steps: Steps,
}

/// Is asked before each step that a crash or a full disk may end; tests say no.
type Steps = Box<dyn FnMut(&'static str) -> io::Result<()> + Send>;

impl Segments {
    /// Opens `dir` (the `segments` folder of the data), which is made when it is not there. Files of no unit are
    /// removed; a catalogue that is lost or damaged is made anew from the files.
    ///
    /// # Errors
    /// When the folder cannot be used, or was written by a newer version.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, SegmentsError> {
        Self::open_with(dir.into(), Box::new(|_| Ok(())))
    }

    fn open_with(dir: PathBuf, steps: Steps) -> Result<Self, SegmentsError> {
        create_private(&dir)?;
        for table in Table::ALL {
            fs::create_dir_all(dir.join(table.name()))?;
        }
        remove_temporary(&dir)?;
        let catalogue = match Catalogue::open(&dir)? {
            Some(catalogue) => catalogue,
            None => rebuild::rebuild(&dir)?,
        };
        let mut segments = Self {
            dir,
            catalogue,
            view: Arc::default(),
            shelf: Arc::default(),
            steps,
        };
        segments.load()?;
        Ok(segments)
    }

    /// The sealed files as they are now.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Up to where the log is sealed, and the sequences that rows after that have.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn sealed_to(&self) -> Result<(Option<Position>, Sequences), SegmentsError> {
        let progress = self.catalogue.progress()?;
        Ok(progress.map_or_else(Default::default, |progress| (Some(progress.sealed_to), progress.next)))
    }

    /// Reads the catalogue, and removes files of no unit.
    fn load(&mut self) -> Result<(), SegmentsError> {
        let mut view = View::default();
        for meta in self.catalogue.files()? {
            let path = self.path_of(&meta);
            let file = SealedFile::new(meta, path, Arc::clone(&self.shelf));
            // It stays in the view, so that answers say what they lack and its unit is let go with age.
            match fs::metadata(file.path()) {
                Ok(found) if found.len() == file.meta().bytes => {}
                Ok(found) => file.set_damaged(&format!("it has {} bytes of {}", found.len(), file.meta().bytes)),
                Err(error) => file.set_damaged(&error),
            }
            view.files.push(file);
        }
        let known: HashSet<&Path> = view.files.iter().map(|file| file.path()).collect();
        for path in files_in(&self.dir)? {
            if !known.contains(path.as_path()) {
                tracing::info!(path = %path.display(), "a file of no unit is removed");
                fs::remove_file(&path)?;
            }
        }
        self.view = Arc::new(view);
        Ok(())
    }

    fn path_of(&self, meta: &FileMeta) -> PathBuf {
        path_in(&self.dir, meta)
    }
}

/// Where a file lies: in the folder of its table, named after its range of the log.
fn path_in(dir: &Path, meta: &FileMeta) -> PathBuf {
    let Range { start, end } = &meta.unit.range;
    let name = format!(
        "{:010}.{:012}-{:010}.{:012}.parquet",
        start.file, start.offset, end.file, end.offset
    );
    dir.join(meta.table.name()).join(name)
}

/// Parquet files in the folders of the tables.
fn files_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    entries(dir, ".parquet")
}

/// Removes what a crash left half written.
fn remove_temporary(dir: &Path) -> io::Result<()> {
    entries(dir, ".tmp")?.iter().try_for_each(fs::remove_file)
}

fn entries(dir: &Path, suffix: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for table in Table::ALL {
        for entry in fs::read_dir(dir.join(table.name()))? {
            let path = entry?.path();
            if path.to_str().is_some_and(|path| path.ends_with(suffix)) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The newest of moments.
fn newest(times: impl Iterator<Item = Time>) -> Time {
    times.max().unwrap_or_default()
}
