//! Sends events as OTLP log records over HTTP (binary protobuf).

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use prost::Message;
use sagascope_conventions::attributes;

use crate::event::{Event, Value, unix_nanos_now};

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// `service.version`.
    pub version: String,
    /// `service.restart.count`.
    pub restarts: u64,
}

impl Resource {
    /// Its attributes.
    #[must_use]
    pub fn attributes(&self) -> [(&'static str, Value); 4] {
        [
            (attributes::SERVICE_NAME, self.service.as_str().into()),
            (attributes::SERVICE_INSTANCE_ID, self.instance.as_str().into()),
            (attributes::SERVICE_VERSION, self.version.as_str().into()),
            (attributes::SERVICE_RESTART_COUNT, self.restarts.into()),
        ]
    }
}

/// Why events were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nobody answered; worth another try.
    #[error("the collector cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// It is under pressure; worth another try.
    #[error("the collector is busy (status {status})")]
    Busy {
        /// HTTP status.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// It will never take these.
    #[error("the collector refused the events (status {status})")]
    Refused {
        /// HTTP status.
        status: u16,
    },
}

impl ExportError {
    /// Sending the same again may work. OTLP names the statuses.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

/// Sends events to `{endpoint}/v1/logs`; resolves when the collector has them durably.
#[derive(Clone, Debug)]
pub struct LogExporter {
    client: reqwest::Client,
    url: String,
    resource: Resource,
}

impl LogExporter {
    /// `endpoint` is the OTLP/HTTP base, such as `http://127.0.0.1:4318`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(endpoint: &str, resource: Resource) -> Result<Self, ExportError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(10))
            .build()?;
        let url = format!("{}/v1/logs", endpoint.trim_end_matches('/'));
        Ok(Self { client, url, resource })
    }

    /// Sends one request with all of them.
    ///
    /// # Errors
    /// See [`ExportError`]; nothing was taken then, or the answer was lost and sending again is harmless.
    pub async fn send(&self, events: &[Event]) -> Result<(), ExportError> {
        if events.is_empty() {
            return Ok(());
        }
        let body = encode(&self.resource, events, unix_nanos_now());
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/x-protobuf");
        let answer = request.body(body).send().await?;
        judge(answer.status().as_u16(), retry_after(&answer))
    }
}

/// What the status of an answer means for what was sent.
///
/// # Errors
/// When the collector did not take it.
pub const fn judge(status: u16, retry_after: Option<Duration>) -> Result<(), ExportError> {
    match status {
        200..=299 => Ok(()),
        429 | 502 | 503 | 504 => Err(ExportError::Busy { status, retry_after }),
        _ => Err(ExportError::Refused { status }),
    }
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The body of one OTLP request with all of them.
#[must_use]
pub fn encode(resource: &Resource, events: &[Event], observed_unix_nanos: u64) -> Vec<u8> {
    let resource = ProtoResource {
        attributes: resource
            .attributes()
            .into_iter()
            .map(|(key, value)| pair(key, &value))
            .collect(),
        ..ProtoResource::default()
    };
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let log_records = events.iter().map(|event| record(event, observed_unix_nanos)).collect();
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope),
                log_records,
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    }
    .encode_to_vec()
}

fn record(event: &Event, observed_unix_nanos: u64) -> LogRecord {
    LogRecord {
        time_unix_nano: event.at_unix_nanos,
        observed_time_unix_nano: observed_unix_nanos,
        severity_number: event.severity.number(),
        severity_text: event.severity.as_str().to_owned(),
        body: event.body.as_deref().map(|body| any(&Value::from(body))),
        attributes: event.attributes.iter().map(|(key, value)| pair(key, value)).collect(),
        trace_id: id_bytes(&event.trace_id),
        span_id: id_bytes(&event.span_id),
        event_name: event.name.clone().into_owned(),
        ..LogRecord::default()
    }
}

/// OTLP writes "no id" as no bytes.
fn id_bytes(id: &[u8]) -> Vec<u8> {
    if id.iter().all(|&byte| byte == 0) {
        Vec::new()
    } else {
        id.to_vec()
    }
}

fn pair(key: &str, value: &Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn any(value: &Value) -> AnyValue {
    let value = match value {
        Value::Bool(value) => any_value::Value::BoolValue(*value),
        Value::Int(value) => any_value::Value::IntValue(*value),
        Value::Float(value) => any_value::Value::DoubleValue(*value),
        Value::Text(text) => any_value::Value::StringValue(text.clone()),
        Value::List(texts) => any_value::Value::ArrayValue(ArrayValue {
            values: texts.iter().map(|text| any(&Value::from(text.as_str()))).collect(),
        }),
    };
    AnyValue { value: Some(value) }
}
