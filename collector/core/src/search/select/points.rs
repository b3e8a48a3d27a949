//! The same for metric points.

use super::{Field, Look, Memo, Prepared, Query};
use crate::block::{PointBlock, PointRef};

/// A query made ready for the metric points of one block.
#[derive(Debug)]
pub struct PointSelect<'a>(Prepared<'a, PointField>, &'a PointBlock);

impl Query {
    /// Makes it ready for a block.
    #[must_use]
    pub fn over_points<'a>(&'a self, block: &'a PointBlock) -> PointSelect<'a> {
        PointSelect(Prepared::of(&self.expression, &PointField::of), block)
    }
}

impl PointSelect<'_> {
    /// Does this row match?
    pub fn matches(&mut self, row: usize) -> bool {
        self.0.matches(&self.1.row(row))
    }
}

/// Where a term looks in a metric point.
#[derive(Debug)]
enum PointField {
    Texts,
    Service,
    Instance,
    Scope,
    Metric,
    Unit,
    Kind,
    Attribute(Box<str>),
}

impl PointField {
    fn of(name: Option<&str>) -> Self {
        let Some(name) = name else { return Self::Texts };
        match name {
            "service" => Self::Service,
            "instance" => Self::Instance,
            "scope" => Self::Scope,
            "name" | "metric" => Self::Metric,
            "unit" => Self::Unit,
            "kind" => Self::Kind,
            name => Self::Attribute(name.into()),
        }
    }
}

impl Look<PointRef<'_>> for PointField {
    fn look(&self, point: &PointRef<'_>, memo: &mut Memo<'_>) -> bool {
        let (block, row) = (point.block(), point.index());
        let tables = &block.tables;
        let place = block.resource[row];
        match self {
            Self::Texts => {
                let metric = point.metric();
                memo.string(tables, metric.name)
                    || memo.string(tables, metric.description)
                    || memo.string(tables, tables.resource_at(place).entry().service)
                    || memo.all_texts(tables, block.attributes[row])
            }
            Self::Service => memo.string(tables, tables.resource_at(place).entry().service),
            Self::Instance => memo.string(tables, tables.resource_at(place).entry().instance),
            Self::Scope => memo.string(tables, tables.scope_at(block.scope[row]).entry().name),
            Self::Metric => memo.string(tables, point.metric().name),
            Self::Unit => memo.string(tables, point.metric().unit),
            Self::Kind => memo.field(Field::Text(point.kind().word().as_str())),
            Self::Attribute(name) => memo.attribute(tables, (block.attributes[row], place), name),
        }
    }
}
