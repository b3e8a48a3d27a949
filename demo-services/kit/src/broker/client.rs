//! The broker as another process, over HTTP.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{Acknowledge, Items, Publish, Reject};
use super::{Backlog, Broker, BrokerError, DeadLetter, Fetch, Fetched, Head, NewMessage, Place, Position};
use crate::sql::Headers;

/// Limit of every request; a long poll gets its wait on top.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Client of the broker process. A cheap clone.
///
/// Its requests make no spans of their own: a send is told by the relay, a delivery by the consumer, and long polls tell
/// nothing.
#[derive(Clone, Debug)]
pub struct HttpBroker {
    client: Client,
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
        Ok(Self {
            client: client.map_err(unavailable)?,
            base: format!("{}/api/v1", base.trim_end_matches('/')),
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .timeout(TIMEOUT)
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), BrokerError> {
        answered(self.request(Method::POST, path).json(body)).await.map(drop)
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, BrokerError> {
        let items: Items<T> = decoded(answered(self.request(Method::GET, path)).await?).await?;
        Ok(items.items)
    }

    async fn on_letter(&self, method: Method, path: &str) -> Result<bool, BrokerError> {
        let answer = self.request(method, path).send().await.map_err(unavailable)?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        accepted(answer).await.map(|_| true)
    }
}

impl Broker for HttpBroker {
    async fn publish(&self, messages: Vec<NewMessage>) -> Result<(), BrokerError> {
        // The broker tells of the batch in the trace of its first message.
        let headers = messages
            .first()
            .map(|message| usable(&message.headers))
            .unwrap_or_default();
        let request = self.request(Method::POST, "/messages").headers(headers);
        answered(request.json(&Publish { messages })).await.map(drop)
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Fetched, BrokerError> {
        let limit = TIMEOUT + Duration::from_millis(fetch.wait_ms);
        let request = self.request(Method::POST, "/fetch").timeout(limit).json(&fetch);
        decoded(answered(request).await?).await
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
        self.post(
            "/rejections",
            &Reject {
                group: group.to_owned(),
                place,
                reason: reason.to_owned(),
            },
        )
        .await
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
}

/// What is no valid header is left out: it must not keep a message from being published.
fn usable(headers: &Headers) -> HeaderMap {
    let header = |(name, value): (&String, &String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    headers.iter().filter_map(header).collect()
}

async fn answered(request: RequestBuilder) -> Result<Response, BrokerError> {
    accepted(request.send().await.map_err(unavailable)?).await
}

async fn accepted(answer: Response) -> Result<Response, BrokerError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let told = answer.text().await.unwrap_or_default();
    let told = format!("{status} {}", told.chars().take(200).collect::<String>());
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        Err(BrokerError::Refused(told))
    } else {
        Err(BrokerError::Unavailable(told))
    }
}

async fn decoded<T: DeserializeOwned>(answer: Response) -> Result<T, BrokerError> {
    answer.json().await.map_err(unavailable)
}

fn unavailable(error: reqwest::Error) -> BrokerError {
    BrokerError::Unavailable(error.without_url().to_string())
}
