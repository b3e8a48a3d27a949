//! The cases that real senders and the specification bring, each through to the protobuf message.

use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use super::*;

fn spans(json: &Value) -> Result<Vec<Span>, NotTaken> {
    let bytes = convert(Signal::Traces, json.to_string().as_bytes())?;
    let request = ExportTraceServiceRequest::decode(bytes).unwrap();
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans);
    Ok(scopes.flat_map(|scope| scope.spans).collect())
}

fn span(json: Value) -> Result<Span, NotTaken> {
    let request = json!({"resourceSpans": [{"scopeSpans": [{"spans": [json]}]}]});
    spans(&request).map(|mut spans| spans.remove(0))
}

fn value(json: Value) -> Result<Option<AnyValue>, NotTaken> {
    let span = span(json!({"attributes": [{"key": "k", "value": json}]}))?;
    Ok(span.attributes[0].value.clone().and_then(|value| value.value))
}

fn text(json: &str) -> Result<Bytes, NotTaken> {
    convert(Signal::Traces, json.as_bytes())
}

#[test]
fn a_whole_span_is_read() {
    let read = span(json!({
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "parentSpanId": "",
        "name": "GET /", "kind": 2, "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000_u64,
        "attributes": [{"key": "a", "value": {"stringValue": "b"}}],
        "events": [{"timeUnixNano": "5", "name": "e"}],
        "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}],
        "status": {"code": 2, "message": "bad"},
    }))
    .unwrap();
    assert_eq!(read.trace_id[..2], [0x5b, 0x8e]);
    assert_eq!((read.span_id.len(), read.parent_span_id.len()), (8, 0));
    assert_eq!((read.kind, read.name.as_str()), (2, "GET /"));
    assert_eq!(read.end_time_unix_nano - read.start_time_unix_nano, 1_000_000_000);
    assert_eq!(read.events[0].time_unix_nano, 5);
    assert_eq!(read.links[0].trace_id, read.trace_id);
    assert_eq!(read.status.unwrap().code, 2);
}

#[test]
fn a01_an_empty_envelope_is_empty() {
    for empty in [
        "{}",
        r#"{"resourceSpans":[]}"#,
        r#"{"resourceSpans":null}"#,
        r#"{"resourceSpans":[null]}"#,
    ] {
        assert!(text(empty).is_ok(), "{empty}");
    }
}

#[test]
fn a07_ids_of_wrong_length_stay_wrong() {
    for (id, len) in [("00", 1), ("xyz", 1), ("5b8", 1), ("", 0)] {
        assert_eq!(span(json!({"traceId": id})).unwrap().trace_id.len(), len, "{id}");
    }
}

#[test]
fn a08_null_nan_and_empty_lists_are_taken() {
    let read = span(json!({"attributes": null, "name": null, "events": null, "status": null, "kind": null})).unwrap();
    assert!(read.attributes.is_empty() && read.name.is_empty());
    assert!(matches!(value(json!({"doubleValue": "NaN"})), Ok(Some(AnyValue::DoubleValue(n))) if n.is_nan()));
    assert_eq!(
        value(json!({"doubleValue": "-Infinity"})),
        Ok(Some(AnyValue::DoubleValue(f64::NEG_INFINITY)))
    );
    assert!(
        matches!(value(json!({"arrayValue": {}})), Ok(Some(AnyValue::ArrayValue(array))) if array.values.is_empty())
    );
    assert!(matches!(
        value(json!({"kvlistValue": {"values": null}})),
        Ok(Some(AnyValue::KvlistValue(_)))
    ));
    assert_eq!(value(json!({})), Ok(None));
    assert_eq!(value(Value::Null), Ok(None));
}

#[test]
fn a09_enum_names_are_refused_and_snake_case_is_unknown() {
    assert!(matches!(
        span(json!({"kind": "SPAN_KIND_SERVER"})),
        Err(NotTaken::Malformed(_))
    ));
    assert!(matches!(span(json!({"kind": "2"})), Err(NotTaken::Malformed(_))));
    assert!(
        span(json!({"start_time_unix_nano": "x", "trace_id": "y"}))
            .unwrap()
            .trace_id
            .is_empty()
    );
}

#[test]
fn a10_unknown_fields_and_enum_numbers_pass() {
    assert_eq!(
        span(json!({"kind": 77, "newField": {"deep": [1, {"x": null}]}}))
            .unwrap()
            .kind,
        77
    );
    assert_eq!(
        value(json!({"stringValue": "s", "futureValue": 1})),
        Ok(Some(AnyValue::StringValue("s".into())))
    );
}

#[test]
fn a11_whole_numbers_come_either_way_and_never_overflow() {
    for written in [json!(42), json!("42"), json!(42.0), json!("4.2e1")] {
        assert_eq!(
            value(json!({"intValue": written})),
            Ok(Some(AnyValue::IntValue(42))),
            "{written}"
        );
    }
    let least = json!({"intValue": i64::MIN.to_string()});
    assert_eq!(value(least), Ok(Some(AnyValue::IntValue(i64::MIN))));
    for refused in [
        json!("9223372036854775808"),
        json!(u64::MAX),
        json!(1.5),
        json!("x"),
        json!(1e300),
        json!(true),
    ] {
        assert!(
            matches!(value(json!({"intValue": refused})), Err(NotTaken::Malformed(_))),
            "{refused}"
        );
    }
    assert!(span(json!({"startTimeUnixNano": -1})).is_err());
}

#[test]
fn a11_whole_numbers_are_exact_however_they_are_written() {
    for (written, expected) in [
        ("1e18", 1_000_000_000_000_000_000),
        ("\"1e18\"", 1_000_000_000_000_000_000),
        ("9223372036854775807.0", i64::MAX),
        ("\"9223372036854775807.0\"", i64::MAX),
        ("-9223372036854775808.00", i64::MIN),
        ("9007199254740993.0", 9_007_199_254_740_993),
        ("0.9007199254740993e16", 9_007_199_254_740_993),
        ("92233720368547758070e-1", i64::MAX),
        ("\"\\u0031\"", 1),
        ("0e999999999", 0),
        ("-0.0", 0),
        ("1E+2", 100),
    ] {
        let request = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":{"intValue":NUMBER}}]}}]}"#;
        let bytes = text(&request.replace("NUMBER", written)).unwrap_or_else(|why| panic!("{written}: {why:?}"));
        let request = ExportTraceServiceRequest::decode(bytes).unwrap();
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        let value = resource.attributes[0].value.as_ref().unwrap().value.clone();
        assert_eq!(value, Some(AnyValue::IntValue(expected)), "{written}");
    }
    for refused in [
        "9223372036854775808.0",
        "1e19",
        "1e999999999999999999999",
        "1e-1",
        "15e-1",
        "[1]",
        "{}",
        "\"\"",
        "\".\"",
        "\"e5\"",
        "\"1e\"",
        "\"--1e1\"",
        "\"NaN\"",
    ] {
        let request = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":{"intValue":NUMBER}}]}}]}"#;
        let outcome = text(&request.replace("NUMBER", refused));
        assert!(matches!(outcome, Err(NotTaken::Malformed(_))), "{refused}");
    }
}

#[test]
fn a12_a_lone_surrogate_is_refused() {
    assert!(text(r#"{"resourceSpans":[{"schemaUrl":"\ud800"}]}"#).is_err());
    assert!(convert(Signal::Traces, b"{\"resourceSpans\":[{\"schemaUrl\":\"\xff\"}]}").is_err());
}

#[test]
fn a04_a_list_is_no_message() {
    for refused in [
        "[]",
        "[[]]",
        r#"{"resourceSpans":[[]]}"#,
        r#"{"resourceSpans":[{"resource":[]}]}"#,
        r#"{"resourceSpans":[{"resource":{"attributes":[["k",{"stringValue":"v"}]]}}]}"#,
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":["v"]}]}}]}"#,
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":{"arrayValue":[[]]}}]}}]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"scope":["name"],"spans":[{"status":["m",1]}]}]}]}"#,
    ] {
        assert!(matches!(text(refused), Err(NotTaken::Malformed(_))), "{refused}");
    }
    for signal in [Signal::Logs, Signal::Metrics] {
        assert!(convert(signal, b"[]").is_err());
    }
    let gauge = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":[[]]}]}]}]}"#;
    assert!(convert(Signal::Metrics, gauge.as_bytes()).is_err());
}

#[test]
fn bytes_come_padded_or_not() {
    for written in ["-_8=", "+/8=", "-_8", "+/8"] {
        assert_eq!(
            value(json!({"bytesValue": written})),
            Ok(Some(AnyValue::BytesValue(vec![0xfb, 0xff]))),
            "{written}"
        );
    }
}

#[test]
fn points_keep_nan_and_whole_numbers() {
    let points = |points: Value| {
        let request = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "m", "gauge": {"dataPoints": points}},
            {"name": "h", "histogram": {"dataPoints": [{"sum": "NaN", "count": "2", "bucketCounts": ["1", 1], "explicitBounds": [0.5]}]}},
        ]}]}]});
        let bytes = convert(Signal::Metrics, request.to_string().as_bytes()).unwrap();
        ExportMetricsServiceRequest::decode(bytes).unwrap().resource_metrics[0].scope_metrics[0]
            .metrics
            .clone()
    };
    let metrics = points(json!([{"asDouble": "NaN"}, {"asInt": "7"}, {"asInt": 7}]));
    let Some(Data::Gauge(gauge)) = &metrics[0].data else {
        panic!("no gauge")
    };
    assert!(matches!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(n)) if n.is_nan()));
    assert_eq!(gauge.data_points[1].value, Some(number_data_point::Value::AsInt(7)));
    assert_eq!(gauge.data_points[2].value, Some(number_data_point::Value::AsInt(7)));
    let Some(Data::Histogram(histogram)) = &metrics[1].data else {
        panic!("no histogram")
    };
    assert!(histogram.data_points[0].sum.unwrap().is_nan());
    assert_eq!(histogram.data_points[0].bucket_counts, [1, 1]);
}

#[test]
fn log_records_keep_event_name_and_body() {
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1", "severityNumber": 9, "body": {"stringValue": "b"}, "eventName": "saga.started", "traceId": "5b8efff798038103d269b633813fc60c"},
    ]}]}]});
    let bytes = convert(Signal::Logs, request.to_string().as_bytes()).unwrap();
    let record = ExportLogsServiceRequest::decode(bytes).unwrap().resource_logs[0].scope_logs[0].log_records[0].clone();
    assert_eq!(
        (
            record.event_name.as_str(),
            record.severity_number,
            record.trace_id.len()
        ),
        ("saga.started", 9, 16)
    );
}

#[test]
fn depth_and_number_of_objects_are_bounded() {
    let deep = format!(
        "{}{}",
        r#"{"arrayValue":{"values":["#.repeat(30_000),
        "]}}".repeat(30_000)
    );
    let request = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":[{{"key":"k","value":{deep}}}]}}]}}]}}]}}"#
    );
    assert!(matches!(text(&request), Err(NotTaken::Malformed(message)) if message.len() < 1_000));
    let many = format!(r#"{{"resourceSpans":[{}{{}}]}}"#, "{},".repeat(OBJECTS));
    assert!(matches!(text(&many), Err(NotTaken::TooLarge(_))));
}
