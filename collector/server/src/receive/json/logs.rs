//! Log records as OTLP/JSON.

use opentelemetry_proto::tonic::logs::v1 as proto;
use serde::Deserialize;

use super::values::{Any, Enum, Hex, Int, KeyValue, List, One, Resource, Scope, all, one};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) resource_logs: List<ResourceLogs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceLogs {
    resource: One<Resource>,
    scope_logs: List<ScopeLogs>,
    schema_url: Option<String>,
}

impl From<ResourceLogs> for proto::ResourceLogs {
    fn from(from: ResourceLogs) -> Self {
        Self {
            resource: one(from.resource),
            scope_logs: all(from.scope_logs),
            schema_url: from.schema_url.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScopeLogs {
    scope: One<Scope>,
    log_records: List<LogRecord>,
    schema_url: Option<String>,
}

impl From<ScopeLogs> for proto::ScopeLogs {
    fn from(from: ScopeLogs) -> Self {
        Self {
            scope: one(from.scope),
            log_records: all(from.log_records),
            schema_url: from.schema_url.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LogRecord {
    time_unix_nano: Option<Int<u64>>,
    observed_time_unix_nano: Option<Int<u64>>,
    severity_number: Option<Enum>,
    severity_text: Option<String>,
    body: One<Any>,
    attributes: List<KeyValue>,
    dropped_attributes_count: Option<Int<u32>>,
    flags: Option<Int<u32>>,
    trace_id: Option<Hex>,
    span_id: Option<Hex>,
    event_name: Option<String>,
}

impl From<LogRecord> for proto::LogRecord {
    fn from(from: LogRecord) -> Self {
        Self {
            time_unix_nano: from.time_unix_nano.unwrap_or_default().0,
            observed_time_unix_nano: from.observed_time_unix_nano.unwrap_or_default().0,
            severity_number: from.severity_number.unwrap_or_default().0,
            severity_text: from.severity_text.unwrap_or_default(),
            body: one(from.body),
            attributes: all(from.attributes),
            dropped_attributes_count: from.dropped_attributes_count.unwrap_or_default().0,
            flags: from.flags.unwrap_or_default().0,
            trace_id: from.trace_id.unwrap_or_default().0,
            span_id: from.span_id.unwrap_or_default().0,
            event_name: from.event_name.unwrap_or_default(),
        }
    }
}
