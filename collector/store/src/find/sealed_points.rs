//! Sealed files of metric points as parts of a query.

use std::ops::Range;

use sagascope_api::Time;
use sagascope_core::block::PointBlock;
use sagascope_core::search::Query;

use super::parts::SealedPoints;
use super::sealed::Looked;
use crate::segments::{Columns, ReadError, SealedFile};

impl SealedPoints for Looked {
    fn candidates(
        &self,
        name: Option<&str>,
        _: &Query,
        (from, to): (Time, Time),
        each: &mut dyn FnMut(&PointBlock) -> bool,
    ) {
        for (n, group) in self.groups().into_iter().rev() {
            if group.min_time >= to || group.max_time < from {
                continue;
            }
            let block = match name {
                Some(name) => of_metric(&self.file, n, name, (from, to)),
                None => self.file.points(n, HEAD_COLUMNS, None),
            };
            if let Some(block) = self.told(block)
                && !block.is_empty()
                && !each(&block)
            {
                return;
            }
        }
    }
}

/// What tells points apart, without what they say. (Kinds stand with the names.)
const HEAD_COLUMNS: Columns = Columns::TIME
    .and(Columns::NAME)
    .and(Columns::RESOURCE)
    .and(Columns::ATTRIBUTES);

/// Points of one metric in a row group. Names and times are read first, the rest of the rows that are wanted only.
fn of_metric(file: &SealedFile, group: usize, name: &str, (from, to): (Time, Time)) -> Result<PointBlock, ReadError> {
    let names = file.points(group, Columns::TIME.and(Columns::NAME), None)?;
    let mut rows: Vec<Range<usize>> = Vec::new();
    for row in 0..names.len() {
        if names.at[row] < from || names.at[row] >= to || names.row(row).metric_name() != name {
            continue;
        }
        match rows.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => rows.push(row..row + 1),
        }
    }
    if rows.is_empty() {
        return Ok(PointBlock::default());
    }
    file.points(group, HEAD_COLUMNS.and(Columns::BODY).and(Columns::REST), Some(&rows))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use sagascope_api::metrics::Function;
    use sagascope_core::rows::{
        Attributes, HistogramValue, Metric, MetricKind, PointRow, PointValue, Resource, Temporality, Value,
    };

    use super::*;
    use crate::Position;
    use crate::find::{Budget, By, Parts, RangeQuery, catalogue, range};
    use crate::head::{HeadBlocks, Sequences};
    use crate::segments::{SealUnit, Segments, View};

    fn point(name: &str, kind: MetricKind, at: u64, value: PointValue) -> PointRow {
        PointRow {
            resource: Arc::new(Resource {
                service: "orders".into(),
                attributes: Attributes(vec![("service.name".into(), Value::Text("orders".into()))]),
                ..Resource::default()
            }),
            scope: Arc::default(),
            metric: Arc::new(Metric {
                name: name.into(),
                unit: "1".into(),
                kind,
                ..Metric::default()
            }),
            start: Time(1),
            at: Time(at * 1_000_000_000),
            flags: 0,
            attributes: Attributes(vec![("queue".into(), Value::Text(format!("q{}", at % 3).into()))]),
            value,
            exemplars: Vec::new(),
        }
    }

    fn some_points() -> Vec<PointRow> {
        let counter = MetricKind::Sum {
            monotonic: true,
            temporality: Temporality::Cumulative,
        };
        let histogram = |at: u64| {
            PointValue::Histogram(HistogramValue {
                count: at,
                sum: Some(at as f64),
                bounds: vec![5.0],
                counts: vec![at, 0],
                ..HistogramValue::default()
            })
        };
        let at = |at| {
            [
                point("sent", counter, at, PointValue::Int(at as i64)),
                point("depth", MetricKind::Gauge, at, PointValue::Double(at as f64 / 2.0)),
                point(
                    "took",
                    MetricKind::Histogram(Temporality::Cumulative),
                    at,
                    histogram(at),
                ),
            ]
        };
        (1..60).flat_map(at).collect()
    }

    #[test]
    fn d08_sealed_points_answer_as_those_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut block = PointBlock::default();
        some_points().iter().for_each(|row| block.push_row(row, row.at));
        let rows = block.len() as u64;
        let blocks = HeadBlocks {
            points: vec![Arc::new(block)],
            ..HeadBlocks::default()
        };
        let mut segments = Segments::open(dir.path()).unwrap();
        let view = segments
            .seal(&SealUnit {
                range: Position { file: 1, offset: 0 }..Position { file: 1, offset: 9 },
                blocks: blocks.clone(),
                next: Sequences {
                    points: rows,
                    ..Sequences::default()
                },
            })
            .unwrap();
        let sealed = Parts::of(HeadBlocks::default(), &view);
        let held = Parts::of(blocks, &View::default());
        let budget = Budget::new(Duration::from_secs(60), Arc::default());
        let query = Query::parse("queue:q1 OR queue:q2").unwrap();
        let all = (Time(0), Time(u64::MAX));
        let known = catalogue(&held, &query, all, &budget);
        assert_eq!(known.metrics.len(), 3);
        assert_eq!(catalogue(&sealed, &query, all, &budget), known);
        for (name, function) in [
            ("sent", Function::Rate),
            ("depth", Function::Sum),
            ("depth", Function::P95),
            ("took", Function::P50),
            ("took", Function::Avg),
        ] {
            let asked = RangeQuery {
                name,
                query: &query,
                by: By::All,
                since: Time(10_000_000_000),
                until: Time(50_000_000_000),
                step_nanos: 5_000_000_000,
                function,
                limit: 10,
            };
            let expected = range(&held, &asked, &budget).unwrap();
            assert_eq!(expected.series.len(), 2, "{name}");
            assert_eq!(range(&sealed, &asked, &budget), Some(expected), "{name}");
        }
    }
}
