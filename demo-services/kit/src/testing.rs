//! For the tests of a business: its router on a real socket, JSON calls, and waiting for an outcome.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Longest wait for an outcome before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A router that listens on a free port of loopback until it is dropped.
#[derive(Debug)]
pub struct TestServer {
    base: String,
    client: reqwest::Client,
    task: JoinHandle<()>,
}

impl TestServer {
    /// Listens from now on.
    ///
    /// # Panics
    /// When loopback has no port left.
    pub async fn start(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("has an address"));
        let serve = async move { axum::serve(listener, router).await.expect("serves") };
        let client = client();
        Self {
            base,
            client,
            task: tokio::spawn(serve),
        }
    }

    /// Status and JSON body of a GET.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(format!("{}{path}", self.base))).await
    }

    /// Status and JSON body of a PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.client.put(format!("{}{path}", self.base)).json(body)).await
    }

    /// Status and JSON body of a POST of JSON, under an idempotency key when one is given.
    pub async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).json(body);
        answer(
            key.into_iter()
                .fold(request, |request, key| request.header("idempotency-key", key)),
        )
        .await
    }
}

impl TestServer {
    /// Any request, with headers; status, headers and JSON body of its answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(
        &self,
        method: http::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (u16, http::HeaderMap, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.json().await.unwrap_or_default())
    }

    /// Where it listens, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client for loopback.
///
/// # Panics
/// When none can be made.
#[must_use]
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// A body that is no JSON reads as null.
async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// Looks until there is something to see.
///
/// # Panics
/// When nothing shows for half a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "never seen: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
