//! What is known of a sealed file without opening it: kept in the catalogue, and in the file's footer.

use std::ops::Range;

use sagascope_api::Time;
use serde::{Deserialize, Serialize};

use super::schema::Table;
use crate::Position;
use crate::head::Sequences;

/// What is known of a sealed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Its table.
    pub table: Table,
    /// Rows.
    pub rows: u64,
    /// Bytes on disk; 0 in the footer, which is written before the end.
    pub bytes: u64,
    /// Earliest time of a row.
    pub min_time: Time,
    /// Latest time of a row.
    pub max_time: Time,
    /// Least sequence of a row.
    pub min_sequence: u64,
    /// Greatest sequence of a row.
    pub max_sequence: u64,
    /// It has checksums of all that Parquet has none for; files of the first versions do not.
    #[serde(default)]
    pub checksums: bool,
    /// The unit it is of.
    pub unit: Unit,
}

/// A range of the log, with all rows of it in at most one file a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// From the position of its first record to that of the first record after it.
    pub range: Range<Position>,
    /// Tables that it has files of.
    pub tables: Vec<Table>,
    /// The sequences that the rows after it have.
    pub next: Sequences,
    /// When the newest of its requests was received, for what is kept by age.
    pub newest: Time,
    /// When the oldest was; the first versions did not say so.
    #[serde(default)]
    pub oldest: Option<Time>,
}

/// How far the log is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The position of the first record behind what is sealed.
    pub(super) sealed_to: Position,
    /// The sequences that the rows from there on have.
    pub(super) next: Sequences,
}

impl From<&Unit> for Progress {
    fn from(unit: &Unit) -> Self {
        Self {
            sealed_to: unit.range.end,
            next: unit.next,
        }
    }
}
