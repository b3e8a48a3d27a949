use proptest::prelude::*;
use sagascope_api::sagas::{Saga, SagaDetail};
use sagascope_conventions::{Coordination, SagaState, StepState, WaitingFor};

use super::*;
use crate::rows::{LogRow, SpanKind, SpanRow, SpanStatus, Value};
use crate::testing::{at, event, log_block, span, span_block, text, trace_id};

const NOW: f64 = 10.0;

/// What an order saga's emitter tells, line by line: `seconds event [step [attempt]]`, numbered in order.
fn script(lines: &str) -> Vec<LogRow> {
    lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .enumerate()
        .map(|(n, line)| tell(line, Some(n as i64 + 1)))
        .collect()
}

fn tell(line: &str, sequence: Option<i64>) -> LogRow {
    let words: Vec<&str> = line.split_whitespace().collect();
    let seconds: f64 = words[0].parse().unwrap();
    let mut pairs = vec![
        ("saga.id", text("o-1")),
        ("saga.name", text("order")),
        ("saga.coordination", text("orchestration")),
        ("correlation.id", text("c-1")),
    ];
    if let Some(sequence) = sequence {
        pairs.push(("saga.sequence", Value::Int(sequence)));
    }
    if words[1] == "started" {
        let steps = ["create", "reserve", "charge", "ship", "confirm"];
        pairs.push(("saga.steps", Value::List(steps.map(text).to_vec())));
    }
    if let Some(step) = words.get(2) {
        pairs.push(("saga.step.name", text(step)));
        let attempt = words.get(3).map_or(1, |attempt| attempt.parse().unwrap());
        pairs.push(("saga.step.attempt", Value::Int(attempt)));
        if words[1].ends_with("started") {
            pairs.push(("saga.step.deadline", Value::Int(at(seconds + 5.0).0 as i64)));
        }
    }
    if words[1].ends_with("failed") || words[1].ends_with("retrying") || words[1] == "compensated" {
        pairs.push(("saga.reason", text("no answer")));
    }
    if words[1] == "step.retrying" {
        pairs.push(("saga.step.next_attempt_at", Value::Int(at(seconds + 0.5).0 as i64)));
        pairs.push(("saga.step.waiting_for", text("breaker")));
        pairs.push(("saga.step.waiting_on", text("payments")));
    }
    LogRow {
        trace_id: Some(trace_id(1)),
        ..event("orders", seconds, &format!("saga.{}", words[1]), &pairs)
    }
}

const HAPPY: &str = "
    0.0 started
    0.1 step.started create
    0.2 step.succeeded create
    0.2 step.started reserve
    0.3 step.succeeded reserve
    0.4 completed";

const UNDONE: &str = "
    0.0 started
    0.1 step.started create
    0.2 step.succeeded create
    0.2 step.started charge 1
    0.3 step.failed charge 1
    0.3 step.retrying charge 1
    0.8 step.started charge 2
    0.9 step.failed charge 2
    0.9 compensation.started create 1
    1.0 compensation.failed create 1
    1.1 compensation.started create 2
    1.2 compensation.succeeded create 2
    1.2 compensated";

struct Picture {
    sagas: Sagas,
    names: Names,
}

impl Picture {
    fn new() -> Self {
        Self {
            sagas: Sagas::new(1_000),
            names: Names::default(),
        }
    }

    fn of(logs: &[LogRow]) -> Self {
        let mut picture = Self::new();
        picture.hear(logs);
        picture
    }

    fn hear(&mut self, logs: &[LogRow]) {
        for log in logs {
            self.join_log(log);
        }
        self.sagas.settle(at(NOW));
    }

    fn hear_spans(&mut self, spans: &[SpanRow]) {
        for span in spans {
            self.join_span(span);
        }
        self.sagas.settle(at(NOW));
    }

    fn join_log(&mut self, log: &LogRow) {
        let block = log_block(std::slice::from_ref(log));
        self.sagas
            .apply_log(block.row(0), &mut Keys::default(), &mut self.names);
    }

    fn join_span(&mut self, span: &SpanRow) {
        let block = span_block(std::slice::from_ref(span));
        let keyed = Keys::default().of(block.row(0).attributes());
        self.sagas.apply_span(block.row(0), &keyed, &mut self.names);
    }

    fn detail(&self) -> SagaDetail {
        self.sagas.detail("o-1", None).expect("the saga is known").0
    }

    fn saga(&self) -> Saga {
        self.detail().saga
    }
}

/// The first `count` tellings of a script, as they stand at [`NOW`].
fn after(lines: &str, count: usize) -> SagaDetail {
    Picture::of(&script(lines)[..count]).detail()
}

fn step_states(detail: &SagaDetail) -> Vec<(&str, &'static str, u32, Option<&'static str>)> {
    detail
        .steps
        .iter()
        .filter(|step| step.attempts > 0)
        .map(|step| {
            let undo = step.compensation.as_ref().map(|undo| undo.state.as_str());
            (step.name.as_str(), step.state.as_str(), step.attempts, undo)
        })
        .collect()
}

#[test]
fn a_saga_goes_through_its_steps() {
    let begun = after(HAPPY, 1);
    assert_eq!((begun.saga.state, begun.saga.step), (SagaState::Running, None));
    assert_eq!(begun.saga.step_count, 5, "declared steps are known before they begin");
    assert!(begun.steps.iter().all(|step| step.state == StepState::Pending));

    let midway = after(HAPPY, 4);
    assert_eq!(
        step_states(&midway),
        [("create", "succeeded", 1, None), ("reserve", "running", 1, None)]
    );
    let step = midway.saga.step.unwrap();
    assert_eq!((step.name.as_str(), step.index, step.attempt), ("reserve", 1, 1));

    let done = after(HAPPY, 6).saga;
    assert_eq!((done.state, done.ended_at), (SagaState::Completed, Some(at(0.4))));
    assert_eq!((done.started_at, done.updated_at), (at(0.0), at(0.4)));
    assert_eq!(done.coordination, Some(Coordination::Orchestration));
    assert_eq!(done.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(done.trace_id, Some(trace_id(1).to_string()));
    assert_eq!((done.reason, done.stuck, done.deadline), (None, false, None));
}

#[test]
fn a_step_between_attempts_says_what_it_waits_for() {
    let saga = after(UNDONE, 6).saga;
    let waiting = saga.waiting.unwrap();
    assert_eq!(
        (waiting.kind, waiting.on.as_deref()),
        (WaitingFor::Breaker, Some("payments"))
    );
    assert_eq!(waiting.until, Some(at(0.8)));
    assert_eq!(saga.reason.as_deref(), Some("no answer"));
    assert_eq!(after(UNDONE, 7).saga.waiting, None);
}

#[test]
fn a_failed_step_is_undone_in_its_own_time() {
    let undoing = after(UNDONE, 9);
    assert_eq!(undoing.saga.state, SagaState::Compensating);
    assert_eq!(
        undoing.saga.step.as_ref().unwrap().name,
        "create",
        "the one being undone"
    );
    let failed_once = after(UNDONE, 10);
    assert_eq!(
        step_states(&failed_once),
        [
            ("create", "succeeded", 1, Some("retrying")),
            ("charge", "failed", 2, None)
        ],
        "an undo is attempted until it is done"
    );
    let undone = after(UNDONE, 13);
    assert_eq!(undone.saga.state, SagaState::Compensated);
    assert_eq!(
        undone.saga.step.as_ref().unwrap().name,
        "charge",
        "where it turned back"
    );
    assert_eq!(undone.saga.reason.as_deref(), Some("no answer"));
    assert_eq!(undone.steps[0].compensation.as_ref().unwrap().attempts, 2);
}

#[test]
fn a_parked_saga_is_failed_until_its_emitter_takes_it_up_again() {
    let mut logs = script(UNDONE);
    logs.truncate(10);
    logs.push(tell("1.1 failed", Some(11)));
    assert_eq!(Picture::of(&logs).saga().state, SagaState::Failed);
    let undo = &Picture::of(&logs).detail().steps[0].compensation.clone().unwrap();
    assert_eq!(undo.state, StepState::Failed);
    logs.push(tell("60 compensation.started create 2", Some(12)));
    assert_eq!(Picture::of(&logs).saga().state, SagaState::Compensating);
}

#[test]
fn stuck_is_judged_by_the_deadline_of_the_step_at_hand() {
    let mut picture = Picture::of(&script(HAPPY)[..4]);
    assert!(picture.saga().stuck, "the deadline passed at 5.2");
    picture = Picture::new();
    for log in &script(HAPPY)[..4] {
        picture.join_log(log);
    }
    picture.sagas.settle(at(1.0));
    assert!(!picture.saga().stuck);
    picture.sagas.take_changes();
    picture.sagas.tick(at(5.1));
    assert!(!picture.saga().stuck && picture.sagas.take_changes().is_none());
    picture.sagas.tick(at(5.3));
    assert!(picture.saga().stuck);
    assert!(picture.sagas.take_changes().is_some(), "watchers are told");
    picture.hear(&script(HAPPY));
    assert!(!picture.saga().stuck, "a late end makes it good");
}

#[test]
fn an_overdue_retry_is_stuck_and_a_planned_one_is_not() {
    let judged = |seconds| {
        let mut picture = Picture::new();
        for log in &script(UNDONE)[..6] {
            picture.join_log(log);
        }
        picture.sagas.settle(at(seconds));
        picture.saga().stuck
    };
    assert!(!judged(1.0));
    assert!(judged(2.0), "planned for 0.8");
}

#[test]
fn without_numbers_final_outranks_and_the_higher_attempt_is_newer() {
    let unnumbered =
        |lines: &[&str]| Picture::of(&lines.iter().map(|line| tell(line, None)).collect::<Vec<_>>()).detail();
    let skewed = unnumbered(&["5.0 step.started charge 1", "4.9 step.succeeded charge 1"]);
    assert_eq!(step_states(&skewed), [("charge", "succeeded", 1, None)], "clocks apart");
    let stale = unnumbered(&["1.0 step.started charge 2", "2.0 step.failed charge 1"]);
    assert_eq!(step_states(&stale), [("charge", "running", 2, None)]);
    let ended = unnumbered(&["1.0 completed", "2.0 step.started charge 1"]);
    assert_eq!(ended.saga.state, SagaState::Completed);
}

#[test]
fn numbers_outrank_the_clock_of_their_emitter() {
    let logs = [
        tell("9.0 step.started charge 1", Some(1)),
        tell("1.0 step.failed charge 1", Some(2)),
        tell("2.0 step.retrying charge 1", Some(3)),
    ];
    let detail = Picture::of(&logs).detail();
    assert_eq!(step_states(&detail), [("charge", "retrying", 1, None)]);
    let order: Vec<_> = detail.events.iter().map(|event| event.sequence).collect();
    assert_eq!(order, [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_step_nobody_announced_is_shown_where_it_says_it_stands() {
    let mut log = tell("1.0 step.started ship 1", None);
    log.attributes.0.push(("saga.step.index".into(), Value::Int(3)));
    let detail = Picture::of(&[log]).detail();
    assert_eq!((detail.saga.step_count, detail.steps[0].index), (4, 3));
}

#[test]
fn unknown_events_and_nameless_ones_are_no_tellings() {
    let mut nameless = tell("1.0 started", None);
    nameless.attributes.0.retain(|(key, _)| &**key != "saga.id");
    let stepless = tell("1.0 step.started", None);
    let other = event(
        "orders",
        1.0,
        "saga.danced",
        &[("saga.id", text("o-1")), ("saga.name", text("order"))],
    );
    let picture = Picture::of(&[nameless, stepless, other]);
    assert_eq!(picture.sagas.rows().count(), 0);
}

#[test]
fn the_history_is_bounded_and_keeps_what_lasts() {
    let mut logs = script(HAPPY);
    logs.truncate(3);
    logs.extend((4..1_000).map(|n| tell(&format!("{} step.started charge {n}", n as f64 / 100.0), Some(n))));
    let detail = Picture::of(&logs).detail();
    assert_eq!(detail.events.len(), 200);
    assert_eq!(detail.events[0].name, "saga.started");
    assert_eq!(
        step_states(&detail),
        [("create", "succeeded", 1, None), ("charge", "running", 999, None)]
    );
}

#[test]
fn equal_ids_of_different_types_are_different_sagas() {
    let order = tell("0.0 started", Some(1));
    let mut booking = tell("1.0 started", Some(1));
    booking.attributes.0[1].1 = text("booking");
    let picture = Picture::of(&[order, booking]);
    assert_eq!(picture.sagas.rows().count(), 2);
    assert_eq!(picture.saga().name, "booking", "the newest");
    assert_eq!(picture.sagas.detail("o-1", Some("order")).unwrap().0.saga.name, "order");
}

#[test]
fn ended_sagas_make_room_first() {
    let mut picture = Picture {
        sagas: Sagas::new(8),
        names: Names::default(),
    };
    let with_id = |mut log: LogRow, id: usize| {
        log.attributes.0[0].1 = text(&format!("o-{id}"));
        log
    };
    picture.hear(&[with_id(tell("0.0 started", Some(1)), 0)]);
    for id in 1..20 {
        picture.hear(
            &script(HAPPY)
                .into_iter()
                .map(|log| with_id(log, id))
                .collect::<Vec<_>>(),
        );
    }
    assert!(picture.sagas.rows().count() <= 8);
    assert!(picture.sagas.detail("o-0", None).is_some(), "the open one stays");
    let (_, removed) = picture.sagas.take_changes().unwrap();
    assert_eq!(
        (removed.len() as u64, picture.sagas.lost()),
        (picture.sagas.aged_out(), 0)
    );
    assert!(removed.contains(&"order/o-1".to_owned()));
}

#[test]
fn of_many_that_go_well_unheard_the_newest_are_told_and_all_others_always() {
    let mut picture = Picture::new();
    let with_id = |mut log: LogRow, id: usize| {
        log.attributes.0[0].1 = text(&format!("o-{id}"));
        log
    };
    let hear = |picture: &mut Picture, lines: &[LogRow], id: usize| {
        let lines: Vec<_> = lines.iter().map(|log| with_id(log.clone(), id)).collect();
        picture.hear(&lines);
    };
    let (begun, happy) = ([tell("0.0 started", Some(1))], script(HAPPY));
    let many = 3 * COMPLETED_UNHEARD_MAX;
    hear(&mut picture, &begun, 0);
    picture.sagas.take_changes();
    for id in 0..many {
        hear(&mut picture, &happy, id);
    }
    hear(&mut picture, &script(UNDONE), many);
    let (rows, _) = picture.sagas.take_changes().unwrap();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(rows.len(), COMPLETED_UNHEARD_MAX + 2);
    assert!(ids.contains("o-0"), "whoever heard that it began hears that it ended");
    assert!(
        ids.contains(format!("o-{many}").as_str()),
        "what had to be undone is told"
    );
    assert!(ids.contains(format!("o-{}", many - 1).as_str()) && !ids.contains("o-1"));
    assert_eq!(picture.sagas.rows().count(), many + 1, "queries find them all");
    for id in 0..2 * RUNNING_UNHEARD_MAX {
        hear(&mut picture, &begun, 10_000 + id);
    }
    let (rows, _) = picture.sagas.take_changes().unwrap();
    assert_eq!(rows.len(), RUNNING_UNHEARD_MAX);
}

#[test]
fn a_type_sums_its_instances_up() {
    let mut picture = Picture::of(&script(UNDONE)[..9]);
    let graph = picture.sagas.type_graph("order").unwrap();
    assert_eq!(graph.states[&SagaState::Compensating], 1);
    picture.hear(&script(UNDONE));
    let graph = picture.sagas.type_graph("order").unwrap();
    assert_eq!(
        graph.states.into_iter().collect::<Vec<_>>(),
        [(SagaState::Compensated, 1)]
    );
    let names: Vec<_> = graph.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["create", "reserve", "charge", "ship", "confirm"]);
    let charge = &graph.steps[2];
    assert_eq!(
        (charge.entered, charge.failed, charge.retries, charge.in_flight),
        (1, 1, 1, 0)
    );
    assert_eq!((graph.steps[0].succeeded, graph.steps[0].compensated), (1, 1));
    let summary = &picture.sagas.type_summaries(at(NOW - 1.0))[0];
    assert!((summary.p50_ms.unwrap() - 1_200.0).abs() < 100.0, "{summary:?}");
    assert!((summary.started_per_second - 0.1).abs() < 1e-9);
}

#[test]
fn sagas_that_wait_on_a_breaker_are_counted_for_it() {
    let (orders, payments): (Arc<str>, Arc<str>) = ("orders".into(), "payments".into());
    let mut picture = Picture::of(&script(UNDONE)[..6]);
    assert_eq!(picture.sagas.waiting_on(&orders, &payments)["order"], 1);
    assert_eq!(picture.sagas.take_waiting_changes().len(), 1);
    picture.hear(&script(UNDONE));
    assert!(picture.sagas.waiting_on(&orders, &payments).is_empty());
}

#[test]
fn a_fault_on_the_trace_touches_the_saga_whichever_is_heard_first() {
    let fault: Arc<str> = "f-1".into();
    let mut before = Picture::new();
    before.sagas.touch_by_fault(trace_id(1), &fault);
    before.hear(&script(HAPPY));
    let mut after = Picture::of(&script(HAPPY));
    after.sagas.touch_by_fault(trace_id(1), &fault);
    after.sagas.settle(at(NOW));
    assert_eq!(before.saga().faults, ["f-1"]);
    assert_eq!(before.saga(), after.saga());
}

/// The spans that tell the same as an event script: each attempt from its begin to its end, and the whole.
fn spans_of(logs: &[LogRow]) -> Vec<SpanRow> {
    let attempt_of = |log: &LogRow| {
        let attributes = &log.attributes;
        (
            attributes.text("saga.step.name").map(str::to_owned),
            attributes.int("saga.step.attempt"),
            log.event_name.as_deref().unwrap().starts_with("saga.compensation"),
        )
    };
    let mut spans = Vec::new();
    for (n, begin) in logs.iter().enumerate() {
        let name = begin.event_name.as_deref().unwrap();
        let (step, _, undo) = attempt_of(begin);
        let ends = |log: &&LogRow| !log.event_name.as_deref().unwrap().ends_with("retrying");
        let end = match name {
            "saga.started" => logs.last(),
            _ if name.ends_with(".started") => logs[n + 1..]
                .iter()
                .filter(ends)
                .find(|log| attempt_of(log) == attempt_of(begin)),
            _ => continue,
        };
        let end = end.expect("attempts in scripts end");
        let failed = ["failed", "compensated"]
            .iter()
            .any(|end_name| end.event_name.as_deref().unwrap().ends_with(end_name));
        let mut span = span("orders", n as u8 + 1, 0, SpanKind::Internal, 0.0, 0.0);
        span.name = match (step, undo) {
            (None, _) => "saga order".into(),
            (Some(step), false) => format!("saga.step {step}").into(),
            (Some(step), true) => format!("saga.compensate {step}").into(),
        };
        (span.start, span.duration_nanos) = (begin.at, end.at.0 - begin.at.0);
        span.attributes = begin.attributes.clone();
        span.attributes.0.extend(
            end.attributes
                .0
                .iter()
                .filter(|(key, _)| &**key == "saga.reason")
                .cloned(),
        );
        span.status = if failed { SpanStatus::Error } else { SpanStatus::Ok };
        spans.push(span);
    }
    spans
}

#[test]
fn the_final_picture_is_the_same_from_events_from_spans_and_from_both() {
    for lines in [HAPPY, UNDONE] {
        let logs = script(lines);
        let spans = spans_of(&logs);
        let by_events = Picture::of(&logs);
        let mut by_both = Picture::of(&[]);
        by_both.hear_spans(&spans);
        by_both.hear(&logs);
        by_both.hear_spans(&spans);
        let mut by_spans = Picture::new();
        by_spans.hear_spans(&spans);
        assert_eq!(by_events.detail(), by_both.detail());
        assert_eq!(by_events.saga(), by_spans.saga());
        assert_eq!(step_states(&by_events.detail()), step_states(&by_spans.detail()));
    }
}

#[test]
fn a_span_that_names_the_final_state_helps_out_for_a_lost_event() {
    let logs = script(HAPPY);
    let mut spans = spans_of(&logs);
    let mut picture = Picture::of(&logs[..5]);
    picture.hear_spans(&spans);
    assert_eq!(
        picture.saga().state,
        SagaState::Running,
        "a span that ends may only mean that its process did"
    );
    spans[0].attributes.0.push(("saga.state".into(), text("completed")));
    picture.hear_spans(&spans);
    assert_eq!(picture.saga().state, SagaState::Completed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Any order, any repeats, any batches: one picture. With and without numbers, with and without spans.
    #[test]
    fn order_repeats_and_batches_do_not_matter(
        script_chosen in 0..2_usize,
        numbered in any::<bool>(),
        with_spans in any::<bool>(),
        order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
        repeats in proptest::collection::vec(0..40_usize, 0..20),
        batch in 1..10_usize,
    ) {
        let mut logs = script([HAPPY, UNDONE][script_chosen]);
        let spans = if with_spans { spans_of(&logs) } else { Vec::new() };
        if !numbered {
            for log in &mut logs {
                log.attributes.0.retain(|(key, _)| &**key != "saga.sequence");
            }
        }
        let mut straight = Picture::of(&logs);
        straight.hear_spans(&spans);

        let mut shuffled = Picture::new();
        let total = logs.len() + spans.len();
        let told: Vec<usize> = order.into_iter().chain(repeats).filter(|n| *n < total).collect();
        for some in told.chunks(batch) {
            for n in some {
                match logs.get(*n) {
                    Some(log) => shuffled.join_log(log),
                    None => shuffled.join_span(&spans[n - logs.len()]),
                }
            }
            shuffled.sagas.settle(at(NOW));
        }
        prop_assert_eq!(straight.detail(), shuffled.detail());
        prop_assert_eq!(straight.sagas.type_graph("order"), shuffled.sagas.type_graph("order"));
    }
}
