//! Columns of a row group as Parquet pages, and back.
//!
//! The pages are written here rather than by a general writer, because the rows come with each string known by number:
//! a dictionary is made by looking numbers up, where a general writer hashes every value of every row again. Places in
//! a dictionary are kept in whole bytes, which the compression after it understands better than packed bits.
//!
//! What is read is what is written here; a page in any other encoding counts as damaged.

mod column;
mod delta;
mod dictionary;
mod hybrid;
mod page;
mod read;

pub(super) use column::{Column, Nesting, Values, write_group};
pub(super) use dictionary::Dictionary;
pub(super) use hybrid::read_varint;
pub(super) use page::Squeeze;
pub(super) use read::{Chunk, Lists, TextsOf};

/// What is wrong with bytes that should be a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Damaged(pub(super) &'static str);

/// Rows of a page, at most.
pub(super) const PAGE_ROWS: usize = 4_096;
