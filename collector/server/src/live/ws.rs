//! The live stream as a WebSocket: the same messages, and topics can be changed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use sagascope_api::live::{LiveRequest, Topic};
use tokio::time::{Instant, sleep_until, timeout};

use super::hub::Subscription;
use super::topics::Topics;
use super::{Wanted, subscribe};
use crate::app::{App, stopped};
use crate::pipeline::Event;

/// What a client may say at once.
const REQUEST_BYTES: usize = 4 << 10;
const PING: Duration = Duration::from_secs(15);
/// A peer that sends nothing, no pong either, for this long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// A peer that takes no message for this long is gone.
const SEND: Duration = Duration::from_secs(20);

/// Agrees to the upgrade, then serves until either end has enough.
pub(super) async fn answer(app: Arc<App>, upgrade: WebSocketUpgrade, wanted: Wanted) -> Response {
    let topics = wanted.topics;
    let subscription = match subscribe(&app, wanted).await {
        Ok(subscription) => subscription,
        Err(refusal) => return refusal.into_response(),
    };
    upgrade
        .max_message_size(REQUEST_BYTES)
        .max_frame_size(REQUEST_BYTES)
        .on_upgrade(move |socket| {
            Watcher {
                app,
                socket,
                subscription,
                topics,
            }
            .run()
        })
}

struct Watcher {
    app: Arc<App>,
    socket: WebSocket,
    subscription: Subscription,
    topics: Topics,
}

impl Watcher {
    async fn run(mut self) {
        let mut stopping = self.app.stopping.clone();
        let mut heard = Instant::now();
        let mut ping_at = heard + PING;
        loop {
            let go_on = tokio::select! {
                message = self.subscription.messages.recv() => match message {
                    Some(message) => self.send(Message::Text(message.json.clone())).await,
                    None => false,
                },
                request = self.socket.recv() => match request {
                    Some(Ok(request)) => {
                        heard = Instant::now();
                        self.hear(request).await
                    }
                    _ => false,
                },
                () = sleep_until(ping_at) => {
                    ping_at = Instant::now() + PING;
                    heard.elapsed() < SILENCE && self.send(Message::Ping(bytes::Bytes::new())).await
                }
                () = stopped(&mut stopping) => false,
            };
            if !go_on {
                break;
            }
        }
        // The peer may be gone already; there is nobody to tell.
        let _ = timeout(SEND, self.socket.send(Message::Close(None))).await;
    }

    async fn send(&mut self, message: Message) -> bool {
        matches!(timeout(SEND, self.socket.send(message)).await, Ok(Ok(())))
    }

    async fn hear(&mut self, message: Message) -> bool {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) | Message::Binary(_) => return false,
            Message::Ping(_) | Message::Pong(_) => return true,
        };
        match serde_json::from_str::<LiveRequest>(&text) {
            Ok(request) => self.change(request).await,
            Err(_) => self.send(Message::Text(Utf8Bytes::from_static(NOT_UNDERSTOOD))).await,
        }
    }

    async fn change(&mut self, request: LiveRequest) -> bool {
        let change: (Vec<Topic>, fn(Topics, Topic) -> Topics) = match request {
            LiveRequest::Subscribe { topics } => (topics, Topics::with),
            LiveRequest::Unsubscribe { topics } => (topics, Topics::without),
        };
        self.topics = change.0.into_iter().fold(self.topics, change.1);
        let event = Event::Topics {
            subscriber: self.subscription.subscriber,
            topics: self.topics,
        };
        self.app.tell(event).await.is_ok()
    }
}

const NOT_UNDERSTOOD: &str =
    r#"{"type":"error","code":"bad_request","detail":"say {\"type\":\"subscribe\",\"topics\":[…]} or unsubscribe"}"#;
