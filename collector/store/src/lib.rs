//! Keep and find: the write-ahead log, the head in memory, sealed files, and queries over both.
//!
//! [`Wal`] keeps OTLP requests as they came: an append is answered as its [`Durability`] says, and a restart replays what is
//! kept nowhere else. [`head`] holds the rows that are in the log and not yet sealed, [`segments`] the sealed ones as
//! Parquet files, [`picture`] the state of the projections; what both of these have is let go from the log. [`find`]
//! answers queries over head and segments, each row once. All of it is bounded.

mod blocks;
mod disk;
mod files;
pub mod find;
mod frame;
#[cfg(test)]
mod fuzz_tests;
pub mod head;
pub mod picture;
mod position;
mod replay;
pub mod segments;
mod wal;
mod writer;

pub use frame::{Frame, Record};
pub use position::Position;
pub use replay::{Recovered, Replay};
pub use sagascope_core::wire::Signal;
pub use wal::{AppendError, Durability, OpenError, Unreleased, Wal, WalOptions, WalStatus};
