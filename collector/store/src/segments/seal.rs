//! A unit of the log becomes Parquet files and one transaction.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use sagascope_api::Time;

use super::codec::{Column, Squeeze, write_group};
use super::meta::{FileMeta, Unit};
use super::schema::Table;
use super::tables::{logs, points, spans};
use super::{SealUnit, SealedFile, Segments, SegmentsError, Steps, View, checksums, newest, path_in, sync_dir};
use crate::head::HeadBlocks;

/// Rows of a row group, about.
pub(super) const GROUP_ROWS: usize = 16_384;
/// Version of the files.
pub(super) const FORMAT: i64 = 1;
/// Keys in the footer.
pub(super) const FORMAT_KEY: &str = "sagascope.format";
pub(super) const META_KEY: &str = "sagascope.meta";

impl Segments {
    /// Seals a unit; when this returns well its rows are in files that survive a crash.
    ///
    /// # Errors
    /// When it cannot be written. Nothing of it counts then, and the log still has it.
    pub fn seal(&mut self, unit: &SealUnit) -> Result<Arc<View>, SegmentsError> {
        let blocks = &unit.blocks;
        let tables: Vec<_> = Table::ALL
            .into_iter()
            .map(|table| (table, order(blocks, table)))
            .filter(|(_, rows)| !rows.is_empty())
            .collect();
        let described = Unit {
            range: unit.range.clone(),
            tables: tables.iter().map(|(table, _)| *table).collect(),
            next: unit.next,
            newest: newest(received(blocks)),
            oldest: received(blocks).min(),
        };
        let metas = self.write_all(&described, |table, file, steps| {
            let rows = tables
                .iter()
                .find(|(one, _)| *one == table)
                .map_or(&[][..], |(_, rows)| rows);
            for rows in rows.chunks(GROUP_ROWS) {
                steps("write")?;
                file.group(blocks, rows)?;
            }
            Ok(())
        })?;
        self.commit(metas, &[], &described)
    }

    /// Writes the files of a unit; when one cannot be, none of them stays.
    pub(super) fn write_all(
        &mut self,
        unit: &Unit,
        mut write: impl FnMut(Table, &mut NewFile, &mut Steps) -> Result<(), SegmentsError>,
    ) -> Result<Vec<FileMeta>, SegmentsError> {
        let mut metas = Vec::new();
        let mut paths = Vec::new();
        let Self { dir, steps, .. } = self;
        for table in unit.tables.clone() {
            let written = NewFile::create(dir, table, unit).and_then(|mut file| {
                paths.extend([file.temporary.clone(), file.path.clone()]);
                write(table, &mut file, steps)?;
                file.finish(steps)
            });
            match written {
                Ok(meta) => metas.push(meta),
                Err(error) => {
                    // What cannot be removed now is removed at the next start.
                    paths.iter().for_each(|path| drop(fs::remove_file(path)));
                    return Err(error);
                }
            }
        }
        Ok(metas)
    }

    /// Makes new files count and others not, at once.
    pub(super) fn commit(
        &mut self,
        new: Vec<FileMeta>,
        gone: &[Arc<SealedFile>],
        progress: &Unit,
    ) -> Result<Arc<View>, SegmentsError> {
        let committed = (self.steps)("commit").map_err(SegmentsError::from).and_then(|()| {
            let gone: Vec<_> = gone.iter().map(|file| file.meta()).collect();
            Ok(self.catalogue.change(&new, &gone, Some(progress.into()))?)
        });
        if let Err(error) = committed {
            new.iter().for_each(|meta| drop(fs::remove_file(self.path_of(meta))));
            return Err(error);
        }
        let mut view = (*self.view).clone();
        view.files
            .retain(|file| !gone.iter().any(|gone| Arc::ptr_eq(file, gone)));
        for meta in new {
            let path = self.path_of(&meta);
            view.files.push(SealedFile::new(meta, path, Arc::clone(&self.shelf)));
        }
        view.files
            .sort_by_key(|file| (file.meta().unit.range.start, file.meta().table));
        gone.iter().for_each(|file| file.doom());
        self.view = Arc::new(view);
        Ok(self.view())
    }
}

/// Rows of a table in the order they are sealed in.
pub(super) fn order(blocks: &HeadBlocks, table: Table) -> Vec<(u32, u32)> {
    match table {
        Table::Traces => spans::order(&blocks.spans),
        Table::Logs => logs::order(&blocks.logs),
        _ if blocks.points.is_empty() => Vec::new(),
        table => points::order(&blocks.points, table),
    }
}

/// When the requests were received.
fn received(blocks: &HeadBlocks) -> impl Iterator<Item = Time> {
    let spans = blocks.spans.iter().flat_map(|block| &block.received_at);
    let logs = blocks.logs.iter().flat_map(|block| &block.received_at);
    let points = blocks.points.iter().flat_map(|block| &block.received_at);
    spans.chain(logs).chain(points).copied()
}

/// A file on its way.
pub(super) struct NewFile {
    meta: FileMeta,
    temporary: PathBuf,
    path: PathBuf,
    writer: SerializedFileWriter<BufWriter<File>>,
    squeeze: Squeeze,
}

impl NewFile {
    fn create(dir: &Path, table: Table, unit: &Unit) -> Result<Self, SegmentsError> {
        let meta = FileMeta {
            table,
            rows: 0,
            bytes: 0,
            min_time: Time(u64::MAX),
            max_time: Time(0),
            min_sequence: u64::MAX,
            max_sequence: 0,
            checksums: true,
            unit: unit.clone(),
        };
        let path = path_in(dir, &meta);
        let temporary = path.with_extension("parquet.tmp");
        let properties =
            WriterProperties::builder().set_created_by(concat!("sagascope ", env!("CARGO_PKG_VERSION")).to_owned());
        let writer = SerializedFileWriter::new(
            BufWriter::new(create(&temporary)?),
            Arc::clone(&table.schema().root),
            Arc::new(properties.build()),
        )?;
        Ok(Self {
            meta,
            temporary,
            path,
            writer,
            squeeze: Squeeze::new()?,
        })
    }

    /// Writes rows of blocks as a row group.
    pub(super) fn group(&mut self, blocks: &HeadBlocks, rows: &[(u32, u32)]) -> Result<(), SegmentsError> {
        let columns: Vec<Column> = match self.meta.table {
            Table::Traces => spans::columns(&blocks.spans, rows),
            Table::Logs => logs::columns(&blocks.logs, rows),
            table => points::columns(&blocks.points, rows, table),
        };
        for (block, row) in rows {
            let (block, row) = (*block as usize, *row as usize);
            let (time, sequence) = match self.meta.table {
                Table::Traces => (blocks.spans[block].start[row], blocks.spans[block].sequence[row]),
                Table::Logs => (blocks.logs[block].at[row], blocks.logs[block].sequence[row]),
                _ => (blocks.points[block].at[row], blocks.points[block].sequence[row]),
            };
            let meta = &mut self.meta;
            meta.min_time = meta.min_time.min(time);
            meta.max_time = meta.max_time.max(time);
            meta.min_sequence = meta.min_sequence.min(sequence);
            meta.max_sequence = meta.max_sequence.max(sequence);
        }
        self.meta.rows += rows.len() as u64;
        Ok(write_group(&mut self.writer, &columns, rows.len(), &mut self.squeeze)?)
    }

    /// Ends the file, and gives it its name once it is on disk.
    fn finish(mut self, steps: &mut Steps) -> Result<FileMeta, SegmentsError> {
        let described = serde_json::to_string(&self.meta).map_err(std::io::Error::from)?;
        for (key, value) in [(FORMAT_KEY, FORMAT.to_string()), (META_KEY, described)] {
            self.writer
                .append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        let (key, value) = checksums::reserve(self.writer.flushed_row_groups());
        self.writer
            .append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        let mut file = self.writer.into_inner()?;
        file.flush()?;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        checksums::fill(&file).map_err(|error| SegmentsError::Read {
            path: self.temporary.clone(),
            error,
        })?;
        steps("sync")?;
        file.sync_all()?;
        self.meta.bytes = file.metadata()?.len();
        steps("rename")?;
        fs::rename(&self.temporary, &self.path)?;
        steps("sync folder")?;
        if let Some(folder) = self.path.parent() {
            sync_dir(folder)?;
        }
        Ok(self.meta)
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(true).read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}
