//! Log records and events.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use sagascope_api::Time;

use super::interner::Interner;
use super::{Normalised, time_or, values};
use crate::rows::{Attributes, LogRow, Resource, Scope, SpanId, TraceId};

/// Where senders put the event's name before OTLP had a field for it.
pub(crate) const EVENT_NAME: &str = "event.name";

pub(super) fn normalise(request: ExportLogsServiceRequest, received_at: Time) -> Normalised {
    let mut out = Normalised::new(received_at);
    let mut names = Interner::default();
    for group in request.resource_logs {
        let resource = values::resource(group.resource, &group.schema_url, &mut names);
        for scoped in group.scope_logs {
            let scope = values::scope(scoped.scope, &scoped.schema_url, &mut names);
            out.batch.logs.extend(
                scoped
                    .log_records
                    .into_iter()
                    .map(|record| Arc::new(row(record, &resource, &scope, received_at, &mut names))),
            );
        }
    }
    out.cut = names.cut;
    out
}

/// No record is refused: an id that cannot be one only means that the record belongs to no trace.
fn row(
    record: LogRecord,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
    received_at: Time,
    names: &mut Interner,
) -> LogRow {
    let (attributes, dropped_attributes) = values::counted(record.attributes, record.dropped_attributes_count, names);
    names.cut += u64::from(!is_severity(record.severity_number));
    LogRow {
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
        at: time_or(
            record.time_unix_nano,
            time_or(record.observed_time_unix_nano, received_at),
        ),
        severity: severity_of(record.severity_number),
        severity_text: values::text(record.severity_text, names),
        event_name: event_name(&record.event_name, &attributes, names),
        body: values::value(record.body, names),
        attributes,
        trace_id: TraceId::from_slice(&record.trace_id),
        span_id: SpanId::from_slice(&record.span_id),
        observed: Time(record.observed_time_unix_nano),
        flags: record.flags,
        dropped_attributes,
    }
}

fn event_name(field: &str, attributes: &Attributes, names: &mut Interner) -> Option<Arc<str>> {
    if !field.is_empty() {
        return Some(names.name(field));
    }
    let name = attributes.text(EVENT_NAME)?;
    (!name.is_empty()).then(|| names.copy(name))
}

/// Severity as it is kept: what is below the scale counts as none, what is above it as its end.
pub(crate) fn severity_of(number: i32) -> u8 {
    number.clamp(0, 24) as u8
}

/// Whether it is on the scale.
pub(crate) fn is_severity(number: i32) -> bool {
    i32::from(severity_of(number)) == number
}
