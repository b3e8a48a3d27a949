//! The head: what is in the log and not yet sealed, in memory, visible to queries at once.

use std::ops::Range;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};
use sagascope_core::wire::{self, Verdict, WireError};
use serde::{Deserialize, Serialize};

use crate::blocks::Blocks;

/// The ordinal that the next row of each signal will have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequences {
    /// Spans.
    pub spans: u64,
    /// Log records.
    pub logs: u64,
    /// Metric points.
    pub points: u64,
}

/// Blocks of each signal, oldest first. Closed ones are shared and never change.
#[derive(Clone, Debug, Default)]
pub struct HeadBlocks {
    /// Spans.
    pub spans: Vec<Arc<SpanBlock>>,
    /// Log records.
    pub logs: Vec<Arc<LogBlock>>,
    /// Metric points.
    pub points: Vec<Arc<PointBlock>>,
}

/// Rows that are in the log and in no segment yet.
///
/// Rows come in the order of the log. [`Head::cut`] ends what has come so far as one unit to be sealed; while that goes
/// on the unit stays visible, until [`Head::sealed`] lets it go.
#[derive(Debug)]
pub struct Head {
    spans: Blocks<SpanBlock>,
    logs: Blocks<LogBlock>,
    points: Blocks<PointBlock>,
    /// Where the unit being sealed ends.
    sealing: Option<Sequences>,
    since: Option<Time>,
    sealing_since: Option<Time>,
}

impl Head {
    /// Empty; the first rows will have these sequences.
    #[must_use]
    pub fn new(next: Sequences) -> Self {
        Self {
            spans: Blocks::begin_at(next.spans),
            logs: Blocks::begin_at(next.logs),
            points: Blocks::begin_at(next.points),
            sealing: None,
            since: None,
            sealing_since: None,
        }
    }

    /// Reads the spans of a request; the answer names their rows in [`Head::open_spans`].
    ///
    /// # Errors
    /// When the bytes are no request.
    pub fn take_spans(&mut self, bytes: &[u8], received_at: Time) -> Result<(Verdict, Range<usize>), WireError> {
        let block = self.spans.grow();
        let before = block.len();
        let verdict = wire::read_spans(bytes, received_at, block)?;
        let rows = before..block.len();
        self.heard(received_at, &rows);
        Ok((verdict, rows))
    }

    /// Reads the log records of a request; the answer names their rows in [`Head::open_logs`].
    ///
    /// # Errors
    /// When the bytes are no request.
    pub fn take_logs(&mut self, bytes: &[u8], received_at: Time) -> Result<(Verdict, Range<usize>), WireError> {
        let block = self.logs.grow();
        let before = block.len();
        let verdict = wire::read_logs(bytes, received_at, block)?;
        let rows = before..block.len();
        self.heard(received_at, &rows);
        Ok((verdict, rows))
    }

    /// Reads the metric points of a request; the answer names their rows in [`Head::open_points`].
    ///
    /// # Errors
    /// When the bytes are no request.
    pub fn take_points(&mut self, bytes: &[u8], received_at: Time) -> Result<(Verdict, Range<usize>), WireError> {
        let block = self.points.grow();
        let before = block.len();
        let verdict = wire::read_points(bytes, received_at, block)?;
        let rows = before..block.len();
        self.heard(received_at, &rows);
        Ok((verdict, rows))
    }

    fn heard(&mut self, received_at: Time, rows: &Range<usize>) {
        if !rows.is_empty() {
            self.since = Some(self.since.map_or(received_at, |since| since.min(received_at)));
        }
    }

    /// The block that spans were read into last.
    #[must_use]
    pub fn open_spans(&self) -> &SpanBlock {
        self.spans.open()
    }

    /// The block that log records were read into last.
    #[must_use]
    pub fn open_logs(&self) -> &LogBlock {
        self.logs.open()
    }

    /// The block that metric points were read into last.
    #[must_use]
    pub fn open_points(&self) -> &PointBlock {
        self.points.open()
    }

    /// What a query looks at; it stays as it is, whatever comes in meanwhile.
    #[must_use]
    pub fn blocks(&self) -> HeadBlocks {
        HeadBlocks {
            spans: self.spans.all(),
            logs: self.logs.all(),
            points: self.points.all(),
        }
    }

    /// Ends what has come so far as one unit to be sealed. `None` when there is nothing, or a unit is being sealed.
    pub fn cut(&mut self) -> Option<HeadBlocks> {
        if self.sealing.is_some() || self.since.is_none() {
            return None;
        }
        self.spans.close();
        self.logs.close();
        self.points.close();
        self.sealing = Some(self.next());
        self.sealing_since = self.since.take();
        Some(HeadBlocks {
            spans: self.spans.closed(),
            logs: self.logs.closed(),
            points: self.points.closed(),
        })
    }

    /// The unit is in segments now: its rows are let go here.
    pub fn sealed(&mut self) {
        let Some(end) = self.sealing.take() else { return };
        self.sealing_since = None;
        self.spans.release(end.spans);
        self.logs.release(end.logs);
        self.points.release(end.points);
    }

    /// The unit could not be sealed: it stays, and goes with the next one.
    pub fn not_sealed(&mut self) {
        self.sealing = None;
        let old = self.sealing_since.take();
        self.since = old.or(self.since);
    }

    /// True while a unit is being sealed.
    #[must_use]
    pub const fn is_sealing(&self) -> bool {
        self.sealing.is_some()
    }

    /// When the oldest row came that is in no unit yet.
    #[must_use]
    pub const fn unsealed_since(&self) -> Option<Time> {
        self.since
    }

    /// Ordinals that the next rows will have.
    #[must_use]
    pub fn next(&self) -> Sequences {
        Sequences {
            spans: self.spans.next_sequence(),
            logs: self.logs.next_sequence(),
            points: self.points.next_sequence(),
        }
    }

    /// Rows held.
    #[must_use]
    pub fn held(&self) -> Sequences {
        Sequences {
            spans: self.spans.rows() as u64,
            logs: self.logs.rows() as u64,
            points: self.points.rows() as u64,
        }
    }

    /// Memory held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.spans.bytes() + self.logs.bytes() + self.points.bytes()
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
