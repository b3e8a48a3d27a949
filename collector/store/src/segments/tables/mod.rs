//! Blocks as columns of the tables, and back.

mod exact;
pub(super) mod logs;
pub(super) mod points;
pub(super) mod read;
pub(super) mod spans;
mod text;
pub(super) mod write;

/// Which columns of rows are wanted. Those that are not hold zeros and empty texts; the sequence is always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns(u32);

impl Columns {
    /// The sequence alone.
    pub const NONE: Self = Self(0);
    /// When it happened (start, for spans and points also).
    pub const TIME: Self = Self(1);
    /// Length of spans.
    pub const DURATION: Self = Self(1 << 1);
    /// Trace id.
    pub const TRACE: Self = Self(1 << 2);
    /// Span id and parent.
    pub const SPAN: Self = Self(1 << 3);
    /// Name of spans, event name of log records, metric of points.
    pub const NAME: Self = Self(1 << 4);
    /// Kind of spans.
    pub const KIND: Self = Self(1 << 5);
    /// Status of spans with its message, severity of log records with its word.
    pub const STATUS: Self = Self(1 << 6);
    /// Sender and scope.
    pub const RESOURCE: Self = Self(1 << 7);
    /// Attributes.
    pub const ATTRIBUTES: Self = Self(1 << 8);
    /// Events of spans.
    pub const EVENTS: Self = Self(1 << 9);
    /// Links of spans.
    pub const LINKS: Self = Self(1 << 10);
    /// Body of log records, value of points.
    pub const BODY: Self = Self(1 << 11);
    /// Exemplars of points.
    pub const EXEMPLARS: Self = Self(1 << 12);
    /// Flags, dropped counts, trace state, observed time.
    pub const REST: Self = Self(1 << 13);
    /// When it was received.
    pub const RECEIVED: Self = Self(1 << 14);
    /// All of them.
    pub const ALL: Self = Self(u32::MAX);

    /// Has all of `columns`?
    #[must_use]
    pub const fn has(self, columns: Self) -> bool {
        self.0 & columns.0 == columns.0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }
}

impl std::ops::BitOr for Columns {
    type Output = Self;

    fn bitor(self, more: Self) -> Self {
        self.and(more)
    }
}
