use proptest::prelude::*;
use sagascope_api::sagas::{CurrentStep, Saga};
use sagascope_conventions::{Coordination, SagaState};

use sagascope_api::Time;

use super::*;
use crate::block::{LogBlock, SpanBlock};
use crate::rows::{LogRow, SpanId, SpanKind, SpanRow, SpanStatus, Value};
use crate::testing::{at, counter, event, gauge, span, text};

fn charge() -> SpanRow {
    let mut span = span("payments", 1, 0, SpanKind::Server, 0.0, 0.25);
    span.name = "POST /charges".into();
    span.status = SpanStatus::Error;
    span.attributes.0 = vec![
        ("http.response.status_code".into(), Value::Int(503)),
        ("http.route".into(), text("/charges")),
        ("saga.name".into(), text("order")),
        ("tags".into(), Value::List(vec![text("red"), Value::Bool(true)])),
    ];
    span
}

fn check(query: &str, expected: bool) {
    let parsed = Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    assert_eq!(parsed.matches_span(&charge()), expected, "{query}");
}

#[test]
fn spans_are_found_by_fields_comparisons_and_text() {
    for query in [
        "",
        "  ",
        "service:payments",
        "service=PAYMENTS",
        "status:error duration>200ms saga.name:order -http.route:/health \"charges\"",
        "duration>=250ms duration<=0.25s duration<1m duration:>200",
        "http.response.status_code>=500",
        "http.response.status_code:503",
        "http.response.status_code:5*",
        "name:\"POST /charges\"",
        "name:post*",
        "name:*charge*",
        "name:~^POST",
        "~char(ge|t)s",
        "CHARGES",
        "tags:red",
        "tags:true",
        "kind:server",
        "service!=orders",
        "http.route:*",
        "resource.service.name:payments",
        "trace:01010101010101010101010101010101",
        "service:orders OR service:payments",
        "service:orders OR status:error AND kind:server",
        "NOT (service:orders OR service:gateway)",
        "(service:payments (status:ok OR status:error))",
        "- service:x OR status:error",
    ] {
        check(query, true);
    }
    for query in [
        "service:pay",
        "status:ok",
        "duration>250ms",
        "nothing:here",
        "nothing:*",
        "nothing>1",
        "-status:error",
        "NOT NOT NOT kind:server",
        "service:payments AND status:ok",
        "name:\"post*\"",
        "refund",
    ] {
        check(query, false);
    }
}

/// Row by row and over columns.
fn check_both(span: &SpanRow, query: &str, expected: bool) {
    let parsed = Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    assert_eq!(parsed.matches_span(span), expected, "{query}");
    let mut block = SpanBlock::default();
    block.push_row(span, Time(0));
    assert_eq!(parsed.over_spans(&block).matches(0), expected, "{query}, over columns");
}

#[test]
fn any_attribute_is_found_whatever_it_holds_and_is_called() {
    let mut span = charge();
    span.parent_span_id = Some(SpanId([7; 8]));
    span.attributes.0 = vec![
        ("big".into(), Value::Int(9_007_199_254_740_993)),
        ("text.big".into(), text("9007199254740993")),
        ("half".into(), Value::Double(0.5)),
        ("nan".into(), Value::Double(f64::NAN)),
        ("map".into(), Value::Map(vec![("k".into(), text("v"))])),
        ("bytes".into(), Value::Bytes((*b"ab").into())),
        ("empty".into(), Value::Empty),
        ("list".into(), Value::List(Vec::new())),
        ("name".into(), text("shadow")),
        ("resource.x".into(), text("mine")),
        ("weird key".into(), text("w")),
        ("a:b".into(), text("cc")),
        ("k[0]".into(), text("v0")),
        ("städte".into(), text("Köln")),
        ("hero".into(), text("Σίσυφος")),
    ];
    for query in [
        "big:9007199254740993",
        "big>9007199254740992 big>=9007199254740993 big<9007199254740994",
        "text.big>9007199254740992",
        "big:*993 half:0.5 half<0.6 nan:NaN",
        "map:* bytes:* empty:* list:*",
        "attr.name:shadow name:post*",
        "attr.resource.x:mine",
        "\"weird key\":w \"a:b\":cc \"a:b\"!=c k[0]:v0",
        "parent_span_id:0707070707070707 parent:*",
        "städte:KÖLN städte:KÖLN* \"köl\"",
        "hero:ΣΊΣΥΦΟΣ σίσυφος ΣΊΣΥΦ*",
        "0.5",
        "duration:250 duration:250ms duration:0.25s duration>=250 duration<=250",
    ] {
        check_both(&span, query, true);
    }
    for query in [
        "big:9007199254740992",
        "big>9007199254740993",
        "text.big<=9007199254740992",
        "-map:*",
        "-empty:*",
        "attr.none:*",
        "resource.x:mine",
        "\"weird\":w",
        "städte:Koln",
        "duration:250000000",
    ] {
        check_both(&span, query, false);
    }
    span.parent_span_id = None;
    check_both(&span, "-parent_span_id:*", true);
}

#[test]
fn a_body_is_found_whatever_it_is() {
    for (body, word) in [
        (Value::Double(12.5), "12.5"),
        (Value::Bool(true), "true"),
        (Value::Int(7), "7"),
        (
            Value::Map(vec![("k".into(), Value::List(vec![Value::Double(4.25)]))]),
            "4.25",
        ),
    ] {
        let log = LogRow {
            body,
            ..event("orders", 1.0, "e", &[])
        };
        let mut block = LogBlock::default();
        block.push_row(&log, Time(0));
        for query in [format!("\"{word}\""), format!("body:{word}"), "body:*".into()] {
            let parsed = Query::parse(&query).unwrap();
            assert!(parsed.matches_log(&log), "{query}");
            assert!(parsed.over_logs(&block).matches(0), "{query}, over columns");
        }
    }
}

#[test]
fn logs_are_found_by_event_severity_and_body() {
    let mut log = event("orders", 1.0, "saga.step.failed", &[("correlation.id", text("c-1"))]);
    (log.severity, log.severity_text) = (17, "ERROR".into());
    log.body = text("charge failed: no answer");
    let found = |query: &str| Query::parse(query).unwrap().matches_log(&log);
    for query in [
        "event:saga.step.*",
        "severity:error",
        "severity>=13",
        "correlation.id:c-1",
        "\"no answer\"",
        "body:~failed",
    ] {
        assert!(found(query), "{query}");
    }
    for query in ["event:saga.started", "level:info", "trace:*x", "body:charge"] {
        assert!(!found(query), "{query}");
    }
}

#[test]
fn sagas_are_found_by_what_their_row_says() {
    let saga = Saga {
        id: "o-1".into(),
        name: "order".into(),
        coordination: Some(Coordination::Orchestration),
        state: SagaState::Compensating,
        stuck: true,
        step: Some(CurrentStep {
            name: "charge".into(),
            index: 2,
            attempt: 3,
        }),
        step_count: 5,
        waiting: None,
        correlation_id: Some("c-1".into()),
        trace_id: None,
        started_at: at(0.0),
        ended_at: None,
        updated_at: at(2.0),
        deadline: None,
        reason: Some("no answer".into()),
        faults: vec!["f-1".into()],
    };
    let found = |query: &str| Query::parse(query).unwrap().matches_saga(&saga);
    for query in [
        "saga.name:order saga.id:o-1 state:compensating step:charge stuck:true",
        "attempt>2 correlation.id:c-1 fault:f-1",
        "duration>1s reason:no*",
        "answer",
        "-state:running",
    ] {
        assert!(found(query), "{query}");
    }
    for query in ["stuck:false", "trace:*", "waiting:retry", "service:orders"] {
        assert!(!found(query), "{query}");
    }
}

#[test]
fn errors_point_at_the_character() {
    for (query, position) in [
        ("service:", 8),
        ("service: payments", 8),
        ("(service:a", 10),
        ("service:a)", 9),
        ("ö:\"x", 2),
        ("duration>fast", 9),
        ("a AND", 5),
        ("OR a", 0),
        ("a OR", 4),
        ("()", 1),
        ("name:~[", 6),
        ("NOT", 3),
    ] {
        let error = Query::parse(query).expect_err(query);
        assert_eq!(error.position, position, "{query}: {error}");
    }
}

#[test]
fn d01_bombs_are_refused() {
    for bomb in [
        "(".repeat(100_000),
        "(".repeat(4_000),
        "-".repeat(4_000) + "a",
        "NOT ".repeat(1_000) + "a",
        "a".repeat(10_000_000),
        "a ".repeat(2_000),
        format!("~{}", "(a{1,1000}){1,1000}"),
        format!("~{}a{}", "(".repeat(500), ")".repeat(500)),
    ] {
        assert!(Query::parse(&bomb).is_err(), "{:.40}", bomb);
    }
}

proptest! {
    /// Whatever is typed is understood or refused at a character of it.
    #[test]
    fn no_query_panics(query in "[ -~ö\"()~*:<>=!]{0,60}") {
        match Query::parse(&query) {
            Ok(query) => {
                let _ = query.matches_span(&charge());
            }
            Err(error) => prop_assert!(error.position <= query.chars().count()),
        }
    }

    /// A denial denies, and a quoted value is taken as it is.
    #[test]
    fn denial_denies_and_quotes_protect(value in "[a-z*()~: -]{1,20}") {
        let mut span = charge();
        span.attributes.0.push(("k".into(), text(&value)));
        let quoted = format!("k:\"{value}\"");
        prop_assert!(Query::parse(&quoted).unwrap().matches_span(&span));
        let denied = format!("-{quoted}");
        prop_assert!(!Query::parse(&denied).unwrap().matches_span(&span));
    }
}

/// Words of a small world, so that queries and rows meet.
fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "order", "payments", "charge", "5", "true", "red", "Ünder", "", "c-1",
    ])
    .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        word().prop_map(|word| text(&word)),
        (-3_i64..600).prop_map(Value::Int),
        Just(Value::Double(0.5)),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Empty),
        Just(Value::Bytes([1].into())),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::vec(inner, 0..3)
                .prop_map(|values| Value::Map(values.into_iter().map(|value| ("k".into(), value)).collect())),
        ]
    })
}

const KEYS: [&str; 6] = [
    "saga.name",
    "http.route",
    "tags",
    "correlation.id",
    "messaging.message.conversation_id",
    "n",
];

fn some_attributes() -> impl Strategy<Value = crate::rows::Attributes> {
    let pair = (prop::sample::select(KEYS.to_vec()), value()).prop_map(|(key, value)| (key.into(), value));
    prop::collection::vec(pair, 0..5).prop_map(crate::rows::Attributes)
}

fn some_span() -> impl Strategy<Value = SpanRow> {
    let kinds = prop::sample::select(vec![SpanKind::Server, SpanKind::Client, SpanKind::Unspecified]);
    let statuses = prop::sample::select(vec![SpanStatus::Ok, SpanStatus::Error, SpanStatus::Unset]);
    (
        word(),
        word(),
        word(),
        kinds,
        statuses,
        some_attributes(),
        prop::option::of(some_attributes()),
        0..3_u8,
    )
        .prop_map(|(service, name, message, kind, status, attributes, event, n)| {
            let mut row = span(&format!("{service}#{n}"), n + 1, 0, kind, 0.0, f64::from(n) / 10.0);
            (row.name, row.status, row.status_message) = (name.as_str().into(), status, message.as_str().into());
            row.attributes = attributes;
            row.events = event
                .map(|attributes| crate::rows::SpanEventRow {
                    at: at(0.0),
                    name: name.as_str().into(),
                    attributes,
                    dropped_attributes: 0,
                })
                .into_iter()
                .collect();
            row
        })
}

fn some_log() -> impl Strategy<Value = LogRow> {
    (word(), word(), 0..24_u8, value(), some_attributes(), any::<bool>()).prop_map(
        |(service, name, severity, body, attributes, is_traced)| {
            let mut row = event(&service, 0.0, "x", &[]);
            row.event_name = (!name.is_empty()).then(|| name.as_str().into());
            (row.severity, row.body, row.attributes) = (severity, body, attributes);
            row.trace_id = is_traced.then(|| crate::testing::trace_id(1));
            row
        },
    )
}

fn some_query() -> impl Strategy<Value = String> {
    let fields = [
        "service",
        "instance",
        "name",
        "kind",
        "status",
        "status_message",
        "scope",
        "duration",
        "trace",
        "span",
        "event",
        "level",
        "body",
        "resource.service.name",
        "resource.saga.name",
        "saga.name",
        "http.route",
        "tags",
        "correlation.id",
        "n",
        "service.name",
    ];
    let signs = prop::sample::select(vec![":", "=", "!=", ">", "<="]);
    let field = (prop::sample::select(fields.to_vec()), signs, word()).prop_map(|(field, sign, word)| {
        let word = if matches!(sign, ">" | "<=") {
            "5".to_owned()
        } else {
            word
        };
        format!("{field}{sign}\"{word}\"")
            .replace(">\"5\"", ">5")
            .replace("<=\"5\"", "<=5")
    });
    let term = prop_oneof![
        4 => field,
        1 => word().prop_map(|word| format!("\"{word}\"")),
        1 => prop::sample::select(vec!["tags:*", "name:*a*", "~or.er", "http.route:~^[a-m]"]).prop_map(str::to_owned),
    ];
    prop::collection::vec((term, 0..4_u8), 1..4).prop_map(|terms| {
        let joined = terms.iter().map(|(term, how)| match how {
            0 => format!("NOT {term}"),
            1 => format!("OR {term}"),
            _ => term.clone(),
        });
        joined
            .collect::<Vec<_>>()
            .join(" ")
            .trim_start_matches("OR ")
            .to_owned()
    })
}

proptest! {
    #[test]
    fn d08_columns_answer_as_rows_do(
        query in some_query(),
        spans in prop::collection::vec(some_span(), 1..12),
        logs in prop::collection::vec(some_log(), 1..12),
    ) {
        let query = Query::parse(&query).expect("the queries made here are good");
        let (spans_held, logs_held) = (crate::testing::span_block(&spans), crate::testing::log_block(&logs));
        let (mut over_spans, mut over_logs) = (query.over_spans(&spans_held), query.over_logs(&logs_held));
        // Twice: what was remembered must not change an answer.
        for _ in 0..2 {
            for (n, row) in spans.iter().enumerate() {
                prop_assert_eq!(over_spans.matches(n), query.matches_span(row), "{:?}", row);
            }
            for (n, row) in logs.iter().enumerate() {
                prop_assert_eq!(over_logs.matches(n), query.matches_log(row), "{:?}", row);
            }
        }
    }

    #[test]
    fn d08_columns_of_points_answer_as_rows_do(
        query in prop::sample::select(vec![
            "", "metric:depth", "name:dep*", "kind:gauge", "kind:sum service:orders", "queue:red", "NOT queue:red",
            "depth", "red", "queue:*", "service.name:stock", "resource.queue:red", "instance:2 OR queue:blue", "unit:ms",
        ]),
        rows in prop::collection::vec((0..4_usize, 0..3_usize, any::<bool>()), 1..12),
    ) {
        let query = Query::parse(query).expect("the queries made here are good");
        let rows: Vec<_> = rows.into_iter().map(|(process, queue, is_gauge)| {
            let process = ["orders", "orders#2", "stock", "red"][process];
            let pairs = [("queue", text(["red", "blue", "green"][queue]))];
            let make = if is_gauge { gauge } else { counter };
            make(process, 1.0, if is_gauge { "depth" } else { "sent" }, 1.0, &pairs)
        }).collect();
        let block = crate::testing::point_block(&rows);
        let mut select = query.over_points(&block);
        for _ in 0..2 {
            for (n, row) in rows.iter().enumerate() {
                prop_assert_eq!(select.matches(n), query.matches_point(row), "{:?}", row);
            }
        }
    }
}
