//! The live stream as server-sent events.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use tokio::time::timeout;

use super::hub::Subscription;

/// A comment goes out after this long without a message, so that a dead peer is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// First line: how long a client waits before it comes back.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// Endless answer; ends when the watcher is let go or the collector stops.
pub(crate) fn answer(subscription: Subscription) -> Response {
    let body = stream::unfold((subscription, true), |(mut subscription, first)| async move {
        if first {
            return Some((Bytes::from_static(RETRY), (subscription, false)));
        }
        let bytes = match timeout(KEEP_ALIVE, subscription.messages.recv()).await {
            Ok(Some(message)) => message.sse.clone(),
            Ok(None) => return None,
            Err(_) => Bytes::from_static(b": still here\n\n"),
        };
        Some((bytes, (subscription, false)))
    });
    let body = futures_util::StreamExt::map(body, Ok::<Bytes, std::convert::Infallible>);
    event_stream(Body::from_stream(body))
}

/// The headers of any event stream.
pub(crate) fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
