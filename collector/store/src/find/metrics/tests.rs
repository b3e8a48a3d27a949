//! Series as they should be, whatever way their points are spread over blocks and files.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sagascope_api::metrics::{MetricKind as Word, SeriesPoint};
use sagascope_core::block::PointBlock;
use sagascope_core::rows::{
    Attributes, HistogramValue, Metric, MetricKind, PointRow, PointValue, Resource, SummaryValue, Temporality, Value,
};

use super::*;
use crate::find::{PointPart, Sealed, SealedPoints};

const SECOND: u64 = 1_000_000_000;
const COUNTER: MetricKind = MetricKind::Sum {
    monotonic: true,
    temporality: Temporality::Cumulative,
};
const DELTA: MetricKind = MetricKind::Sum {
    monotonic: true,
    temporality: Temporality::Delta,
};

fn budget() -> Budget {
    Budget::new(Duration::from_secs(60), Arc::default())
}

/// A point of the metric `m`; times in seconds, from 1000 on.
fn point(kind: MetricKind, service: &str, at: u64, value: PointValue) -> PointRow {
    PointRow {
        resource: Arc::new(Resource {
            service: service.into(),
            attributes: Attributes(vec![("service.name".into(), Value::Text(service.into()))]),
            ..Resource::default()
        }),
        scope: Arc::default(),
        metric: Arc::new(Metric {
            name: "m".into(),
            unit: "ms".into(),
            kind,
            ..Metric::default()
        }),
        start: Time(0),
        at: Time((1_000 + at) * SECOND),
        flags: 0,
        attributes: Attributes::default(),
        value,
        exemplars: Vec::new(),
    }
}

fn number(kind: MetricKind, service: &str, at: u64, value: f64) -> PointRow {
    point(kind, service, at, PointValue::Double(value))
}

fn histogram(at: u64, counts: &[u64]) -> PointRow {
    let value = PointValue::Histogram(HistogramValue {
        count: counts.iter().sum(),
        sum: Some(counts.iter().sum::<u64>() as f64 * 10.0),
        bounds: vec![10.0, 20.0],
        counts: counts.into(),
        ..HistogramValue::default()
    });
    point(MetricKind::Histogram(Temporality::Cumulative), "a", at, value)
}

fn block(rows: &[(u64, &PointRow)]) -> PointBlock {
    let mut block = PointBlock::default();
    for (sequence, row) in rows {
        block.next_sequence = *sequence;
        block.push_row(row, row.at);
    }
    block
}

struct Pretended(PointBlock);

impl Sealed for Pretended {
    fn times(&self) -> (Time, Time) {
        let times = || self.0.at.iter().copied();
        (times().min().unwrap(), times().max().unwrap())
    }
}

impl SealedPoints for Pretended {
    fn candidates(&self, _: Option<&str>, _: &Query, _: (Time, Time), each: &mut dyn FnMut(&PointBlock) -> bool) {
        each(&self.0);
    }
}

fn one_block(rows: &[PointRow]) -> Parts {
    let rows: Vec<_> = (0..).zip(rows).collect();
    Parts {
        points: vec![PointPart::Block(Arc::new(block(&rows)))],
        ..Parts::default()
    }
}

fn ask(parts: &Parts, function: Function, by: &str, seconds: u64, step: u64) -> MetricRange {
    let query = Query::parse("").unwrap();
    let by = match by {
        "" => By::Keys(Vec::new()),
        "*" => By::All,
        key => By::Keys(vec![key.to_owned()]),
    };
    let asked = RangeQuery {
        name: "m",
        query: &query,
        by,
        since: Time(1_000 * SECOND),
        until: Time((1_000 + seconds) * SECOND),
        step_nanos: step * SECOND,
        function,
        limit: 100,
    };
    range(parts, &asked, &budget()).expect("there are points")
}

fn values(range: &MetricRange) -> Vec<(u64, f64)> {
    let points = range.series.iter().flat_map(|series| &series.points);
    points.map(|point| (point.at.0 / SECOND - 1_000, point.value)).collect()
}

fn codes(range: &MetricRange) -> Vec<&str> {
    range.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

#[test]
fn a_step_keeps_the_least_and_the_greatest_of_its_readings() {
    let rows: Vec<_> = [3.0, 9.0, 1.0, 7.0]
        .iter()
        .zip(0..)
        .map(|(value, at)| number(MetricKind::Gauge, "a", at, *value))
        .collect();
    let parts = one_block(&rows);
    let found = ask(&parts, Function::Avg, "service", 4, 4);
    assert_eq!((found.kind, &*found.unit), (Word::Gauge, "ms"));
    assert_eq!(found.series[0].attributes["service"], "a");
    let expected = SeriesPoint {
        at: Time(1_000 * SECOND),
        value: 5.0,
        min: Some(1.0),
        max: Some(9.0),
    };
    assert_eq!(found.series[0].points, [expected]);
    for (function, expected) in [
        (Function::Min, 1.0),
        (Function::Max, 9.0),
        (Function::P50, 3.0),
        (Function::P99, 9.0),
        (Function::Sum, 7.0),
    ] {
        assert_eq!(
            values(&ask(&parts, function, "", 4, 4)),
            [(0, expected)],
            "{function:?}"
        );
    }
}

#[test]
fn levels_of_several_senders_add_up_although_they_report_at_other_times() {
    let rows = [
        number(MetricKind::Gauge, "a", 0, 1.0),
        number(MetricKind::Gauge, "b", 1, 10.0),
        number(MetricKind::Gauge, "a", 2, 2.0),
    ];
    let found = ask(&one_block(&rows), Function::Sum, "", 4, 1);
    assert_eq!(values(&found), [(0, 1.0), (1, 11.0), (2, 12.0), (3, 12.0)]);
}

#[test]
fn growth_is_spread_over_the_time_in_which_it_happened() {
    let rows = [number(COUNTER, "a", 0, 100.0), number(COUNTER, "a", 4, 120.0)];
    let found = ask(&one_block(&rows), Function::Rate, "", 4, 2);
    assert_eq!(values(&found), [(0, 5.0), (2, 5.0)]);
    assert!(found.warnings.is_empty());
}

#[test]
fn a17_resets_and_both_temporalities_make_one_rate_with_warnings() {
    let rows = [
        number(COUNTER, "a", 0, 100.0),
        number(COUNTER, "a", 2, 110.0),
        number(COUNTER, "a", 4, 4.0),
        number(DELTA, "b", 1, 3.0),
        // Sent twice, counted once.
        number(DELTA, "b", 1, 3.0),
    ];
    let found = ask(&one_block(&rows), Function::Rate, "", 4, 4);
    // (10 + 4 + 3) in four seconds.
    assert_eq!(values(&found), [(0, 4.25)]);
    assert_eq!(codes(&found), ["several_temporalities", "counter_reset"]);
}

#[test]
fn a17_a_metric_that_changed_its_kind_is_shown_as_the_newest() {
    let rows = [
        number(MetricKind::Gauge, "a", 0, 1.0),
        number(COUNTER, "a", 1, 5.0),
        number(MetricKind::Gauge, "a", 2, 3.0),
    ];
    let parts = one_block(&rows);
    let found = ask(&parts, Function::Avg, "", 4, 4);
    assert_eq!((found.kind, values(&found)), (Word::Gauge, vec![(0, 2.0)]));
    assert_eq!(codes(&found), ["several_kinds"]);
    let rate = ask(&parts, Function::Rate, "", 4, 4);
    assert!(rate.series.is_empty());
    assert_eq!(codes(&rate), ["several_kinds", "no_rate"]);
    let known = catalogue(&parts, &Query::parse("").unwrap(), (Time(0), Time(u64::MAX)), &budget());
    let kinds: Vec<_> = known
        .metrics
        .iter()
        .map(|metric| (metric.kind, metric.last_seen.0 / SECOND))
        .collect();
    assert_eq!(kinds, [(Word::Gauge, 1_002), (Word::Sum, 1_001)]);
    assert_eq!(known.metrics[0].warnings[0].code, "several_kinds");
    assert_eq!(known.metrics[1].services, ["a"]);
}

#[test]
fn percentiles_of_histograms_are_of_what_was_added() {
    let rows = [histogram(0, &[100, 0, 0]), histogram(2, &[110, 10, 0])];
    let parts = one_block(&rows);
    for (function, expected) in [
        (Function::P50, 10.0),
        (Function::P95, 19.0),
        (Function::Max, 20.0),
        (Function::Avg, 10.0),
        (Function::Sum, 200.0),
    ] {
        assert_eq!(
            values(&ask(&parts, function, "", 4, 4)),
            [(0, expected)],
            "{function:?}"
        );
    }
    assert_eq!(values(&ask(&parts, Function::Rate, "", 4, 4)), [(0, 5.0)]);
}

#[test]
fn percentiles_of_summaries_are_what_the_sender_says() {
    let summary = |service: &str, at, median| {
        let value = SummaryValue {
            count: at,
            sum: at as f64,
            quantiles: vec![(0.5, median)],
        };
        point(MetricKind::Summary, service, at, PointValue::Summary(value))
    };
    let rows = [
        summary("a", 1, 3.0),
        summary("a", 2, 4.0),
        summary("b", 1, 1.0),
        summary("b", 2, 2.0),
    ];
    let found = ask(&one_block(&rows), Function::P50, "", 4, 4);
    assert_eq!(values(&found), [(0, 4.0)]);
    assert_eq!(codes(&found), ["summary_percentiles"]);
}

#[test]
fn d02_limits_cut_with_word_of_it() {
    let rows: Vec<_> = (0..50_u8)
        .map(|n| number(MetricKind::Gauge, &format!("s{n}"), 1, n.into()))
        .collect();
    let parts = one_block(&rows);
    let query = Query::parse("").unwrap();
    let mut asked = RangeQuery {
        name: "m",
        query: &query,
        by: By::All,
        since: Time(0),
        until: Time(u64::MAX),
        step_nanos: 1,
        function: Function::Avg,
        limit: 2,
    };
    let found = range(&parts, &asked, &budget()).unwrap();
    let services: Vec<_> = found
        .series
        .iter()
        .map(|series| &*series.attributes["service"])
        .collect();
    assert_eq!((services, found.omitted), (vec!["s48", "s49"], 48));
    assert!(found.step_ms > u64::MAX / STEPS_MAX / 1_000_001);
    asked.name = "other";
    assert!(range(&parts, &asked, &budget()).is_none());
    asked.name = "m";
    let called_off = Budget::new(Duration::from_secs(60), Arc::new(true.into()));
    assert!(range(&parts, &asked, &called_off).is_none());
    assert!(catalogue(&parts, &query, (Time(0), Time(u64::MAX)), &called_off).truncated);
}

proptest! {
    #[test]
    fn d08_blocks_and_files_make_no_difference_to_series(
        rows in prop::collection::vec((0..3_usize, 0..2_usize, 0..30_u64, 0..9_u8), 1..40),
        cuts in prop::collection::vec(any::<bool>(), 1..9),
        function in prop::sample::select(Function::ALL.to_vec()),
        by in prop::sample::select(vec!["", "*", "service"]),
        step in 1..9_u64,
    ) {
        let kinds = [MetricKind::Gauge, COUNTER, DELTA];
        let rows: Vec<_> = rows.into_iter().map(|(kind, service, at, value)| {
            number(kinds[kind], ["a", "b"][service], at, value.into())
        }).collect();
        let mut points = Vec::new();
        let mut some = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            some.push((n as u64, row));
            if cuts[n % cuts.len()] || n + 1 == rows.len() {
                let held = block(&std::mem::take(&mut some));
                points.push(match points.len() % 2 {
                    0 => PointPart::File(Arc::new(Pretended(held))),
                    _ => PointPart::Block(Arc::new(held)),
                });
            }
        }
        let spread = Parts { points, ..Parts::default() };
        let whole = one_block(&rows);
        prop_assert_eq!(ask(&spread, function, by, 30, step), ask(&whole, function, by, 30, step));
        let all = (Time(0), Time(u64::MAX));
        let query = Query::parse("").unwrap();
        prop_assert_eq!(catalogue(&spread, &query, all, &budget()), catalogue(&whole, &query, all, &budget()));
    }

    #[test]
    fn d08_what_a_counter_counted_is_the_sum_of_its_steps(
        growths in prop::collection::vec((1..20_u64, 0..50_u32, any::<bool>()), 2..20),
        step in 1..40_u64,
    ) {
        let (mut at, mut value, mut total) = (0, 0.0, 0.0);
        let mut rows = vec![number(COUNTER, "a", 0, 0.0)];
        for (after, grown, is_restart) in growths {
            at += after;
            // A restart that shows: the counter falls.
            if is_restart && f64::from(grown) < value {
                value = 0.0;
            }
            value += f64::from(grown);
            total += f64::from(grown);
            rows.push(number(COUNTER, "a", at, value));
        }
        let found = ask(&one_block(&rows), Function::Rate, "", at + 1, step);
        let length = |at: u64| step.min((1_000 + rows.last().unwrap().at.0 / SECOND + 1 - 1_000).saturating_sub(at + 1_000)) as f64;
        let counted: f64 = values(&found).iter().map(|(at, rate)| rate * length(*at)).sum();
        prop_assert!((counted - total).abs() < 1e-6, "{} {}", counted, total);
    }
}
