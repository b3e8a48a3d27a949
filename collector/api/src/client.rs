//! The async client: queries, commands and the live stream, over plain HTTP.
//!
//! Cheap to clone. It holds no state of the picture; [`live`] hands out the stream for a
//! [`Picture`](crate::live::Picture) to fold.

mod error;
pub mod live;
mod sse;
mod url;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde::{Serialize, de::DeserializeOwned};

use crate::actions::{ActionDone, LetterAction, LettersRequest, SagaAction, SagaRequest};
use crate::breakers::Breaker;
use crate::canaries::Canary;
use crate::correlations::Correlation;
use crate::experiments::{ExperimentRun, Experiments, RunRequest};
use crate::explain::Explanation;
use crate::faults::{FaultRequest, FaultStatus, FaultTargetOption, Traffic};
use crate::invariants::Invariant;
use crate::logs::LogRow;
use crate::metrics::{Function, Metric, MetricRange};
use crate::overview::Overview;
use crate::read_models::{DeadLetter, Outbox, ReadModel};
use crate::sagas::{Saga, SagaDetail, SagaType};
use crate::services::{Service, ServiceDetail, ServiceMap};
use crate::traces::{Trace, TraceSummary};
use crate::{Page, Problem};

pub use error::ClientError;
use url::Target;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer read; the largest honest one (a trace at its bound) is far below.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;

/// A collector at an address, with or without the token that control needs.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// Filters of [`Client::sagas`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SagaQuery {
    /// Of this type only.
    pub name: Option<String>,
    /// In this state only.
    pub state: Option<String>,
    /// In the search language.
    pub q: Option<String>,
    /// Only those whose deadline has passed.
    pub stuck: bool,
    /// At most so many.
    pub limit: Option<usize>,
    /// From an earlier answer.
    pub cursor: Option<String>,
}

/// Filters of [`Client::traces`] and [`Client::logs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// In the search language.
    pub q: Option<String>,
    /// Not before.
    pub since: Option<String>,
    /// Not after.
    pub until: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// From an earlier answer.
    pub cursor: Option<String>,
}

/// What [`Client::metric_range`] asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricQuery {
    /// Name of the metric.
    pub name: String,
    /// What each step tells.
    pub function: Function,
    /// Points that count, in the search language.
    pub q: Option<String>,
    /// What tells series apart, separated by commas; `none` joins all, absent keeps all apart.
    pub by: Option<String>,
    /// Not before; an hour before the end when absent.
    pub since: Option<String>,
    /// Not after; now when absent.
    pub until: Option<String>,
    /// Length of a step, such as `15s`.
    pub step: Option<String>,
    /// At most so many series.
    pub limit: Option<usize>,
}

/// What a call gives.
pub type Answer<T> = Result<T, ClientError>;

impl Client {
    /// For the collector at `url`, such as `http://127.0.0.1:4319`.
    ///
    /// # Errors
    /// When the address is no `http://` address.
    pub fn new(url: &str, token: Option<String>) -> Answer<Self> {
        let base = url::base(url)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::unreachable(&base, &error))?;
        Ok(Self {
            http,
            base,
            token: token.filter(|token| !token.is_empty()),
        })
    }

    /// The address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Is a token at hand? Control is refused without one.
    #[must_use]
    pub const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The whole in numbers.
    ///
    /// # Errors
    /// See [`ClientError`]; so for every call below.
    pub async fn overview(&self) -> Answer<Overview> {
        self.get(&Target::api("overview")).await
    }

    /// Services.
    pub async fn services(&self) -> Answer<Page<Service>> {
        self.get(&Target::api("services")).await
    }

    /// One service by operation.
    pub async fn service(&self, name: &str) -> Answer<ServiceDetail> {
        self.get(&Target::api("services").part(name)).await
    }

    /// Who calls whom.
    pub async fn service_map(&self) -> Answer<ServiceMap> {
        self.get(&Target::api("service-map")).await
    }

    /// Saga instances.
    pub async fn sagas(&self, query: &SagaQuery) -> Answer<Page<Saga>> {
        let target = Target::api("sagas")
            .query("name", query.name.as_deref())
            .query("state", query.state.as_deref())
            .query("q", query.q.as_deref())
            .query("stuck", query.stuck.then_some("true"))
            .page(query.limit, query.cursor.as_deref());
        self.get(&target).await
    }

    /// One saga instance with steps and history; `name` tells equal ids of two types apart.
    pub async fn saga(&self, id: &str, name: Option<&str>) -> Answer<SagaDetail> {
        self.get(&Target::api("sagas").part(id).query("name", name)).await
    }

    /// The flow graph of a saga type.
    pub async fn saga_type(&self, name: &str) -> Answer<SagaType> {
        self.get(&Target::api("saga-types").part(name)).await
    }

    /// Circuit breakers.
    pub async fn breakers(&self) -> Answer<Page<Breaker>> {
        self.get(&Target::api("breakers")).await
    }

    /// One breaker.
    pub async fn breaker(&self, id: &str) -> Answer<Breaker> {
        self.get(&Target::api("breakers").part(id)).await
    }

    /// Read models.
    pub async fn read_models(&self) -> Answer<Page<ReadModel>> {
        self.get(&Target::api("read-models")).await
    }

    /// Canaries.
    pub async fn canaries(&self) -> Answer<Page<Canary>> {
        self.get(&Target::api("canaries")).await
    }

    /// Invariants.
    pub async fn invariants(&self) -> Answer<Page<Invariant>> {
        self.get(&Target::api("invariants")).await
    }

    /// Outboxes.
    pub async fn outboxes(&self) -> Answer<Page<Outbox>> {
        self.get(&Target::api("outboxes")).await
    }

    /// Messages given up.
    pub async fn dead_letters(&self) -> Answer<Page<DeadLetter>> {
        self.get(&Target::api("dead-letters")).await
    }

    /// Everything that carries a correlation id.
    pub async fn correlation(&self, id: &str) -> Answer<Correlation> {
        self.get(&Target::api("correlations").part(id)).await
    }

    /// Search in traces.
    pub async fn traces(&self, query: &SearchQuery) -> Answer<Page<TraceSummary>> {
        self.get(&Target::api("traces").search(query)).await
    }

    /// One trace with its spans.
    pub async fn trace(&self, id: &str) -> Answer<Trace> {
        self.get(&Target::api("traces").part(id)).await
    }

    /// Search in logs.
    pub async fn logs(&self, query: &SearchQuery) -> Answer<Page<LogRow>> {
        self.get(&Target::api("logs").search(query)).await
    }

    /// Metrics by name.
    pub async fn metrics(&self, query: &SearchQuery) -> Answer<Page<Metric>> {
        self.get(&Target::api("metrics-list").search(query)).await
    }

    /// Series of a metric.
    pub async fn metric_range(&self, query: &MetricQuery) -> Answer<MetricRange> {
        let target = Target::api("metrics-range")
            .query("name", Some(&query.name))
            .query("func", Some(query.function.as_str()))
            .query("q", query.q.as_deref())
            .query("by", query.by.as_deref())
            .query("since", query.since.as_deref())
            .query("until", query.until.as_deref())
            .query("step", query.step.as_deref())
            .page(query.limit, None);
        self.get(&target).await
    }

    /// What happened to a correlation, saga, order or trace.
    pub async fn explain(&self, id: &str) -> Answer<Explanation> {
        self.get(&Target::api("explain").part(id)).await
    }

    /// What can be injected where.
    pub async fn fault_catalogue(&self) -> Answer<Page<FaultTargetOption>> {
        self.get(&Target::api("fault-catalogue")).await
    }

    /// Faults in force and past.
    pub async fn faults(&self) -> Answer<Page<FaultStatus>> {
        self.get(&Target::api("faults")).await
    }

    /// Arms a fault; needs the token.
    pub async fn arm(&self, fault: &FaultRequest) -> Answer<FaultStatus> {
        self.send(Method::POST, &Target::api("faults"), fault).await
    }

    /// Ends a fault; needs the token.
    pub async fn clear(&self, id: &str) -> Answer<()> {
        self.delete(&Target::api("faults").part(id)).await
    }

    /// Ends every fault; needs the token.
    pub async fn clear_all(&self) -> Answer<()> {
        self.delete(&Target::api("faults")).await
    }

    /// The experiments of the lab, and the newest runs.
    pub async fn experiments(&self) -> Answer<Experiments> {
        self.get(&Target::api("experiments")).await
    }

    /// Starts an experiment; needs the token. One runs at a time.
    pub async fn run_experiment(&self, name: &str, request: &RunRequest) -> Answer<ExperimentRun> {
        let target = Target::api("experiments").part(name).part("run");
        self.send(Method::POST, &target, request).await
    }

    /// One run as it stands.
    pub async fn experiment_run(&self, id: &str) -> Answer<ExperimentRun> {
        self.get(&Target::api("experiments/runs").part(id)).await
    }

    /// Ends a run; needs the token.
    pub async fn cancel_run(&self, id: &str) -> Answer<()> {
        self.delete(&Target::api("experiments/runs").part(id)).await
    }

    /// What the demo's shoppers are asked to do.
    pub async fn traffic(&self) -> Answer<Traffic> {
        self.get(&Target::api("traffic")).await
    }

    /// Asks the demo's shoppers for another rate; needs the token.
    pub async fn set_traffic(&self, traffic: Traffic) -> Answer<Traffic> {
        self.send(Method::PUT, &Target::api("traffic"), &traffic).await
    }

    /// Delivers dead letters once more, or throws them away; needs the token.
    pub async fn settle_letters(&self, action: LetterAction, letters: &LettersRequest) -> Answer<ActionDone> {
        let target = Target::api("actions/dead-letters").part(action.as_str());
        self.send(Method::POST, &target, letters).await
    }

    /// Starts a read model from zero; needs the token.
    pub async fn rebuild(&self, service: &str, name: &str) -> Answer<ActionDone> {
        let target = Target::api("actions/read-models")
            .part(service)
            .part(name)
            .part("rebuild");
        self.send(Method::POST, &target, &serde_json::json!({})).await
    }

    /// Helps a saga on; needs the token. `name` tells equal ids of two types apart.
    pub async fn act_on_saga(&self, action: SagaAction, id: &str, name: Option<&str>) -> Answer<ActionDone> {
        let target = Target::api("actions/sagas").part(id).part(action.as_str());
        let request = SagaRequest {
            name: name.map(ToOwned::to_owned),
        };
        self.send(Method::POST, &target, &request).await
    }

    async fn get<T: DeserializeOwned>(&self, target: &Target) -> Answer<T> {
        let request = self.request(Method::GET, target);
        self.read(request).await
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, target: &Target, body: &impl Serialize) -> Answer<T> {
        let request = self.request(method, target).json(body);
        self.read(request).await
    }

    async fn delete(&self, target: &Target) -> Answer<()> {
        let answer = self.call(self.request(Method::DELETE, target)).await?;
        drop(answer);
        Ok(())
    }

    fn request(&self, method: Method, target: &Target) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{target}", self.base))
            .timeout(ANSWER_TIMEOUT);
        self.with_token(request)
    }

    fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Answer<T> {
        let mut answer = self.call(request).await?;
        let body = self.body(&mut answer).await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::unexpected(&self.base, error.to_string()))
    }

    /// Sends, and turns every status but success into an error.
    async fn call(&self, request: RequestBuilder) -> Answer<Response> {
        let mut answer = request
            .send()
            .await
            .map_err(|error| ClientError::unreachable(&self.base, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = self.body(&mut answer).await?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(ClientError::Refused(Problem {
                status: status.as_u16(),
                ..problem
            })),
            Err(_) => Err(ClientError::unexpected(&self.base, format!("status {status}"))),
        }
    }

    async fn body(&self, answer: &mut Response) -> Answer<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| ClientError::unreachable(&self.base, &error))?
        {
            if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                return Err(ClientError::unexpected(&self.base, "an answer beyond 64 MiB".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests;
