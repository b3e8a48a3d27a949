//! Blocks of one signal in memory: closed ones that never change again, and the open one that grows.

use std::collections::VecDeque;
use std::sync::Arc;

use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};

/// Rows of a block, at most; a request that brings more is kept whole.
pub(crate) const ROWS_MAX: usize = 16_384;
/// Memory of a block, at most, in bytes; a request that brings more is kept whole.
pub(crate) const BYTES_MAX: usize = 8 << 20;
/// An open block that a query still looks at is closed rather than copied when it has this many rows.
const ROWS_WORTH_CLOSING: usize = 1_024;

/// What the head needs of a block of any signal.
pub(crate) trait Block: Clone + Default {
    fn rows(&self) -> usize;
    fn memory(&self) -> usize;
    fn next_sequence(&self) -> u64;
    fn begin_at(sequence: u64) -> Self;
}

macro_rules! block {
    ($block:ty) => {
        impl Block for $block {
            fn rows(&self) -> usize {
                self.len()
            }

            fn memory(&self) -> usize {
                self.bytes()
            }

            fn next_sequence(&self) -> u64 {
                self.next_sequence
            }

            fn begin_at(sequence: u64) -> Self {
                Self::begin_at(sequence)
            }
        }
    };
}
block!(SpanBlock);
block!(LogBlock);
block!(PointBlock);

/// The blocks of one signal, oldest first.
#[derive(Debug)]
pub(crate) struct Blocks<B> {
    closed: VecDeque<Arc<B>>,
    open: Arc<B>,
    closed_rows: usize,
    closed_bytes: usize,
}

impl<B: Block> Blocks<B> {
    /// Empty; the first row will have this sequence.
    pub(crate) fn begin_at(sequence: u64) -> Self {
        Self {
            closed: VecDeque::new(),
            open: Arc::new(B::begin_at(sequence)),
            closed_rows: 0,
            closed_bytes: 0,
        }
    }

    /// The open block, to add rows to. Queries that hold it keep what they hold.
    pub(crate) fn grow(&mut self) -> &mut B {
        let is_full = self.open.rows() >= ROWS_MAX || self.open.memory() >= BYTES_MAX;
        let is_watched = Arc::get_mut(&mut self.open).is_none();
        if is_full || is_watched && self.open.rows() >= ROWS_WORTH_CLOSING {
            self.close();
        }
        Arc::make_mut(&mut self.open)
    }

    /// The open block.
    pub(crate) fn open(&self) -> &B {
        &self.open
    }

    /// Ends the open block, when it has rows.
    pub(crate) fn close(&mut self) {
        if self.open.rows() == 0 {
            return;
        }
        let next = Arc::new(B::begin_at(self.open.next_sequence()));
        let done = std::mem::replace(&mut self.open, next);
        self.closed_rows += done.rows();
        self.closed_bytes += done.memory();
        self.closed.push_back(done);
    }

    /// Closed blocks, oldest first.
    pub(crate) fn closed(&self) -> Vec<Arc<B>> {
        self.closed.iter().cloned().collect()
    }

    /// All blocks, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<B>> {
        let open = (self.open.rows() > 0).then(|| Arc::clone(&self.open));
        self.closed.iter().cloned().chain(open).collect()
    }

    /// Lets go of closed blocks whose rows all lie before `sequence`.
    pub(crate) fn release(&mut self, sequence: u64) {
        while let Some(oldest) = self.closed.front()
            && oldest.next_sequence() <= sequence
        {
            self.closed_rows -= oldest.rows();
            self.closed_bytes -= oldest.memory();
            self.closed.pop_front();
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.closed_rows + self.open.rows()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.closed_bytes + self.open.memory()
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.open.next_sequence()
    }
}
