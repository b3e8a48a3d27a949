//! Requests of log records: what the services write while they work, most of it within a trace.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use sagascope_conventions::attributes::CORRELATION_ID;

use super::attributes::Is::{Numbered, Text, UpTo};
use super::attributes::{Attribute, CORRELATION, Maker, ORDER, resource, scope, text};
use super::journeys::SERVICES;
use super::traces::SPANS_A_TRACE;
use crate::random::Random;
use crate::template::Template;

/// Of a thousand records.
const STRUCTURED_PER_MILLE: u64 = 50;
const OUTSIDE_PER_MILLE: u64 = 100;

/// Severity, its name, its share of a thousand, and what is said.
const LINES: [(i32, &str, u64, &str); 6] = [
    (
        9,
        "INFO",
        500,
        "request handled: order accepted and handed to fulfilment",
    ),
    (9, "INFO", 250, "stock reserved until the payment is settled"),
    (
        5,
        "DEBUG",
        150,
        "cache miss; the row was read from the database and kept for 30 s",
    ),
    (
        13,
        "WARN",
        70,
        "the call to the carrier took longer than 500 ms; trying again",
    ),
    (17, "ERROR", 25, "the issuer declined the charge: insufficient funds"),
    (
        21,
        "FATAL",
        5,
        "no connection to the database after 10 attempts; giving up",
    ),
];
const ATTRIBUTES: [Attribute; 6] = [
    (CORRELATION_ID, CORRELATION),
    ("order.id", ORDER),
    ("customer.id", Numbered("u-", 10_000)),
    ("thread.id", UpTo(15)),
    ("code.file.path", Text("src/fulfilment/reserve.rs")),
    ("code.line.number", UpTo(400)),
];

/// A request of so many records.
pub(super) fn request(random: &mut Random, records: u32) -> Template {
    let mut maker = Maker::new(random);
    let mut by_service: Vec<Vec<LogRecord>> = vec![Vec::new(); SERVICES.len()];
    for number in 0..records {
        let service = maker.random.below(SERVICES.len() as u64);
        let record = record(&mut maker, number);
        by_service[usize::try_from(service).unwrap_or(0)].push(record);
    }
    let resource_logs = by_service.into_iter().enumerate().filter(|(_, logs)| !logs.is_empty());
    let request = ExportLogsServiceRequest {
        resource_logs: resource_logs.map(|(service, logs)| of(service, logs)).collect(),
    };
    Template::new(request.encode_to_vec(), &maker.holes, records)
}

fn of(service: usize, log_records: Vec<LogRecord>) -> ResourceLogs {
    ResourceLogs {
        resource: Some(resource(service)),
        scope_logs: vec![ScopeLogs {
            scope: Some(scope()),
            log_records,
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }
}

fn record(maker: &mut Maker<'_>, number: u32) -> LogRecord {
    let (trace, span) = (number / SPANS_A_TRACE, number % SPANS_A_TRACE);
    let (severity, severity_text, body) = line(maker.random);
    let structured = maker.random.per_mille(STRUCTURED_PER_MILLE);
    let outside = maker.random.per_mille(OUTSIDE_PER_MILLE);
    LogRecord {
        time_unix_nano: maker.holes.time(trace, u64::from(number) * 1_000),
        observed_time_unix_nano: maker.holes.time(trace, u64::from(number) * 1_000 + 40_000),
        severity_number: severity,
        severity_text: severity_text.to_owned(),
        body: Some(if structured { object(body) } else { string(body) }),
        attributes: maker.attributes(trace, &ATTRIBUTES),
        trace_id: if outside {
            Vec::new()
        } else {
            maker.holes.trace_id(trace)
        },
        span_id: if outside {
            Vec::new()
        } else {
            maker.holes.span_id(trace, span)
        },
        flags: 1,
        ..LogRecord::default()
    }
}

fn line(random: &mut Random) -> (i32, &'static str, &'static str) {
    let mut dice = random.below(1_000);
    for (severity, name, share, body) in LINES {
        match dice.checked_sub(share) {
            Some(rest) => dice = rest,
            None => return (severity, name, body),
        }
    }
    (9, "INFO", "")
}

fn string(body: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(body.to_owned())),
    }
}

/// Some libraries write their lines as objects.
fn object(body: &str) -> AnyValue {
    let values = vec![text("message", body), text("target", "shop::fulfilment")];
    AnyValue {
        value: Some(Value::KvlistValue(KeyValueList { values })),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn records_have_severities_bodies_and_most_have_a_trace() {
        let template = request(&mut Random::new(5), 2_000);
        let mut bytes = BytesMut::new();
        template.fill(&mut bytes, 5, 1, 1_763_000_000_000_000_000);
        let request = ExportLogsServiceRequest::decode(&*bytes).unwrap();
        let scopes = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
        let records: Vec<LogRecord> = scopes.flat_map(|logs| logs.log_records).collect();
        assert_eq!(records.len(), 2_000);
        let count = |holds: fn(&LogRecord) -> bool| records.iter().filter(|record| holds(record)).count();
        assert!((1_700..1_900).contains(&count(|record| record.trace_id.len() == 16)));
        assert!((20..120).contains(&count(|record| record.severity_number >= 17)));
        assert_eq!(count(|record| record.body.is_none() || record.time_unix_nano == 0), 0);
    }
}
