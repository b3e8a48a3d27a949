//! Calls from one service to another: bulkhead, breaker and time limit around each attempt, retry around them all.
//!
//! The breaker stands inside the retry: every attempt counts, and a refusal by the breaker uses up an attempt. The
//! bulkhead stands outside the breaker: a call that found no place says nothing about the callee. All retries to one
//! callee together stay within a budget, so that they do not keep it down.

mod budget;
mod error;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use budget::RetryBudget;
pub use error::CallError;
use http::{Method, header};
use opentelemetry::KeyValue;
use sagascope_conventions::attributes as key;
use sagascope_instrument::metrics::RetryMetrics;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::breaker::{Breaker, Outcome};
use crate::bulkhead::{Bulkhead, Importance};
use crate::context;
use crate::discovery::{Discovery, Place};
use crate::events::StateEvents;
use crate::problem::Problem;
use crate::profile::Profile;
use crate::random;
use crate::telemetry::{self, Span, SpanKind};
use crate::transport::{Broken, Transport};

/// Longest answer read.
const MAX_ANSWER: usize = 1 << 20;
/// Header of the idempotency key.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// Calls one other service. A cheap clone; all clones share breaker and bulkhead.
#[derive(Clone, Debug)]
pub struct Caller {
    shared: Arc<Shared>,
    route: Option<Arc<str>>,
}

#[derive(Debug)]
struct Shared {
    target: &'static str,
    base: String,
    discovery: Discovery,
    transport: Transport,
    profile: Profile,
    breaker: Breaker,
    /// Around the canary, while the callee has one: what it breaks must not keep calls from the others.
    canary: Mutex<Option<(String, Breaker)>>,
    events: StateEvents,
    bulkhead: Bulkhead,
    retries: RetryMetrics,
    budget: Mutex<RetryBudget>,
    started: Instant,
}

/// An answer with a status below 400.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: bytes::Bytes,
}

/// What to ask, the same for every attempt.
#[derive(Clone, Debug)]
struct Ask {
    method: Method,
    path: String,
    body: Option<bytes::Bytes>,
    key: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Caller {
    /// For the service `target` at `base`.
    #[must_use]
    pub fn new(
        target: &'static str,
        base: String,
        transport: impl Into<Transport>,
        profile: Profile,
        events: StateEvents,
    ) -> Self {
        let importance = match target {
            "payments" | "inventory" => Importance::Critical,
            "analytics" | "notifications" => Importance::Batch,
            _ => Importance::Standard,
        };
        let shared = Shared {
            target,
            base,
            discovery: Discovery::default(),
            transport: transport.into(),
            breaker: Breaker::new(target, target, profile.breaker, events.clone()),
            canary: Mutex::default(),
            events,
            bulkhead: Bulkhead::new(target, profile.bulkheads.of(importance)),
            retries: RetryMetrics::new(&telemetry::meter(), target),
            budget: Mutex::default(),
            started: Instant::now(),
            profile,
        };
        Self {
            shared: Arc::new(shared),
            route: None,
        }
    }

    /// The same, with all its requests on one route: while the callee has two versions, an order's requests go to one.
    #[must_use]
    pub fn routed_by(&self, id: &str) -> Self {
        Self {
            shared: self.shared.clone(),
            route: Some(id.into()),
        }
    }

    /// The same, sent to healthy instances as far as `discovery` knows of any. To be told before the first clone.
    #[must_use]
    pub fn found_by(mut self, discovery: Discovery) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.discovery = discovery;
        }
        self
    }

    /// The breaker around it.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.shared.breaker
    }

    /// Records how the breakers and the bulkhead stand.
    pub(crate) fn report(&self) {
        self.shared.breaker.report();
        if let Some((_, breaker)) = &*self.shared.canary() {
            breaker.report();
        }
        self.shared.bulkhead.report();
    }

    /// The bulkhead around it.
    #[must_use]
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.shared.bulkhead
    }

    /// GET, retried.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        json(&self.send(Method::GET, path, None::<&()>, None).await?)
    }

    /// POST, retried when an idempotency key makes that safe.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post<B, T>(&self, path: &str, body: &B, key: Option<&str>) -> Result<T, CallError>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        json(&self.send(Method::POST, path, Some(body), key).await?)
    }

    /// PUT, retried.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn put<B, T>(&self, path: &str, body: &B) -> Result<T, CallError>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        json(&self.send(Method::PUT, path, Some(body), None).await?)
    }

    /// DELETE, retried.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        json(&self.send(Method::DELETE, path, None::<&()>, None).await?)
    }

    /// POST in one attempt, for a caller that retries on its own.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post_once<B, T>(&self, path: &str, body: &B, key: Option<&str>) -> Result<T, CallError>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        json(&self.attempt(&Ask::new(Method::POST, path, Some(body), key)?, 1).await?)
    }

    /// POST in one attempt within the time limit and nothing else: no breaker, no bulkhead, no key that a repeat could be
    /// known by. What a first version of a service does.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post_bare<B, T>(&self, path: &str, body: &B) -> Result<T, CallError>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        // The callee wants a key; one that is new each time lets it recognise nothing.
        let key = context::new_id();
        let ask = Ask::new(Method::POST, path, Some(body), Some(&key))?;
        let (shared, limit) = (&self.shared, self.shared.profile.call_timeout);
        let place = self.place();
        let span = shared.span(&ask, &place, 1);
        let exchange = tokio::time::timeout(limit, shared.exchange(&ask, &place));
        let answer = span.run(exchange).await;
        let answer = answer.unwrap_or(Err(CallError::TimedOut { after: limit }));
        shared.came_of(&place, &answer);
        if let Err(error) = &answer {
            span.fail(error.error_type(), error.reason());
        }
        json(&answer?)
    }

    /// Any method, with the answer as it came; retried when that is safe.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send<B: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
        key: Option<&str>,
    ) -> Result<Answer, CallError> {
        self.send_with(method, path, body, key, Vec::new()).await
    }

    /// The same, with headers of the caller's own, such as a token or a version.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send_with<B: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
        key: Option<&str>,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Answer, CallError> {
        let ask = Ask {
            headers,
            ..Ask::new(method, path, body, key)?
        };
        self.shared.within_budget(RetryBudget::call);
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&ask, attempt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(wait) = self.wait_after(&ask, attempt, &error) else {
                return Err(error);
            };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// How long to wait before the next attempt; `None` when there is none.
    fn wait_after(&self, ask: &Ask, attempt: u32, error: &CallError) -> Option<Duration> {
        if !error.is_retryable() || !ask.may_repeat() {
            return None;
        }
        let wait = self.shared.profile.retry.wait_after(attempt, random::f64())?;
        if !self.shared.within_budget(RetryBudget::retry) {
            self.shared.retries.refused();
            return None;
        }
        // A callee that asks for patience gets it, within what our own caller can bear.
        match error {
            CallError::Unavailable {
                retry_after: Some(asked),
                ..
            } => Some(wait.max(*asked).min(self.shared.profile.retry.cap)),
            _ => Some(wait),
        }
    }

    async fn attempt(&self, ask: &Ask, attempt: u32) -> Result<Answer, CallError> {
        let shared = &self.shared;
        shared.retries.attempt();
        let place = self.place();
        let span = shared.span(ask, &place, attempt);
        let answer = span.run(self.guarded(ask, &place)).await;
        match &answer {
            Ok(answer) => span.set(KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(answer.status))),
            Err(error) => {
                if let CallError::Refused { status, .. }
                | CallError::Unavailable {
                    status: Some(status), ..
                } = error
                {
                    span.set(KeyValue::new(key::HTTP_RESPONSE_STATUS_CODE, i64::from(*status)));
                }
                span.fail(error.error_type(), error.reason());
            }
        }
        answer
    }

    /// Without a route of its own, a request goes the way of the story that it belongs to.
    fn place(&self) -> Place {
        let shared = &self.shared;
        let at = |route: &str| {
            let now = Instant::now();
            shared.discovery.place(shared.target, &shared.base, route, now)
        };
        match &self.route {
            Some(route) => at(route),
            None => at(&context::current().correlation_id),
        }
    }

    async fn guarded(&self, ask: &Ask, place: &Place) -> Result<Answer, CallError> {
        let shared = &self.shared;
        let bulkhead = || CallError::BulkheadFull {
            bulkhead: shared.bulkhead.name().to_owned(),
        };
        let _place = shared.bulkhead.enter().ok_or_else(bulkhead)?;
        let answer = shared.behind_breaker(ask, place).await;
        shared.came_of(place, &answer);
        answer
    }
}

impl Shared {
    fn within_budget<T>(&self, act: impl FnOnce(&mut RetryBudget, Duration) -> T) -> T {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut budget, self.started.elapsed())
    }

    fn canary(&self) -> MutexGuard<'_, Option<(String, Breaker)>> {
        self.canary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The breaker around those that a request goes to: each canary has one of its own, named after its version.
    fn breaker(&self, place: &Place) -> Breaker {
        let Some(version) = &place.canary else {
            return self.breaker.clone();
        };
        let mut canary = self.canary();
        match &*canary {
            Some((known, breaker)) if known == version => breaker.clone(),
            _ => {
                let name = format!("{}@{version}", self.target);
                let breaker = Breaker::new(&name, self.target, self.profile.breaker, self.events.clone());
                *canary = Some((version.clone(), breaker.clone()));
                breaker
            }
        }
    }

    async fn behind_breaker(&self, ask: &Ask, place: &Place) -> Result<Answer, CallError> {
        let breaker = self.breaker(place);
        let permit = breaker.acquire().map_err(|refused| CallError::BreakerOpen {
            breaker: breaker.name().to_owned(),
            retry_after: refused.retry_after,
        })?;
        let limit = self.profile.call_timeout;
        let answer = tokio::time::timeout(limit, self.exchange(ask, place)).await;
        let answer = answer.unwrap_or(Err(CallError::TimedOut { after: limit }));
        permit.done(answer.as_ref().map_or_else(CallError::outcome, |_| Outcome::Success));
        answer
    }

    /// Counts for or against a canary: to its customers an open breaker is a failure like any other.
    fn came_of(&self, place: &Place, answer: &Result<Answer, CallError>) {
        let failed = match answer {
            Ok(_) => false,
            Err(CallError::BreakerOpen { .. }) => true,
            Err(error) => match error.outcome() {
                Outcome::Ignored => return,
                outcome => outcome == Outcome::Failure,
            },
        };
        self.discovery.came_of(self.target, place, failed);
    }

    fn span(&self, ask: &Ask, place: &Place, attempt: u32) -> Span {
        let mut attributes = vec![
            KeyValue::new(key::HTTP_REQUEST_METHOD, ask.method.to_string()),
            KeyValue::new("url.full", format!("{}{}", place.address, ask.path)),
            KeyValue::new(key::SERVICE_PEER_NAME, self.target),
            KeyValue::new(key::SERVER_ADDRESS, "127.0.0.1"),
        ];
        attributes.push(match &place.canary {
            Some(version) => KeyValue::new(key::CIRCUIT_BREAKER_NAME, format!("{}@{version}", self.target)),
            None => KeyValue::new(key::CIRCUIT_BREAKER_NAME, self.target),
        });
        if attempt > 1 {
            attributes.push(KeyValue::new("http.request.resend_count", i64::from(attempt - 1)));
        }
        telemetry::span(format!("{} {}", ask.method, self.target), SpanKind::Client, attributes)
    }

    async fn exchange(&self, ask: &Ask, place: &Place) -> Result<Answer, CallError> {
        let address = &place.address;
        let mut request = http::Request::builder()
            .method(ask.method.clone())
            .uri(format!("{address}{}", ask.path));
        for (name, value) in context::current().to_headers() {
            request = request.header(name, value);
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(key) = &ask.key {
            request = request.header(IDEMPOTENCY_HEADER, key);
        }
        if ask.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(ask.body.clone().unwrap_or_default());
        let request = request.map_err(|_| broken(Broken::Malformed))?;
        let response = self.transport.exchange(request, MAX_ANSWER).await;
        let response = response.map_err(|error| {
            self.discovery.failed(address, Instant::now());
            broken(error)
        })?;
        let retry_after = seconds(response.headers().get(header::RETRY_AFTER));
        judge(response.status().as_u16(), retry_after, response.into_body())
    }
}

impl Ask {
    fn new<B: Serialize + ?Sized>(
        method: Method,
        path: &str,
        body: Option<&B>,
        key: Option<&str>,
    ) -> Result<Self, CallError> {
        let malformed = |error: serde_json::Error| CallError::Malformed {
            reason: error.to_string(),
        };
        let body = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(malformed)?
            .map(Into::into);
        Ok(Self {
            method,
            path: path.to_owned(),
            body,
            key: key.map(ToOwned::to_owned),
            headers: Vec::new(),
        })
    }

    /// Doing it twice is the same as doing it once.
    fn may_repeat(&self) -> bool {
        self.method.is_idempotent() || self.key.is_some()
    }
}

impl Answer {
    /// The body as a type.
    ///
    /// # Errors
    /// [`CallError::Malformed`] when it is another.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        json(self)
    }
}

fn judge(status: u16, retry_after: Option<Duration>, body: bytes::Bytes) -> Result<Answer, CallError> {
    match status {
        ..400 => Ok(Answer { status, body }),
        429 | 500.. => {
            let reason = serde_json::from_slice::<Problem>(&body).map_or_else(
                |_| format!("answered {status}"),
                |problem| format!("answered {status}: {}", problem.title),
            );
            Err(CallError::Unavailable {
                reason,
                status: Some(status),
                retry_after,
            })
        }
        _ => {
            let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
                status,
                code: "refused".to_owned(),
                title: format!("refused with status {status}"),
                field: None,
                detail: String::new(),
                errors: None,
                retry_after_s: None,
            });
            Err(CallError::Refused { status, problem })
        }
    }
}

fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    // Nothing at all reads as `null`, so that `()` can be asked for.
    let body: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
    serde_json::from_slice(body).map_err(|error| CallError::Malformed {
        reason: error.to_string(),
    })
}

fn seconds(value: Option<&http::HeaderValue>) -> Option<Duration> {
    value?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn broken(why: Broken) -> CallError {
    let reason = why.to_string();
    match why {
        Broken::Unreachable | Broken::Cut => CallError::Unavailable {
            reason,
            status: None,
            retry_after: None,
        },
        Broken::Malformed | Broken::TooLong(_) => CallError::Malformed { reason },
    }
}
