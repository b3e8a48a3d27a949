//! Rows as columns: what the wire is read into, what the projections fold, what queries search and what is sealed.
//!
//! A block holds rows of one signal. Each of its strings is kept once and referred to by number; the keys and kinds of
//! attributes are kept once a *shape*, since a program sends the same keys with every span. A row is looked at through
//! a view ([`SpanRef`], [`LogRef`], [`PointRef`]), which borrows and copies nothing.
//!
//! Columns are public to read; they grow only through `push`, which keeps them equally long.

mod attributes;
mod logs;
mod points;
mod spans;
mod strings;
mod tables;
#[cfg(test)]
mod tests;

pub use attributes::{AttributeSet, AttributeValues, AttributesRef, Cell, Kind, ShapeId, Shapes, ValueRef};
pub use logs::{LogBlock, LogCells, LogRef};
pub use points::{
    ExemplarCells, ExponentialCells, HistogramCells, MetricEntry, PointBlock, PointCell, PointCells, PointRef,
    SummaryCells,
};
pub use spans::{EventCells, EventRef, LinkCells, LinkRef, SpanBlock, SpanCells, SpanRef};
pub use strings::{Str, Strings};
pub use tables::{ResourceEntry, ResourceRef, ScopeEntry, ScopeRef, Tables};
