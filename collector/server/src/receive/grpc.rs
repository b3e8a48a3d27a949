//! OTLP over gRPC: the three `Export` methods, on raw message bytes so that the log keeps what was sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::{Buf, BufMut, Bytes};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, header};
use sagascope_store::Signal;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EnabledCompressionEncodings, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::budget::{Exhausted, Peer, Share};
use super::{NotTaken, answer, body, take};
use crate::app::{App, count};

/// Asked of a pushed-back sender.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    let mut encodings = EnabledCompressionEncodings::default();
    encodings.enable(CompressionEncoding::Gzip);
    encodings.enable(CompressionEncoding::Zstd);
    let mut grpc = Grpc::new(RawCodec)
        .apply_compression_config(encodings, EnabledCompressionEncodings::default())
        .apply_max_message_size_config(Some(app.budget.request_max()), None);
    let peer = Peer::of(request.extensions());
    let share = Arc::new(Mutex::new(app.budget.share(&peer)));
    let request = request.map(|body| charged(body, Arc::clone(&app), Arc::clone(&share)));
    let service = Export {
        app: Arc::clone(&app),
        signal,
        share,
        peer,
    };
    let mut response = grpc.unary(service, request).await;
    never_retry_oversize(&app, &mut response);
    response.map(Body::new)
}

/// Counts every byte that arrives against the budget.
fn charged(body: Body, app: Arc<App>, share: Arc<Mutex<Share>>) -> Body {
    Body::from_stream(body.into_data_stream().map(move |data| {
        let data = data.map_err(|error| Status::cancelled(body::short(&error)))?;
        grow(&app, &share, data.len())?;
        Ok::<Bytes, Status>(data)
    }))
}

fn grow(app: &App, share: &Mutex<Share>, bytes: usize) -> Result<(), Status> {
    pushed_back(app, share.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes))
}

fn pushed_back(app: &App, outcome: Result<(), Exhausted>) -> Result<(), Status> {
    outcome.map_err(|Exhausted| {
        count(&app.counters.pushed_back);
        push_back("too much is under way")
    })
}

/// tonic says `OUT_OF_RANGE` for an oversized message, which OTLP clients send again for ever.
fn never_retry_oversize(app: &App, response: &mut http::Response<tonic::body::Body>) {
    let code = response
        .headers()
        .get(Status::GRPC_STATUS)
        .map(|code| Code::from_bytes(code.as_bytes()));
    if matches!(code, Some(Code::OutOfRange | Code::ResourceExhausted)) {
        count(&app.counters.oversized);
        response
            .headers_mut()
            .insert(Status::GRPC_STATUS, HeaderValue::from(Code::ResourceExhausted as i32));
    }
    response
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/grpc"));
}

struct Export {
    app: Arc<App>,
    signal: Signal,
    share: Arc<Mutex<Share>>,
    peer: Peer,
}

impl UnaryService<Bytes> for Export {
    type Response = Vec<u8>;
    type Future = BoxFuture<'static, Result<tonic::Response<Vec<u8>>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (app, signal, charged) = (Arc::clone(&self.app), self.signal, Arc::clone(&self.share));
        let peer = self.peer.clone();
        Box::pin(async move {
            let message = request.into_inner();
            // Read and unpacked: from here on there is the message alone.
            let mut share = std::mem::replace(
                &mut *charged.lock().unwrap_or_else(PoisonError::into_inner),
                app.budget.share(&peer),
            );
            pushed_back(&app, share.settle(message.len()))?;
            match take(&app, signal, message, share).await {
                Ok(taken) => Ok(tonic::Response::new(answer::success_message(signal, &taken))),
                Err(NotTaken::Malformed(message)) => Err(Status::invalid_argument(message)),
                Err(NotTaken::TooLarge(message)) => Err(Status::resource_exhausted(message)),
                Err(NotTaken::Later(message)) => Err(push_back(&message)),
            }
        })
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

/// Messages as they are, undecoded.
#[derive(Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
