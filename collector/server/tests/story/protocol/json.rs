//! Protobuf messages as OTLP/JSON, written by the specification's rules and not by the code that reads them.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, exemplar,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

pub(super) fn traces(request: &ExportTraceServiceRequest) -> Value {
    let groups = request.resource_spans.iter().map(|group| {
        let scopes = group.scope_spans.iter().map(|scoped| {
            json!({
                "scope": scoped.scope.as_ref().map(scope),
                "spans": scoped.spans.iter().map(span).collect::<Vec<_>>(),
                "schemaUrl": scoped.schema_url,
            })
        });
        json!({
            "resource": group.resource.as_ref().map(resource),
            "scopeSpans": scopes.collect::<Vec<_>>(),
            "schemaUrl": group.schema_url,
        })
    });
    json!({"resourceSpans": groups.collect::<Vec<_>>()})
}

pub(super) fn logs(request: &ExportLogsServiceRequest) -> Value {
    let groups = request.resource_logs.iter().map(|group| {
        let scopes = group.scope_logs.iter().map(|scoped| {
            json!({
                "scope": scoped.scope.as_ref().map(scope),
                "logRecords": scoped.log_records.iter().map(record).collect::<Vec<_>>(),
                "schemaUrl": scoped.schema_url,
            })
        });
        json!({
            "resource": group.resource.as_ref().map(resource),
            "scopeLogs": scopes.collect::<Vec<_>>(),
            "schemaUrl": group.schema_url,
        })
    });
    json!({"resourceLogs": groups.collect::<Vec<_>>()})
}

pub(super) fn metrics(request: &ExportMetricsServiceRequest) -> Value {
    let groups = request.resource_metrics.iter().map(|group| {
        let scopes = group.scope_metrics.iter().map(|scoped| {
            json!({
                "scope": scoped.scope.as_ref().map(scope),
                "metrics": scoped.metrics.iter().map(metric).collect::<Vec<_>>(),
                "schemaUrl": scoped.schema_url,
            })
        });
        json!({
            "resource": group.resource.as_ref().map(resource),
            "scopeMetrics": scopes.collect::<Vec<_>>(),
            "schemaUrl": group.schema_url,
        })
    });
    json!({"resourceMetrics": groups.collect::<Vec<_>>()})
}

fn metric(metric: &Metric) -> Value {
    let data = metric.data.as_ref().expect("a metric of some kind");
    let (kind, points): (_, Vec<Value>) = match data {
        Data::Gauge(gauge) => ("gauge", gauge.data_points.iter().map(number_point).collect()),
        Data::Sum(sum) => ("sum", sum.data_points.iter().map(number_point).collect()),
        Data::Histogram(histogram) => ("histogram", histogram.data_points.iter().map(histogram_point).collect()),
        Data::ExponentialHistogram(histogram) => {
            let points = histogram.data_points.iter().map(exponential_point);
            ("exponentialHistogram", points.collect())
        }
        Data::Summary(summary) => ("summary", summary.data_points.iter().map(summary_point).collect()),
    };
    let mut told = json!({"dataPoints": points});
    match data {
        Data::Sum(sum) => {
            told["aggregationTemporality"] = sum.aggregation_temporality.into();
            told["isMonotonic"] = sum.is_monotonic.into();
        }
        Data::Histogram(histogram) => told["aggregationTemporality"] = histogram.aggregation_temporality.into(),
        Data::ExponentialHistogram(histogram) => {
            told["aggregationTemporality"] = histogram.aggregation_temporality.into();
        }
        Data::Gauge(_) | Data::Summary(_) => {}
    }
    json!({
        "name": metric.name, "description": metric.description, "unit": metric.unit,
        "metadata": attributes(&metric.metadata), kind: told,
    })
}

fn number_point(point: &NumberDataPoint) -> Value {
    let mut told = json!({
        "attributes": attributes(&point.attributes), "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(), "flags": point.flags,
        "exemplars": point.exemplars.iter().map(exemplar).collect::<Vec<_>>(),
    });
    match point.value {
        Some(Number::AsInt(number)) => told["asInt"] = number.to_string().into(),
        Some(Number::AsDouble(number)) => told["asDouble"] = double(number),
        None => {}
    }
    told
}

fn histogram_point(point: &HistogramDataPoint) -> Value {
    json!({
        "attributes": attributes(&point.attributes), "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(), "flags": point.flags, "count": point.count.to_string(),
        "sum": point.sum.map(double), "min": point.min.map(double), "max": point.max.map(double),
        "bucketCounts": texts(&point.bucket_counts),
        "explicitBounds": point.explicit_bounds.iter().map(|bound| double(*bound)).collect::<Vec<_>>(),
        "exemplars": point.exemplars.iter().map(exemplar).collect::<Vec<_>>(),
    })
}

fn exponential_point(point: &ExponentialHistogramDataPoint) -> Value {
    let buckets = |buckets: &Option<Buckets>| {
        let told = |buckets: &Buckets| json!({"offset": buckets.offset, "bucketCounts": texts(&buckets.bucket_counts)});
        buckets.as_ref().map(told)
    };
    json!({
        "attributes": attributes(&point.attributes), "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(), "flags": point.flags, "count": point.count.to_string(),
        "sum": point.sum.map(double), "min": point.min.map(double), "max": point.max.map(double),
        "scale": point.scale, "zeroCount": point.zero_count.to_string(), "zeroThreshold": double(point.zero_threshold),
        "positive": buckets(&point.positive), "negative": buckets(&point.negative),
        "exemplars": point.exemplars.iter().map(exemplar).collect::<Vec<_>>(),
    })
}

fn summary_point(point: &SummaryDataPoint) -> Value {
    let quantiles = point.quantile_values.iter();
    let quantiles = quantiles.map(|at| json!({"quantile": double(at.quantile), "value": double(at.value)}));
    json!({
        "attributes": attributes(&point.attributes), "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(), "flags": point.flags, "count": point.count.to_string(),
        "sum": double(point.sum), "quantileValues": quantiles.collect::<Vec<_>>(),
    })
}

fn exemplar(exemplar: &Exemplar) -> Value {
    let mut told = json!({
        "filteredAttributes": attributes(&exemplar.filtered_attributes), "timeUnixNano": exemplar.time_unix_nano.to_string(),
        "traceId": hex(&exemplar.trace_id), "spanId": hex(&exemplar.span_id),
    });
    match exemplar.value {
        Some(exemplar::Value::AsInt(number)) => told["asInt"] = number.to_string().into(),
        Some(exemplar::Value::AsDouble(number)) => told["asDouble"] = double(number),
        None => {}
    }
    told
}

fn texts(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(ToString::to_string).collect()
}

fn double(number: f64) -> Value {
    match number {
        number if number.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        number => json!(number),
    }
}

fn resource(resource: &Resource) -> Value {
    json!({"attributes": attributes(&resource.attributes), "droppedAttributesCount": resource.dropped_attributes_count})
}

fn scope(scope: &InstrumentationScope) -> Value {
    json!({"name": scope.name, "version": scope.version, "attributes": attributes(&scope.attributes)})
}

fn span(span: &Span) -> Value {
    let events = span.events.iter().map(|event| {
        json!({
            "timeUnixNano": event.time_unix_nano.to_string(), "name": event.name,
            "attributes": attributes(&event.attributes), "droppedAttributesCount": event.dropped_attributes_count,
        })
    });
    let links = span.links.iter().map(|link| {
        json!({
            "traceId": hex(&link.trace_id), "spanId": hex(&link.span_id), "traceState": link.trace_state,
            "attributes": attributes(&link.attributes), "flags": link.flags,
        })
    });
    json!({
        "traceId": hex(&span.trace_id), "spanId": hex(&span.span_id), "parentSpanId": hex(&span.parent_span_id),
        "traceState": span.trace_state, "flags": span.flags, "name": span.name, "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(), "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": attributes(&span.attributes), "droppedAttributesCount": span.dropped_attributes_count,
        "events": events.collect::<Vec<_>>(), "droppedEventsCount": span.dropped_events_count,
        "links": links.collect::<Vec<_>>(), "droppedLinksCount": span.dropped_links_count,
        "status": span.status.as_ref().map(|status| json!({"code": status.code, "message": status.message})),
    })
}

fn record(record: &LogRecord) -> Value {
    json!({
        "timeUnixNano": record.time_unix_nano.to_string(),
        "observedTimeUnixNano": record.observed_time_unix_nano.to_string(),
        "severityNumber": record.severity_number, "severityText": record.severity_text,
        "body": record.body.as_ref().map(value), "attributes": attributes(&record.attributes),
        "traceId": hex(&record.trace_id), "spanId": hex(&record.span_id), "flags": record.flags,
        "eventName": record.event_name,
    })
}

fn attributes(attributes: &[KeyValue]) -> Value {
    let pairs = attributes
        .iter()
        .map(|pair| json!({"key": pair.key, "value": pair.value.as_ref().map(value)}));
    pairs.collect::<Vec<_>>().into()
}

fn value(any: &AnyValue) -> Value {
    match any.value.as_ref() {
        None => json!({}),
        Some(Any::StringValue(text)) => json!({"stringValue": text}),
        Some(Any::BoolValue(flag)) => json!({"boolValue": flag}),
        Some(Any::IntValue(number)) => json!({"intValue": number.to_string()}),
        Some(Any::DoubleValue(number)) => json!({"doubleValue": double(*number)}),
        Some(Any::BytesValue(bytes)) => {
            use base64::Engine;
            json!({"bytesValue": base64::engine::general_purpose::STANDARD.encode(bytes)})
        }
        Some(Any::ArrayValue(array)) => {
            json!({"arrayValue": {"values": array.values.iter().map(value).collect::<Vec<_>>()}})
        }
        Some(Any::KvlistValue(list)) => json!({"kvlistValue": {"values": attributes(&list.values)}}),
        Some(other) => panic!("{other:?} has no form in OTLP/JSON"),
    }
}

/// Upper case, which is as good as lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
