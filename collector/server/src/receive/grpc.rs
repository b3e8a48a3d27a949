//! OTLP over gRPC: the three `Export` methods, on raw message bytes so that the log keeps what was sent.
//!
//! A unary call is a request of one length-prefixed message, so it is read as a body over HTTP is: the same bounds in bytes
//! and time, the same budget, the same refusals.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{BufMut, Bytes};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full};
use sagascope_store::Signal;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::body::{self, BodyError, Encoding};
use super::budget::{Exhausted, Peer, Share};
use super::{NotTaken, Taken, answer, take};
use crate::app::App;

/// Asked of a pushed-back sender.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("identity,gzip,deflate,zstd");
/// Before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The three services.
pub(crate) fn router(app: Arc<App>) -> Router {
    let path = |name: &str| format!("/opentelemetry.proto.collector.{name}/Export");
    Router::new()
        .route(
            &path("trace.v1.TraceService"),
            post(|State(app), request| export(app, Signal::Traces, request)),
        )
        .route(
            &path("logs.v1.LogsService"),
            post(|State(app), request| export(app, Signal::Logs, request)),
        )
        .route(
            &path("metrics.v1.MetricsService"),
            post(|State(app), request| export(app, Signal::Metrics, request)),
        )
        .fallback(|| async {
            Status::unimplemented("this server takes OTLP traces, logs and metrics").into_http::<Body>()
        })
        .with_state(app)
}

async fn export(app: Arc<App>, signal: Signal, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_grpc(&parts.headers) {
        let refusal = "content type is neither application/grpc nor application/grpc+proto";
        NotTaken::Unsupported(refusal.into()).count(&app);
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, refusal).into_response();
    }
    let share = app.budget.share(&Peer::of(&parts.extensions));
    match read_and_take(&app, signal, &parts.headers, body, share).await {
        Ok(taken) => success(&answer::success_message(signal, &taken)),
        Err(refusal) => {
            refusal.count(&app);
            not_taken(&refusal)
        }
    }
}

async fn read_and_take(
    app: &Arc<App>,
    signal: Signal,
    headers: &HeaderMap,
    body: Body,
    share: Share,
) -> Result<Taken, NotTaken> {
    let encoding = Encoding::of(headers, "grpc-encoding")?;
    let (message, share) = read(body, encoding, share, app.config.body_timeout).await?;
    take(app, signal, message, share).await
}

/// The only message of a call, decompressed.
async fn read(mut body: Body, encoding: Encoding, share: Share, within: Duration) -> Result<(Bytes, Share), BodyError> {
    let limit = share.request_max();
    let check = |wire: &[u8]| frame(wire, limit).map(drop);
    let (wire, mut share) = body::collect(&mut body, limit + PREFIX, share, within, check).await?;
    let frame = frame(&wire, limit)?.filter(|frame| frame.len == wire.len() - PREFIX);
    let Some(frame) = frame else {
        return Err(BodyError::Broken("the message ends too early".into()));
    };
    let message = wire.slice(PREFIX..);
    if frame.is_compressed && encoding == Encoding::Identity {
        return Err(BodyError::Broken(
            "the message is said to be compressed, and not how".into(),
        ));
    }
    if frame.is_compressed {
        return body::unpack(encoding, message, share).await;
    }
    share.settle(message.len()).map_err(|Exhausted| BodyError::Busy)?;
    Ok((message, share))
}

/// What stands before a message.
struct Frame {
    is_compressed: bool,
    len: usize,
}

/// Of the bytes so far, once there are enough; refuses what cannot become a call with one message.
fn frame(wire: &[u8], limit: usize) -> Result<Option<Frame>, BodyError> {
    let Some((&[flag, length @ ..], message)) = wire.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    if flag > 1 {
        return Err(BodyError::Broken("the message has an unknown flag".into()));
    }
    let len = u32::from_be_bytes(length) as usize;
    if len > limit {
        return Err(BodyError::TooLarge(limit));
    }
    if message.len() > len {
        return Err(BodyError::Broken("the call has more than one message".into()));
    }
    Ok(Some(Frame {
        is_compressed: flag == 1,
        len,
    }))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"]
        .iter()
        .any(|ours| essence.eq_ignore_ascii_case(ours))
}

fn success(message: &[u8]) -> Response {
    let mut frame = Vec::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from(Code::Ok as i32));
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

fn not_taken(refusal: &NotTaken) -> Response {
    let mut response = status_of(refusal).into_http();
    if matches!(refusal, NotTaken::Unsupported(_)) {
        response.headers_mut().insert("grpc-accept-encoding", ACCEPT_ENCODING);
    }
    response
}

fn status_of(refusal: &NotTaken) -> Status {
    match refusal {
        NotTaken::Malformed(message) => answer::bad_request(message),
        NotTaken::Unsupported(message) => Status::unimplemented(message),
        NotTaken::TooLarge(message) => Status::resource_exhausted(message),
        NotTaken::Later(message) | NotTaken::Slow(message) => push_back(message),
    }
}

/// `UNAVAILABLE` with `RetryInfo`: the only form that every client sends again.
fn push_back(message: &str) -> Status {
    Status::with_error_details(
        Code::Unavailable,
        message,
        ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
    )
}
