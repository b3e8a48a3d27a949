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
use crate::app::App;

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
    let format = format_of(&parts.headers);
    let share = app.budget.share(&Peer::of(&parts.extensions));
    let outcome = match format {
        Some(format) => read_and_take(&app, signal, format, &parts.headers, body, share).await,
        None => Err(NotTaken::Unsupported(
            "content type is neither application/x-protobuf nor application/json".into(),
        )),
    };
    let format = format.unwrap_or(Format::Json);
    match outcome {
        Ok(taken) => success(format, signal, &taken),
        Err(refusal) => {
            refusal.count(&app);
            not_taken(format, &refusal)
        }
    }
}

async fn read_and_take(
    app: &Arc<App>,
    signal: Signal,
    format: Format,
    headers: &HeaderMap,
    body: axum::body::Body,
    share: Share,
) -> Result<Taken, NotTaken> {
    let limit = share.request_max();
    if let Some(length) = declared_length(headers).filter(|length| *length > limit as u64) {
        if length <= body::LINGER_BYTES as u64 {
            body::linger(body).await;
        }
        return Err(BodyError::TooLarge(limit).into());
    }
    let encoding = Encoding::of(headers, header::CONTENT_ENCODING)?;
    let (bytes, share) = body::read(body, encoding, share, app.config.body_timeout).await?;
    let (message, share) = match format {
        Format::Protobuf => (bytes, share),
        Format::Json => from_json(signal, bytes, share).await?,
    };
    take(app, signal, message, share).await
}

/// Read JSON takes more memory than its text, so that counts too while it is read.
async fn from_json(signal: Signal, text: Bytes, mut share: Share) -> Result<(Bytes, Share), NotTaken> {
    if text.is_empty() {
        // Nothing at all is an empty request, as it is in protobuf.
        return Ok((text, share));
    }
    let weight = json::weight(&text);
    if !share.could_grow(weight) {
        let message = "the request holds more objects than there is memory for";
        return Err(NotTaken::TooLarge(message.to_owned()));
    }
    let busy = |_: Exhausted| BodyError::Busy;
    share.grow(weight).map_err(busy)?;
    let message = json::to_protobuf(signal, text).await?;
    share.settle(message.len()).map_err(busy)?;
    Ok((message, share))
}

fn not_taken(format: Format, refusal: &NotTaken) -> Response {
    let (status, message) = match refusal {
        NotTaken::Malformed(message) => (StatusCode::BAD_REQUEST, message),
        NotTaken::Unsupported(message) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, message),
        NotTaken::TooLarge(message) => (StatusCode::PAYLOAD_TOO_LARGE, message),
        NotTaken::Later(message) => (StatusCode::TOO_MANY_REQUESTS, message),
        // Not 408, which OTLP clients do not send again.
        NotTaken::Slow(message) => (StatusCode::SERVICE_UNAVAILABLE, message),
    };
    let mut response = failure(status, format, message);
    if matches!(refusal, NotTaken::Later(_) | NotTaken::Slow(_)) {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
    }
    response
}

/// 403 before routing, worded as every other answer of this port.
pub(crate) fn forbidden(headers: &HeaderMap, message: &str) -> Response {
    refuse(headers, StatusCode::FORBIDDEN, message)
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
