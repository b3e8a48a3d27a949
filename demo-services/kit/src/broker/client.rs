//! The broker as another process, over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use reqwest::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::admin::{Hurry, Settled};
use super::wire::{Acknowledge, Items, Publish, Reject};
use super::{
    Backlog, Broker, BrokerError, DeadLetter, Fetch, Fetched, Head, NewMessage, PartitionBacklog, Place, Position,
};
use crate::sql::Headers;
use crate::transport::{Broken, Transport};

/// Limit of every request; a long poll gets its wait on top.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest answer read: a full batch of messages with room to spare.
const LONGEST: usize = 64 * 1024 * 1024;

/// Client of the broker process. A cheap clone.
///
/// Its requests make no spans of their own: a send is told by the relay, a delivery by the consumer, and long polls tell
/// nothing.
#[derive(Clone, Debug)]
pub struct HttpBroker {
    transport: Transport,
    base: String,
}

impl HttpBroker {
    /// For the broker at `base`, such as `http://127.0.0.1:4338`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: &str) -> Result<Self, BrokerError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(4)
            .build();
        let client = client.map_err(|error| BrokerError::Unavailable(error.to_string()))?;
        Ok(Self::through(client.into(), base))
    }

    /// For the broker at `base`, by way of `transport`.
    #[must_use]
    pub fn through(transport: Transport, base: &str) -> Self {
        Self {
            transport,
            base: format!("{}/api/v1", base.trim_end_matches('/')),
        }
    }

    /// One request and its answer, whatever that says.
    async fn ask(&self, ask: Ask) -> Result<Response<Bytes>, BrokerError> {
        let mut request = Request::new(ask.body);
        *request.method_mut() = ask.method;
        *request.uri_mut() = format!("{}{}", self.base, ask.path)
            .parse()
            .map_err(|_| unavailable(Broken::Malformed))?;
        *request.headers_mut() = ask.headers;
        let answer = tokio::time::timeout(ask.limit, self.transport.exchange(request, LONGEST)).await;
        let late = |_| BrokerError::Unavailable(format!("no answer within {} ms", ask.limit.as_millis()));
        answer.map_err(late)?.map_err(unavailable)
    }

    async fn answered(&self, ask: Ask) -> Result<Bytes, BrokerError> {
        accepted(self.ask(ask).await?)
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), BrokerError> {
        self.answered(Ask::post(path, body)?).await.map(drop)
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, BrokerError> {
        let items: Items<T> = decoded(&self.answered(Ask::new(Method::GET, path)).await?)?;
        Ok(items.items)
    }

    async fn not_handled(&self, group: &str, place: Place, reason: &str, what: Refused) -> Result<(), BrokerError> {
        let rejection = Reject {
            group: group.to_owned(),
            place,
            reason: reason.to_owned(),
            park: what == Refused::ForGood,
            until_done: what == Refused::ForNow,
        };
        self.post("/rejections", &rejection).await
    }

    /// Has the messages of a key delivered now that wait for another attempt, and those that were given up once more, to
    /// whichever group that was; answers how many there are.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn hurry(&self, topic: &str, key: &str) -> Result<u64, BrokerError> {
        let hurry = Hurry {
            topic: topic.to_owned(),
            key: key.to_owned(),
        };
        let settled: Settled = decoded(&self.answered(Ask::post("/deliveries/hurry", &hurry)?).await?)?;
        Ok(settled.count)
    }

    async fn on_letter(&self, method: Method, path: &str) -> Result<bool, BrokerError> {
        let answer = self.ask(Ask::new(method, path)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        accepted(answer).map(|_| true)
    }
}

/// What a consumer that could not handle a message thinks of its chances.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    Once,
    ForNow,
    ForGood,
}

/// What is asked.
struct Ask {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    limit: Duration,
}

impl Ask {
    fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            limit: TIMEOUT,
        }
    }

    fn post(path: &str, body: &impl Serialize) -> Result<Self, BrokerError> {
        let body = serde_json::to_vec(body).map_err(|error| BrokerError::Refused(error.to_string()))?;
        let mut ask = Self::new(Method::POST, path);
        ask.body = body.into();
        ask.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(ask)
    }
}

impl Broker for HttpBroker {
    async fn publish(&self, messages: Vec<NewMessage>) -> Result<(), BrokerError> {
        // The broker tells of the batch in the trace of its first message.
        let headers = messages
            .first()
            .map(|message| usable(&message.headers))
            .unwrap_or_default();
        let mut ask = Ask::post("/messages", &Publish { messages })?;
        ask.headers.extend(headers);
        self.answered(ask).await.map(drop)
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Fetched, BrokerError> {
        let mut ask = Ask::post("/fetch", &fetch)?;
        ask.limit += Duration::from_millis(fetch.wait_ms);
        decoded(&self.answered(ask).await?)
    }

    async fn acknowledge(&self, group: &str, places: Vec<Place>) -> Result<(), BrokerError> {
        self.post(
            "/acknowledgements",
            &Acknowledge {
                group: group.to_owned(),
                places,
            },
        )
        .await
    }

    async fn reject(&self, group: &str, place: Place, reason: &str) -> Result<(), BrokerError> {
        self.not_handled(group, place, reason, Refused::Once).await
    }

    async fn postpone(&self, group: &str, place: Place, reason: &str) -> Result<(), BrokerError> {
        self.not_handled(group, place, reason, Refused::ForNow).await
    }

    async fn park(&self, group: &str, place: Place, reason: &str) -> Result<(), BrokerError> {
        self.not_handled(group, place, reason, Refused::ForGood).await
    }

    async fn heads(&self) -> Result<Vec<Head>, BrokerError> {
        self.list("/topics").await
    }

    async fn positions(&self) -> Result<Vec<Position>, BrokerError> {
        self.list("/groups").await
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        self.list(&format!("/dead-letters?limit={limit}")).await
    }

    async fn replay(&self, id: u64) -> Result<bool, BrokerError> {
        self.on_letter(Method::POST, &format!("/dead-letters/{id}/replay"))
            .await
    }

    async fn purge(&self, id: u64) -> Result<bool, BrokerError> {
        self.on_letter(Method::DELETE, &format!("/dead-letters/{id}")).await
    }
}

impl Backlog {
    /// Messages not yet done.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.head.saturating_sub(self.position)
    }

    /// Over some partitions.
    #[must_use]
    pub fn over(partitions: &[PartitionBacklog]) -> Self {
        partitions.iter().fold(Self::default(), |all, at| Self {
            position: all.position + at.backlog.position,
            head: all.head + at.backlog.head,
            oldest_at: all.oldest_at.into_iter().chain(at.backlog.oldest_at).min(),
        })
    }
}

/// What is no valid header is left out: it must not keep a message from being published.
fn usable(headers: &Headers) -> HeaderMap {
    let header = |(name, value): (&String, &String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    headers.iter().filter_map(header).collect()
}

fn accepted(answer: Response<Bytes>) -> Result<Bytes, BrokerError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer.into_body());
    }
    let told = String::from_utf8_lossy(answer.body());
    let told = format!("{status} {}", told.chars().take(200).collect::<String>());
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        Err(BrokerError::Refused(told))
    } else {
        Err(BrokerError::Unavailable(told))
    }
}

fn decoded<T: DeserializeOwned>(body: &[u8]) -> Result<T, BrokerError> {
    serde_json::from_slice(body).map_err(|error| BrokerError::Unavailable(error.to_string()))
}

fn unavailable(error: Broken) -> BrokerError {
    BrokerError::Unavailable(error.to_string())
}
