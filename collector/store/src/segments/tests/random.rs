//! Random rows of each signal.

use super::*;

fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![4 => "[a-d]{0,3}", 1 => "\\PC{0,20}"]
}

fn value() -> impl Strategy<Value = Value> + Clone {
    let leaf = prop_oneof![
        4 => text().prop_map(|text| Value::Text(text.into())),
        1 => Just(Value::Empty),
        1 => any::<bool>().prop_map(Value::Bool),
        2 => prop_oneof![any::<i64>(), 0_i64..5].prop_map(Value::Int),
        2 => prop::num::f64::ANY.prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Double),
        1 => prop::collection::vec(any::<u8>(), 0..5).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::vec((text().prop_map(Arc::from), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> + Clone {
    prop::collection::vec((text().prop_map(Arc::from), value()), 0..4).prop_map(Attributes)
}

fn resource() -> impl Strategy<Value = Arc<Resource>> {
    (text(), text(), attributes(), 0_u32..2, text()).prop_map(|(service, instance, attributes, dropped, schema)| {
        Arc::new(Resource {
            service: service.into(),
            instance: instance.into(),
            attributes,
            dropped_attributes: dropped,
            schema_url: schema.into(),
        })
    })
}

fn scope() -> impl Strategy<Value = Arc<Scope>> {
    (text(), text(), attributes(), 0_u32..2, text()).prop_map(|(name, version, attributes, dropped, schema)| {
        Arc::new(Scope {
            name: name.into(),
            version: version.into(),
            attributes,
            dropped_attributes: dropped,
            schema_url: schema.into(),
        })
    })
}

fn time() -> impl Strategy<Value = Time> + Clone {
    prop_oneof![9 => 1_763_000_000_000_000_000_u64..1_763_000_001_000_000_000, 1 => any::<u64>()].prop_map(Time)
}

fn trace_id() -> impl Strategy<Value = TraceId> + Clone {
    (1_u8..9).prop_map(|n| TraceId([n; 16]))
}

fn span_id() -> impl Strategy<Value = SpanId> + Clone {
    (1_u64..).prop_map(|n| SpanId(n.to_be_bytes()))
}

fn event() -> impl Strategy<Value = SpanEventRow> {
    (time(), text(), attributes(), 0_u32..2).prop_map(|(at, name, attributes, dropped_attributes)| SpanEventRow {
        at,
        name: name.into(),
        attributes,
        dropped_attributes,
    })
}

fn link() -> impl Strategy<Value = LinkRow> {
    (trace_id(), span_id(), text(), attributes(), 0_u32..3).prop_map(|(trace_id, span_id, state, attributes, flags)| {
        LinkRow {
            trace_id,
            span_id,
            trace_state: state.into(),
            flags,
            attributes,
            dropped_attributes: flags,
        }
    })
}

pub(super) fn span() -> impl Strategy<Value = SpanRow> {
    let kinds = prop::sample::select(vec![
        SpanKind::Unspecified,
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ]);
    let statuses = prop::sample::select(vec![SpanStatus::Unset, SpanStatus::Ok, SpanStatus::Error]);
    let lists = (
        prop_oneof![Just(Vec::new()), prop::collection::vec(event(), 1..3)],
        prop_oneof![Just(Vec::new()), prop::collection::vec(link(), 1..3)],
    );
    let ids = (trace_id(), span_id(), prop::option::of(span_id()));
    let words = (text(), text(), text());
    let numbers = (time(), prop_oneof![0_u64..1_000_000, any::<u64>()], 0_u32..3, 0_u32..2);
    (
        resource(),
        scope(),
        ids,
        words,
        kinds,
        statuses,
        numbers,
        attributes(),
        lists,
    )
        .prop_map(
            |(resource, scope, ids, words, kind, status, numbers, attributes, (events, links))| SpanRow {
                resource,
                scope,
                trace_id: ids.0,
                span_id: ids.1,
                parent_span_id: ids.2,
                name: words.0.into(),
                kind,
                start: numbers.0,
                duration_nanos: numbers.1,
                status,
                status_message: words.1.into(),
                attributes,
                events,
                links,
                trace_state: words.2.into(),
                flags: numbers.2,
                dropped: Dropped {
                    attributes: numbers.3,
                    events: 0,
                    links: numbers.3,
                },
            },
        )
}

pub(super) fn log() -> impl Strategy<Value = LogRow> {
    let ids = (prop::option::of(trace_id()), prop::option::of(span_id()));
    let words = (text(), prop::option::of("[a-d]{1,3}"));
    let numbers = (time(), time(), 0_u8..25, any::<u32>(), 0_u32..2);
    (resource(), scope(), ids, words, numbers, value(), attributes()).prop_map(
        |(resource, scope, ids, words, numbers, body, attributes)| LogRow {
            resource,
            scope,
            at: numbers.0,
            severity: numbers.2,
            severity_text: words.0.into(),
            event_name: words.1.map(Arc::from),
            body,
            attributes,
            trace_id: ids.0,
            span_id: ids.1,
            observed: numbers.1,
            flags: numbers.3,
            dropped_attributes: numbers.4,
        },
    )
}

fn fraction() -> impl Strategy<Value = f64> + Clone {
    prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE
}

fn said() -> impl Strategy<Value = Option<f64>> + Clone {
    prop::option::of(fraction())
}

fn temporality() -> impl Strategy<Value = Temporality> + Clone {
    prop::sample::select(vec![
        Temporality::Unspecified,
        Temporality::Delta,
        Temporality::Cumulative,
    ])
}

fn number() -> impl Strategy<Value = PointValue> {
    prop_oneof![
        Just(PointValue::Missing),
        any::<i64>().prop_map(PointValue::Int),
        fraction().prop_map(PointValue::Double)
    ]
}

fn histogram() -> impl Strategy<Value = PointValue> {
    let lists = (
        prop::collection::vec(fraction(), 0..3),
        prop::collection::vec(any::<u64>(), 0..3),
    );
    let known = (any::<u64>(), said(), said(), said(), lists).prop_map(|(count, sum, min, max, (bounds, counts))| {
        PointValue::Histogram(HistogramValue {
            count,
            sum,
            min,
            max,
            bounds,
            counts,
        })
    });
    prop_oneof![1 => Just(PointValue::Missing), 5 => known]
}

fn exponential() -> impl Strategy<Value = PointValue> {
    let lists = (
        prop::collection::vec(any::<u64>(), 0..3),
        prop::collection::vec(any::<u64>(), 0..3),
    );
    let numbers = (any::<i32>(), any::<i32>(), any::<i32>(), any::<u64>(), fraction());
    (any::<u64>(), said(), said(), said(), lists, numbers).prop_map(
        |(count, sum, min, max, (positive, negative), numbers)| {
            PointValue::ExponentialHistogram(ExponentialValue {
                count,
                sum,
                min,
                max,
                scale: numbers.0,
                zero_count: numbers.3,
                zero_threshold: numbers.4,
                positive_offset: numbers.1,
                positive,
                negative_offset: numbers.2,
                negative,
            })
        },
    )
}

fn summary() -> impl Strategy<Value = PointValue> {
    let quantiles = prop::collection::vec((fraction(), fraction()), 0..3);
    (any::<u64>(), fraction(), quantiles)
        .prop_map(|(count, sum, quantiles)| PointValue::Summary(SummaryValue { count, sum, quantiles }))
}

fn exemplar() -> impl Strategy<Value = Exemplar> {
    let value = prop_oneof![any::<i64>().prop_map(Number::Int), fraction().prop_map(Number::Double)];
    let ids = (prop::option::of(trace_id()), prop::option::of(span_id()));
    (time(), value, ids, attributes()).prop_map(|(at, value, ids, attributes)| Exemplar {
        at,
        value,
        trace_id: ids.0,
        span_id: ids.1,
        attributes,
    })
}

pub(super) fn point() -> impl Strategy<Value = PointRow> {
    let said = prop_oneof![
        number().prop_map(|value| (MetricKind::Gauge, value, true)),
        (number(), any::<bool>(), temporality())
            .prop_map(|(value, monotonic, temporality)| { (MetricKind::Sum { monotonic, temporality }, value, true) }),
        (histogram(), temporality()).prop_map(|(value, kind)| (MetricKind::Histogram(kind), value, true)),
        (exponential(), temporality()).prop_map(|(value, kind)| (MetricKind::ExponentialHistogram(kind), value, true)),
        summary().prop_map(|value| (MetricKind::Summary, value, false)),
    ];
    let words = (text(), text(), text(), attributes());
    let exemplars = prop_oneof![Just(Vec::new()), prop::collection::vec(exemplar(), 1..3)];
    (
        resource(),
        scope(),
        words,
        said,
        (time(), time(), any::<u32>()),
        attributes(),
        exemplars,
    )
        .prop_map(
            |(resource, scope, words, (kind, value, has_exemplars), numbers, attributes, exemplars)| PointRow {
                resource,
                scope,
                metric: Arc::new(Metric {
                    name: words.0.into(),
                    description: words.1.into(),
                    unit: words.2.into(),
                    kind,
                    metadata: words.3,
                }),
                start: numbers.0,
                at: numbers.1,
                flags: numbers.2,
                attributes,
                value,
                exemplars: if has_exemplars { exemplars } else { Vec::new() },
            },
        )
}

pub(super) fn spans(most: usize) -> impl Strategy<Value = Vec<SpanRow>> {
    prop::collection::vec(span(), 0..most)
}

pub(super) fn logs(most: usize) -> impl Strategy<Value = Vec<LogRow>> {
    prop::collection::vec(log(), 0..most)
}

pub(super) fn points(most: usize) -> impl Strategy<Value = Vec<PointRow>> {
    prop::collection::vec(point(), 0..most)
}
