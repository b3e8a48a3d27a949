//! OTLP over HTTP: `POST /v1/traces`, `/v1/logs`, `/v1/metrics`, protobuf or JSON.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sagascope_store::Signal;

use super::answer::{Format, failure, success};
use super::body::{self, BodyError, Encoding};
use super::budget::{Exhausted, Peer, Share};
use super::{NotTaken, Taken, json, take};
use crate::app::{App, count};

/// Seconds that a pushed-back sender is asked to wait.
const RETRY_AFTER: u64 = 1;

/// The three paths.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(
            "/v1/traces",
            post(|State(app), request| receive(app, Signal::Traces, request)),
        )
        .route(
            "/v1/logs",
            post(|State(app), request| receive(app, Signal::Logs, request)),
        )
        .route(
            "/v1/metrics",
            post(|State(app), request| receive(app, Signal::Metrics, request)),
        )
        .method_not_allowed_fallback(|headers: HeaderMap| async move {
            refuse(&headers, StatusCode::METHOD_NOT_ALLOWED, "telemetry is sent with POST")
        })
        .fallback(|headers: HeaderMap| async move {
            refuse(
                &headers,
                StatusCode::NOT_FOUND,
                "telemetry is sent to /v1/traces, /v1/logs or /v1/metrics",
            )
        })
        .with_state(app)
}

async fn receive(app: Arc<App>, signal: Signal, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(format) = format_of(&parts.headers) else {
        return refuse(
            &parts.headers,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content type is neither application/x-protobuf nor application/json",
        );
    };
    let share = app.budget.share(&Peer::of(&parts.extensions));
    match read_and_take(&app, signal, format, &parts.headers, body, share).await {
        Ok(taken) => success(format, signal, &taken),
        Err((status, message)) => {
            let mut response = failure(status, format, &message);
            if status == StatusCode::TOO_MANY_REQUESTS {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
            }
            response
        }
    }
}

type Failure = (StatusCode, String);

async fn read_and_take(
    app: &Arc<App>,
    signal: Signal,
    format: Format,
    headers: &HeaderMap,
    body: axum::body::Body,
    share: Share,
) -> Result<Taken, Failure> {
    let limit = share.request_max();
    if declared_length(headers).is_some_and(|length| length > limit as u64) {
        count(&app.counters.oversized);
        return Err((StatusCode::PAYLOAD_TOO_LARGE, BodyError::TooLarge(limit).to_string()));
    }
    let read = match Encoding::of(headers) {
        Ok(encoding) => body::read(body, encoding, share).await,
        Err(error) => Err(error),
    };
    let (bytes, share) = read.map_err(|error| {
        match error {
            BodyError::TooLarge(_) => count(&app.counters.oversized),
            BodyError::Busy => count(&app.counters.pushed_back),
            _ => count(&app.counters.malformed),
        }
        (status_of(&error), error.to_string())
    })?;
    let (message, share) = match format {
        Format::Protobuf => (bytes, share),
        Format::Json => from_json(app, signal, bytes, share).await?,
    };
    take(app, signal, message, share).await.map_err(not_taken)
}

/// Read JSON takes more memory than its text, so that counts too while it is read.
async fn from_json(app: &App, signal: Signal, text: Bytes, mut share: Share) -> Result<(Bytes, Share), Failure> {
    let weight = json::weight(&text);
    if !share.could_grow(weight) {
        count(&app.counters.oversized);
        let message = "the request holds more objects than there is memory for";
        return Err((StatusCode::PAYLOAD_TOO_LARGE, message.to_owned()));
    }
    let busy = |_: Exhausted| {
        count(&app.counters.pushed_back);
        (StatusCode::TOO_MANY_REQUESTS, BodyError::Busy.to_string())
    };
    share.grow(weight).map_err(busy)?;
    let message = json::to_protobuf(signal, text).await.map_err(|error| {
        count(&app.counters.malformed);
        not_taken(error)
    })?;
    share.settle(message.len()).map_err(busy)?;
    Ok((message, share))
}

fn not_taken(error: NotTaken) -> Failure {
    match error {
        NotTaken::Malformed(message) => (StatusCode::BAD_REQUEST, message),
        NotTaken::TooLarge(message) => (StatusCode::PAYLOAD_TOO_LARGE, message),
        NotTaken::Later(message) => (StatusCode::TOO_MANY_REQUESTS, message),
    }
}

const fn status_of(error: &BodyError) -> StatusCode {
    match error {
        BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::Busy => StatusCode::TOO_MANY_REQUESTS,
        BodyError::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        BodyError::Slow => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken(_) => StatusCode::BAD_REQUEST,
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn format_of(headers: &HeaderMap) -> Option<Format> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    [Format::Protobuf, Format::Json]
        .into_iter()
        .find(|format| essence.eq_ignore_ascii_case(format.content_type()))
}

/// A refusal before the format is known for sure: protobuf only when the client said so.
fn refuse(headers: &HeaderMap, status: StatusCode, message: &str) -> Response {
    let mut response = failure(status, format_of(headers).unwrap_or(Format::Json), message);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
