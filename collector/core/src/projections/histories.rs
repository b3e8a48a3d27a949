//! Any history, however it is cut into blocks, repeated or interrupted by a restart, gives one picture.

use proptest::prelude::*;

use super::tests::drawn;
use super::*;
use crate::rows::{LogRow, PointRow, SpanKind, SpanRow, SpanStatus, Value};
use crate::testing::{at, counter, event, gauge, log_block, point_block, span, span_block, text, trace_id};

/// Everything is told at this moment.
const NOW: f64 = 70.0;

/// A row of some signal.
#[derive(Clone, Debug)]
enum Row {
    Span(Box<SpanRow>),
    Log(Box<LogRow>),
    Point(Box<PointRow>),
}

/// Four dice make a row.
type Dice = (u8, u8, u8, u8);

const SERVICES: [&str; 4] = ["gateway", "orders", "orders#2", "payments"];
const STEPS: [&str; 3] = ["reserve", "pay", "ship"];

fn seconds(die: u8) -> f64 {
    f64::from(die) / 4.0
}

fn row(dice: Dice) -> Row {
    match dice.0 % 8 {
        0..=2 => Row::Span(Box::new(call(dice))),
        3 => Row::Span(Box::new(saga_span(dice))),
        4 | 5 => Row::Log(Box::new(saga_event(dice))),
        6 => Row::Log(Box::new(other_event(dice))),
        _ => Row::Point(Box::new(reading(dice))),
    }
}

fn call((n, a, b, c): Dice) -> SpanRow {
    const KINDS: [SpanKind; 5] = [
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
        SpanKind::Internal,
    ];
    let kind = KINDS[usize::from(a % 5)];
    let mut span = span(SERVICES[usize::from(b % 4)], c % 7 + 1, a % 8, kind, seconds(c), 0.5);
    span.trace_id = trace_id(b % 5 + 1);
    span.name = format!("op{}", n % 5).into();
    if a % 6 == 0 {
        span.status = SpanStatus::Error;
    }
    let pairs = [
        ("fault.id", "f-1", a % 11 == 0),
        ("correlation.id", "c-1", b % 3 == 0),
        ("service.peer.name", "payments", c % 2 == 0),
        ("db.system.name", "sqlite", c % 5 == 0),
        ("messaging.destination.name", "orders.events", a % 2 == 0),
    ];
    for (key, value, _) in pairs.into_iter().filter(|(.., wanted)| *wanted) {
        span.attributes.0.push((key.into(), text(value)));
    }
    span
}

fn saga_span(dice: Dice) -> SpanRow {
    let (_, a, b, c) = dice;
    let mut span = call(dice);
    span.kind = SpanKind::Internal;
    span.name = match a % 4 {
        0 => "saga order".into(),
        1 => format!("saga.compensate {}", STEPS[usize::from(b % 3)]).into(),
        _ => format!("saga.step {}", STEPS[usize::from(b % 3)]).into(),
    };
    let id = format!("o-{}", c % 3);
    span.attributes.0.extend([
        ("saga.id".into(), text(&id)),
        ("saga.name".into(), text("order")),
        ("saga.step.index".into(), Value::Int(i64::from(b % 3))),
    ]);
    span
}

fn saga_event((n, a, b, c): Dice) -> LogRow {
    const EVENTS: [&str; 11] = [
        "saga.started",
        "saga.step.started",
        "saga.step.succeeded",
        "saga.step.failed",
        "saga.step.retrying",
        "saga.compensation.started",
        "saga.compensation.succeeded",
        "saga.compensation.failed",
        "saga.completed",
        "saga.compensated",
        "saga.failed",
    ];
    let id = format!("o-{}", b % 4);
    let mut pairs = vec![
        ("saga.id", text(&id)),
        ("saga.name", text(if n % 2 == 0 { "order" } else { "refund" })),
        ("saga.step.name", text(STEPS[usize::from(c % 3)])),
        ("saga.step.attempt", Value::Int(i64::from(n % 3))),
    ];
    if a % 3 == 0 {
        pairs.push(("saga.sequence", Value::Int(i64::from(c))));
        pairs.push(("saga.step.deadline", Value::Int(at(seconds(c) + 5.0).0 as i64)));
    }
    if a % 4 == 0 {
        pairs.push(("saga.step.waiting_for", text("breaker")));
        pairs.push(("saga.step.waiting_on", text("payments")));
        pairs.push(("saga.reason", text("no answer")));
    }
    let mut log = event("orders", seconds(c), EVENTS[usize::from(a % 11)], &pairs);
    log.trace_id = (b % 2 == 0).then(|| trace_id(b % 5 + 1));
    log
}

fn other_event((_, a, b, c): Dice) -> LogRow {
    let state = ["open", "closed", "half_open"][usize::from(b % 3)];
    let letter = format!("m-{}", b % 5);
    let (name, pairs) = match a % 4 {
        0 | 1 => (
            "circuit_breaker.state_changed",
            vec![
                ("circuit_breaker.name", text("payments")),
                ("circuit_breaker.state", text(state)),
            ],
        ),
        2 => (
            "message.dead_lettered",
            vec![
                ("messaging.message.id", text(&letter)),
                ("messaging.destination.name", text("orders.events")),
            ],
        ),
        _ if b % 2 == 0 => ("projection.rebuild.started", vec![("projection.name", text("orders"))]),
        _ => ("projection.rebuild.finished", vec![("projection.name", text("orders"))]),
    };
    event(SERVICES[usize::from(b % 4)], seconds(c), name, &pairs)
}

fn reading((n, a, b, c): Dice) -> PointRow {
    let process = SERVICES[usize::from(b % 4)];
    let value = f64::from(n);
    let model = [("projection.name", text("orders"))];
    let outbox = [("outbox.name", text("orders"))];
    let breaker = [
        ("circuit_breaker.name", text("payments")),
        (
            "circuit_breaker.state",
            text(if b % 2 == 0 { "open" } else { "closed" }),
        ),
        ("outcome", text("failure")),
    ];
    let topic = [("messaging.destination.name", text("orders.events"))];
    match a % 9 {
        0 => gauge(process, seconds(c), "projection.position", value, &model),
        1 => gauge(process, seconds(c), "projection.head", value + 9.0, &model),
        2 => gauge(process, seconds(c), "projection.lag.time", value, &model),
        3 => gauge(process, seconds(c), "outbox.pending", value, &outbox),
        4 => counter(process, seconds(c), "outbox.published", value, &outbox),
        5 => gauge(process, seconds(c), "circuit_breaker.state", 1.0, &breaker),
        6 => counter(process, seconds(c), "circuit_breaker.calls", value, &breaker),
        7 => gauge(process, seconds(c), "dead_letter.count", 0.0, &topic),
        _ => gauge(process, seconds(c), "process.memory.usage", value, &[]),
    }
}

fn hear(picture: &mut Projections, row: &Row) {
    let now = at(NOW);
    match row {
        Row::Span(row) => picture.apply_spans(&span_block(std::slice::from_ref(row)), 0..1, now),
        Row::Log(row) => picture.apply_logs(&log_block(std::slice::from_ref(row)), 0..1, now),
        Row::Point(row) => picture.apply_points(&point_block(std::slice::from_ref(row)), 0..1, now),
    }
}

fn ticked(mut picture: Projections) -> String {
    picture.tick(at(NOW));
    drawn(&picture, at(NOW))
}

/// The first line in which two pictures differ, in both.
fn difference(one: Projections, other: Projections) -> Option<(String, String)> {
    let (one, other) = (ticked(one), ticked(other));
    let ends = || std::iter::repeat("(ends)");
    let longest = one.lines().count().max(other.lines().count());
    let mut lines = one.lines().chain(ends()).zip(other.lines().chain(ends())).take(longest);
    let (one, other) = lines.find(|(one, other)| one != other)?;
    Some((one.to_owned(), other.to_owned()))
}

fn heard<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Projections {
    let mut picture = Projections::default();
    rows.into_iter().for_each(|row| hear(&mut picture, row));
    picture
}

/// `0..len` in pieces of these lengths, over and over.
fn pieces(len: usize, lengths: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let mut begin = 0;
    lengths.iter().cycle().map_while(move |length| {
        let piece = begin..len.min(begin + length);
        begin = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

fn histories() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(any::<Dice>().prop_map(row), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_rows_are_cut_into_calls_does_not_matter(
        rows in histories(),
        lengths in proptest::collection::vec(1..30_usize, 1..6),
    ) {
        let (mut spans, mut logs, mut points) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            match row {
                Row::Span(row) => spans.push((**row).clone()),
                Row::Log(row) => logs.push((**row).clone()),
                Row::Point(row) => points.push((**row).clone()),
            }
        }
        let rank = |row: &&Row| match row {
            Row::Span(_) => 0,
            Row::Log(_) => 1,
            Row::Point(_) => 2,
        };
        let mut by_signal: Vec<&Row> = rows.iter().collect();
        by_signal.sort_by_key(rank);
        let mut cut = Projections::default();
        let (block, now) = (span_block(&spans), at(NOW));
        pieces(block.len(), &lengths).for_each(|piece| cut.apply_spans(&block, piece, now));
        let block = log_block(&logs);
        pieces(block.len(), &lengths).for_each(|piece| cut.apply_logs(&block, piece, now));
        let block = point_block(&points);
        pieces(block.len(), &lengths).for_each(|piece| cut.apply_points(&block, piece, now));
        prop_assert_eq!(difference(heard(by_signal), cut), None);
    }

    #[test]
    fn what_is_told_again_changes_nothing(rows in histories()) {
        let twice = heard(rows.iter().chain(&rows));
        prop_assert_eq!(difference(heard(&rows), twice), None);
    }

    /// Also when bounds are tight, where what is let go depends on everything before.
    #[test]
    fn a_restart_at_any_moment_changes_nothing(
        rows in histories(),
        cut in any::<prop::sample::Index>(),
        tight in any::<bool>(),
    ) {
        let limits = match tight {
            true => Limits { sagas: 3, traces: 2, services: 2, entities: 2 },
            false => Limits::default(),
        };
        let cut = cut.index(rows.len());
        let mut whole = Projections::new(limits);
        let mut halves = Projections::new(limits);
        for (n, row) in rows.iter().enumerate() {
            if n == cut {
                let bytes = halves.to_snapshot();
                halves = Projections::from_snapshot(&bytes, limits, at(NOW)).unwrap();
            }
            hear(&mut whole, row);
            hear(&mut halves, row);
        }
        prop_assert_eq!((whole.lost(), whole.aged_out()), (halves.lost(), halves.aged_out()));
        prop_assert_eq!(difference(whole, halves), None);
    }
}
