//! Answers as the OTLP specification words them, in the encoding of the request.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use sagascope_store::Signal;
use serde_json::json;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

use super::Taken;

/// How a request was written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// The protobuf answer; `partial_success` is unset when everything was taken.
pub(super) fn success_message(signal: Signal, taken: &Taken) -> Vec<u8> {
    let partial = taken.rejected > 0 || !taken.reason.is_empty();
    let rejected = i64::try_from(taken.rejected).unwrap_or(i64::MAX);
    let error_message = taken.reason.clone();
    match signal {
        Signal::Traces => {
            let partial_success = partial.then_some(ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message,
            });
            ExportTraceServiceResponse { partial_success }.encode_to_vec()
        }
        Signal::Logs => {
            let partial_success = partial.then_some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message,
            });
            ExportLogsServiceResponse { partial_success }.encode_to_vec()
        }
        Signal::Metrics => {
            let partial_success = partial.then_some(ExportMetricsPartialSuccess {
                rejected_data_points: rejected,
                error_message,
            });
            ExportMetricsServiceResponse { partial_success }.encode_to_vec()
        }
    }
}

fn success_json(signal: Signal, taken: &Taken) -> Vec<u8> {
    if taken.rejected == 0 && taken.reason.is_empty() {
        return b"{}".to_vec();
    }
    let rejected = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
    };
    json!({"partialSuccess": {rejected: taken.rejected.to_string(), "errorMessage": taken.reason}})
        .to_string()
        .into_bytes()
}

/// 200 over HTTP.
pub(super) fn success(format: Format, signal: Signal, taken: &Taken) -> Response {
    let body = match format {
        Format::Protobuf => success_message(signal, taken),
        Format::Json => success_json(signal, taken),
    };
    respond(StatusCode::OK, format, body)
}

/// `google.rpc.Status` over HTTP.
pub(super) fn failure(status: StatusCode, format: Format, message: &str) -> Response {
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        _ => Code::InvalidArgument,
    };
    let is_bad = status == StatusCode::BAD_REQUEST;
    let body = match format {
        Format::Protobuf if is_bad => bad_request(message).details().to_vec(),
        Format::Protobuf => tonic_types::Status {
            code: code as i32,
            message: message.into(),
            details: Vec::new(),
        }
        .encode_to_vec(),
        Format::Json => {
            let mut body = json!({"code": code as i32, "message": message});
            if is_bad {
                let violation = json!({"field": REQUEST, "description": message});
                body["details"] = json!([{"@type": BAD_REQUEST, "fieldViolations": [violation]}]);
            }
            body.to_string().into_bytes()
        }
    };
    respond(status, format, body)
}

/// The field that a detail names: a reader of undecodable bytes knows no better one.
const REQUEST: &str = "request";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// `INVALID_ARGUMENT` with the detail that tells it is the data that is bad; its details are the whole `google.rpc.Status`.
pub(super) fn bad_request(message: &str) -> tonic::Status {
    let details = ErrorDetails::with_bad_request_violation(REQUEST, message);
    tonic::Status::with_error_details(Code::InvalidArgument, message, details)
}

fn respond(status: StatusCode, format: Format, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}
