//! The live stream as a WebSocket: the same messages, and topics can be changed.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use futures_util::SinkExt;
use sagascope_api::live::{LiveRequest, Topic};
use tokio::time::{Instant, sleep_until, timeout};

use super::hub::{self, Subscription};
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
        let farewell = loop {
            let step = tokio::select! {
                message = self.subscription.messages.recv() => match message {
                    Some(message) => self.forward(message).await,
                    None => Break(None),
                },
                request = self.socket.recv() => match request {
                    Some(Ok(request)) => {
                        heard = Instant::now();
                        self.hear(request).await
                    }
                    _ => Break(None),
                },
                () = sleep_until(ping_at) => {
                    ping_at = Instant::now() + PING;
                    if heard.elapsed() < SILENCE {
                        self.send(Message::Ping(bytes::Bytes::new())).await
                    } else {
                        Break(None)
                    }
                }
                () = stopped(&mut stopping) => Break(None),
            };
            if let Break(farewell) = step {
                break farewell;
            }
        };
        // The peer may be gone already; there is nobody to tell.
        let _ = timeout(SEND, self.socket.send(Message::Close(farewell))).await;
    }

    /// All that waits goes out in one piece.
    async fn forward(&mut self, first: Arc<hub::Message>) -> Step {
        let feed = async {
            let mut next = Some(first);
            while let Some(message) = next {
                self.socket.feed(Message::Text(message.json.clone())).await?;
                next = self.subscription.messages.try_recv().ok();
            }
            self.socket.flush().await
        };
        match timeout(SEND, feed).await {
            Ok(Ok(())) => Continue(()),
            _ => Break(None),
        }
    }

    async fn send(&mut self, message: Message) -> Step {
        match timeout(SEND, self.socket.send(message)).await {
            Ok(Ok(())) => Continue(()),
            _ => Break(None),
        }
    }

    async fn hear(&mut self, message: Message) -> Step {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Break(None),
            Message::Binary(_) => return Break(reason(close_code::UNSUPPORTED, NOT_TEXT)),
            Message::Ping(_) | Message::Pong(_) => return Continue(()),
        };
        match serde_json::from_str::<LiveRequest>(&text) {
            Ok(request) => self.change(request).await,
            Err(_) => Break(reason(close_code::INVALID, NOT_UNDERSTOOD)),
        }
    }

    async fn change(&mut self, request: LiveRequest) -> Step {
        let change: (Vec<Topic>, fn(Topics, Topic) -> Topics) = match request {
            LiveRequest::Subscribe { topics } => (topics, Topics::with),
            LiveRequest::Unsubscribe { topics } => (topics, Topics::without),
        };
        self.topics = change.0.into_iter().fold(self.topics, change.1);
        let event = Event::Topics {
            subscriber: self.subscription.subscriber,
            topics: self.topics,
        };
        match self.app.tell(event).await {
            Ok(()) => Continue(()),
            Err(_) => Break(None),
        }
    }
}

/// Whether to go on, and if not, what to say at the end.
type Step = ControlFlow<Option<CloseFrame>>;

const fn reason(code: CloseCode, reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame {
        code,
        reason: Utf8Bytes::from_static(reason),
    })
}

// At most 123 bytes each: a close frame holds no more.
const NOT_TEXT: &str = "say it as text";

const NOT_UNDERSTOOD: &str = r#"say {"type":"subscribe","topics":["sagas"]} or the same with "unsubscribe""#;
