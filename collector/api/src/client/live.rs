//! The live stream as it stays alive: connect, resume, wait, try again; every turn of it told as data.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::sse::Decoder;
use super::{Client, ClientError};
use crate::Time;
use crate::live::{LiveId, LiveMessage, Topic};

/// Messages that wait for a slow reader before the socket is left to fill.
const QUEUE: usize = 256;
/// Silence after which a stream counts as dead; the collector says something every few seconds.
const SILENCE: Duration = Duration::from_secs(15);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How the stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The first attempt, or another one, is under way.
    Connecting,
    /// Messages flow.
    Live,
    /// They do not.
    Lost {
        /// When the next attempt is made.
        retry_at: Time,
        /// What happened.
        reason: String,
    },
}

/// What [`watch`] tells.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveEvent {
    /// The connection changed.
    Connection(Connection),
    /// A message.
    Message(Box<LiveMessage>),
}

/// Follows the live stream in a task of its own until the receiver is dropped.
#[must_use]
pub fn watch(client: Client, topics: Vec<Topic>) -> mpsc::Receiver<LiveEvent> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let watch = Watch {
            client,
            topics,
            sender,
            last_id: None,
        };
        // Ends with `Closed`, when nobody listens any more.
        let Closed = watch.run().await;
    });
    receiver
}

/// The receiver is gone.
struct Closed;

struct Watch {
    client: Client,
    topics: Vec<Topic>,
    sender: mpsc::Sender<LiveEvent>,
    last_id: Option<LiveId>,
}

impl Watch {
    async fn run(mut self) -> Closed {
        let mut wait = FIRST_WAIT;
        loop {
            if self.tell(Connection::Connecting).await.is_err() {
                return Closed;
            }
            let reached = self.last_id.clone();
            let reason = match self.follow().await {
                Ok(reason) => reason,
                Err(Closed) => return Closed,
            };
            if self.last_id != reached {
                wait = FIRST_WAIT;
            }
            let retry_at = now().plus_seconds(wait.as_secs_f64());
            if self.tell(Connection::Lost { retry_at, reason }).await.is_err() {
                return Closed;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.sender.closed() => return Closed,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One connection from its start to the reason of its end.
    async fn follow(&mut self) -> Result<String, Closed> {
        let mut answer = match self.open().await {
            Ok(answer) => answer,
            Err(error) => return Ok(error.short()),
        };
        self.tell(Connection::Live).await?;
        let mut decoder = Decoder::default();
        loop {
            let chunk = match tokio::time::timeout(SILENCE, answer.chunk()).await {
                Err(_) => return Ok(format!("nothing heard for {} s", SILENCE.as_secs())),
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Ok("the collector closed the stream".into()),
                Ok(Err(error)) => return Ok(ClientError::unreachable(self.client.url(), &error).short()),
            };
            let mut messages = Vec::new();
            if decoder.push(&chunk, |data| messages.push(read(data))).is_err() {
                return Ok("an event beyond 64 MiB".into());
            }
            for message in messages {
                match message {
                    Ok(message) => self.hand_on(message).await?,
                    // What is not understood may have changed the picture: start over from snapshots.
                    Err(reason) => {
                        self.last_id = None;
                        return Ok(reason);
                    }
                }
            }
        }
    }

    async fn open(&self) -> Result<reqwest::Response, ClientError> {
        let topics: Vec<&str> = self.topics.iter().map(|topic| topic.as_str()).collect();
        let url = format!("{}/api/v1/live?topics={}", self.client.url(), topics.join(","));
        let mut request = self
            .client
            .with_token(self.client.http.get(url))
            .header("accept", "text/event-stream");
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id.to_string());
        }
        let answer = tokio::time::timeout(SILENCE, self.client.call(request)).await;
        answer.unwrap_or_else(|_| {
            Err(ClientError::Unreachable {
                url: self.client.url().to_owned(),
                reason: "no answer in time".into(),
            })
        })
    }

    async fn hand_on(&mut self, message: LiveMessage) -> Result<(), Closed> {
        self.last_id = Some(message.id().clone());
        let event = LiveEvent::Message(Box::new(message));
        self.sender.send(event).await.map_err(|_| Closed)
    }

    async fn tell(&self, connection: Connection) -> Result<(), Closed> {
        self.sender
            .send(LiveEvent::Connection(connection))
            .await
            .map_err(|_| Closed)
    }
}

fn read(data: &[u8]) -> Result<LiveMessage, String> {
    serde_json::from_slice(data).map_err(|error| format!("a message that this version does not understand: {error}"))
}

fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}
