//! Small units that follow each other become one.

use std::sync::Arc;

use super::meta::Unit;
use super::schema::Table;
use super::seal::{GROUP_ROWS, NewFile, order};
use super::{Columns, ReadError, SealedFile, Segments, SegmentsError, Steps, newest};
use crate::head::HeadBlocks;

/// A unit with more rows is left as it is.
const SMALL_ROWS: u64 = 24_000;
/// Units that are merged at once, at least: each row is written again once in so many steps.
const UNITS_MIN: usize = 8;
/// And at most.
const UNITS_MAX: usize = 64;

impl Segments {
    /// Merges one run of small units, when there is one. It reads a row group at a time. A unit with a file that cannot
    /// be read stays as it is, and those around it are merged without it.
    ///
    /// # Errors
    /// When files cannot be written; all stays as it is then.
    pub fn compact(&mut self) -> Result<bool, SegmentsError> {
        while let Some(run) = self.small_units() {
            let damaged = self.view.damaged();
            match self.merge_run(&run) {
                Err(SegmentsError::Read { .. }) if self.view.damaged() > damaged => {}
                merged => return merged.map(|()| true),
            }
        }
        Ok(false)
    }

    fn merge_run(&mut self, run: &[(Unit, Vec<Arc<SealedFile>>)]) -> Result<(), SegmentsError> {
        let files: Vec<Arc<SealedFile>> = run.iter().flat_map(|(_, files)| files.clone()).collect();
        let (first, last) = (&run[0].0, &run[run.len() - 1].0);
        let has = |table: &Table| files.iter().any(|file| file.meta().table == *table);
        let unit = Unit {
            range: first.range.start..last.range.end,
            tables: Table::ALL.into_iter().filter(has).collect(),
            next: last.next,
            newest: newest(run.iter().map(|(unit, _)| unit.newest)),
            oldest: run.iter().map(|(unit, _)| unit.oldest.unwrap_or(unit.newest)).min(),
        };
        let metas = self.write_all(&unit, |table, file, steps| {
            let of_table = files.iter().filter(|file| file.meta().table == table);
            merge(table, of_table, file, steps)
        })?;
        self.commit(metas, &files, &unit)?;
        Ok(())
    }

    /// The oldest run of enough small units.
    fn small_units(&self) -> Option<Vec<(Unit, Vec<Arc<SealedFile>>)>> {
        let mut run: Vec<(Unit, Vec<Arc<SealedFile>>)> = Vec::new();
        let mut rows = 0;
        for (unit, files) in self.view.units() {
            let count: u64 = files.iter().map(|file| file.meta().rows).sum();
            let is_whole = files.len() == unit.tables.len() && !files.iter().any(|file| file.is_damaged());
            let ends = count >= SMALL_ROWS || !is_whole;
            if ends || rows + count > 4 * SMALL_ROWS || run.len() == UNITS_MAX {
                if run.len() >= UNITS_MIN {
                    break;
                }
                run.clear();
                rows = 0;
            }
            if !ends {
                rows += count;
                run.push((unit, files));
            }
        }
        (run.len() >= UNITS_MIN).then_some(run)
    }
}

/// Writes the rows of files of one table behind each other, in row groups of full size.
fn merge<'a>(
    table: Table,
    files: impl Iterator<Item = &'a Arc<SealedFile>>,
    to: &mut NewFile,
    steps: &mut Steps,
) -> Result<(), SegmentsError> {
    let mut held = HeadBlocks::default();
    let mut rows = 0;
    for file in files {
        let unreadable = |error: ReadError| SegmentsError::Read {
            path: file.path().to_owned(),
            error,
        };
        for (group, meta) in file.groups().map_err(unreadable)?.iter().enumerate() {
            match table {
                Table::Traces => {
                    let block = file.spans(group, Columns::ALL, None).map_err(unreadable)?;
                    held.spans.push(Arc::new(block));
                }
                Table::Logs => {
                    let block = file.logs(group, Columns::ALL, None).map_err(unreadable)?;
                    held.logs.push(Arc::new(block));
                }
                _ => {
                    let block = file.points(group, Columns::ALL, None).map_err(unreadable)?;
                    held.points.push(Arc::new(block));
                }
            }
            rows += meta.rows;
            if rows >= GROUP_ROWS {
                write(table, &std::mem::take(&mut held), to, steps)?;
                rows = 0;
            }
        }
    }
    if rows > 0 {
        write(table, &held, to, steps)?;
    }
    Ok(())
}

fn write(table: Table, held: &HeadBlocks, to: &mut NewFile, steps: &mut Steps) -> Result<(), SegmentsError> {
    steps("write")?;
    to.group(held, &order(held, table))
}
