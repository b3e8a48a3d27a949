//! Keep and find: the write-ahead log and the bounded head.
//!
//! [`Wal`] keeps raw OTLP requests: an append is answered once its group is on disk, and a restart replays them.
//! [`Head`] holds the newest rows in memory for queries. Both are bounded, and what they let go is counted.

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
