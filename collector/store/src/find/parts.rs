//! What a query looks at: blocks in memory and files on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sagascope_api::Time;
use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};
use sagascope_core::rows::TraceId;
use sagascope_core::search::Query;

use crate::segments::Columns;

/// Is shown a block, and how new the rows of blocks that are still to be shown may be (`None`: there are none). Says
/// whether it wants to see them.
pub type Each<'a, B> = &'a mut dyn FnMut(&B, Option<Time>) -> bool;

/// A sealed file of any signal.
pub trait Sealed {
    /// Times of its oldest and newest row.
    fn times(&self) -> (Time, Time);
}

/// A sealed file of spans. What cannot be read counts as not there, and the answer as incomplete.
pub trait SealedSpans: Sealed {
    /// Shows the spans that may match a query and start within a range (both ends included): all that do, and perhaps others, until `each`
    /// says no. At least the columns that the query looks at are filled, beside trace, start and sequence.
    fn candidates(&self, query: &Query, range: (Time, Time), each: Each<'_, SpanBlock>);

    /// Shows all spans of these traces, with these columns at least, until `each` says no.
    fn traces(&self, ids: &[TraceId], columns: Columns, each: &mut dyn FnMut(&SpanBlock) -> bool);

    /// The rows with these sequences, whole.
    fn rows(&self, sequences: &[u64]) -> Vec<SpanBlock>;
}

/// A sealed file of log records. What cannot be read counts as not there, and the answer as incomplete.
pub trait SealedLogs: Sealed {
    /// Shows the records that may match a query and lie within a range (both ends included): all that do, and perhaps others, until `each`
    /// says no. At least the columns that the query looks at are filled, beside time and sequence.
    fn candidates(&self, query: &Query, range: (Time, Time), each: Each<'_, LogBlock>);

    /// The rows with these sequences, whole.
    fn rows(&self, sequences: &[u64]) -> Vec<LogBlock>;
}

/// A sealed file of metric points. What cannot be read counts as not there, and the answer as incomplete.
pub trait SealedPoints: Sealed {
    /// Shows the points that may match a query and lie within a range, of one metric when its name is given: all that do,
    /// and perhaps others, until `each` says no. Every column is filled but exemplars; without a name, as for a
    /// catalogue, values are not wanted either.
    fn candidates(
        &self,
        name: Option<&str>,
        query: &Query,
        range: (Time, Time),
        each: &mut dyn FnMut(&PointBlock) -> bool,
    );
}

/// Spans in one place.
#[derive(Clone)]
pub enum SpanPart {
    /// In memory.
    Block(Arc<SpanBlock>),
    /// On disk.
    File(Arc<dyn SealedSpans + Send + Sync>),
}

/// Log records in one place.
#[derive(Clone)]
pub enum LogPart {
    /// In memory.
    Block(Arc<LogBlock>),
    /// On disk.
    File(Arc<dyn SealedLogs + Send + Sync>),
}

/// Metric points in one place.
#[derive(Clone)]
pub enum PointPart {
    /// In memory.
    Block(Arc<PointBlock>),
    /// On disk.
    File(Arc<dyn SealedPoints + Send + Sync>),
}

/// Everything that a query looks at, as it was at one moment: each row is in it once.
#[derive(Clone, Default)]
pub struct Parts {
    /// Spans.
    pub spans: Vec<SpanPart>,
    /// Log records.
    pub logs: Vec<LogPart>,
    /// Metric points.
    pub points: Vec<PointPart>,
    /// Set by the files among them that could not be read.
    pub(super) unread: Arc<AtomicBool>,
}

impl Parts {
    /// Whether something that these parts were asked for could not be read, so that answers lack it.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }
}

/// A part's oldest and newest time; `None` when it is empty.
type Times = Option<(Time, Time)>;

impl SpanPart {
    /// Shows what may match, until `each` says no.
    pub(super) fn candidates(&self, query: &Query, range: (Time, Time), each: Each<'_, SpanBlock>) {
        match self {
            Self::Block(block) => {
                each(block, None);
            }
            Self::File(file) => file.candidates(query, range, each),
        }
    }

    /// Shows the blocks that have these traces, and perhaps others, until `each` says no.
    pub(super) fn traces(&self, ids: &[TraceId], columns: Columns, each: &mut dyn FnMut(&SpanBlock) -> bool) {
        match self {
            Self::Block(block) => {
                each(block);
            }
            Self::File(file) => file.traces(ids, columns, each),
        }
    }

    /// Shows the blocks that have these rows, and perhaps others.
    pub(super) fn rows(&self, sequences: &[u64], mut each: impl FnMut(&SpanBlock)) {
        match self {
            Self::Block(block) => each(block),
            Self::File(file) => file.rows(sequences).iter().for_each(each),
        }
    }

    pub(super) fn times(&self) -> Times {
        match self {
            Self::Block(block) => times_of(&block.start),
            Self::File(file) => Some(file.times()),
        }
    }
}

impl LogPart {
    /// Shows what may match, until `each` says no.
    pub(super) fn candidates(&self, query: &Query, range: (Time, Time), each: Each<'_, LogBlock>) {
        match self {
            Self::Block(block) => {
                each(block, None);
            }
            Self::File(file) => file.candidates(query, range, each),
        }
    }

    /// Shows the blocks that have these rows, and perhaps others.
    pub(super) fn rows(&self, sequences: &[u64], mut each: impl FnMut(&LogBlock)) {
        match self {
            Self::Block(block) => each(block),
            Self::File(file) => file.rows(sequences).iter().for_each(each),
        }
    }

    pub(super) fn times(&self) -> Times {
        match self {
            Self::Block(block) => times_of(&block.at),
            Self::File(file) => Some(file.times()),
        }
    }
}

impl PointPart {
    pub(super) fn times(&self) -> Times {
        match self {
            Self::Block(block) => times_of(&block.at),
            Self::File(file) => Some(file.times()),
        }
    }

    /// Shows what may match, until `each` says no.
    pub(super) fn candidates(
        &self,
        name: Option<&str>,
        query: &Query,
        range: (Time, Time),
        each: &mut dyn FnMut(&PointBlock) -> bool,
    ) {
        match self {
            Self::Block(block) => {
                each(block);
            }
            Self::File(file) => file.candidates(name, query, range, each),
        }
    }
}

fn times_of(times: &[Time]) -> Times {
    Some((*times.iter().min()?, *times.iter().max()?))
}

/// Parts that reach into the range, both ends included; the one that ends last first, with that end.
pub(super) fn newest_first<T>(parts: &[T], times: impl Fn(&T) -> Times, (from, last): (Time, Time)) -> Vec<(Time, &T)> {
    let mut within: Vec<(Time, &T)> = parts
        .iter()
        .filter_map(|part| {
            let (oldest, newest) = times(part)?;
            (oldest <= last && newest >= from).then_some((newest, part))
        })
        .collect();
    within.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
    within
}

/// From `since` on and before `until`, as a range with both ends included; `None` when nothing can lie in it.
pub(super) fn range(since: Option<Time>, until: Option<Time>) -> Option<(Time, Time)> {
    let last = match until {
        None => Time(u64::MAX),
        Some(until) => Time(until.0.checked_sub(1)?),
    };
    Some((since.unwrap_or_default(), last))
}
