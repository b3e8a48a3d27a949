//! Short questions to a running collector, with its refusals turned into sentences.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, RequestBuilder};
use sagascope_api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Connection;
use crate::exit;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A running collector.
pub(crate) struct Collector {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Collector {
    pub(crate) fn new(connection: &Connection) -> anyhow::Result<Self> {
        let base = connection.url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            return Err(exit::usage(format!(
                "`{base}` is no address of a collector; write it like http://127.0.0.1:4319"
            )));
        }
        Ok(Self {
            http: reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?,
            base,
            token: connection.token()?,
        })
    }

    /// What the API answers at a path.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.ask(self.request(Method::GET, path).query(query)).await
    }

    /// The same, as one of the API's types.
    pub(crate) async fn get_as<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let value = self.get(path, &[]).await?;
        serde_json::from_value(value).with_context(|| format!("{path} answered something this version does not know"))
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(self.request(Method::DELETE, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let body = answer
            .bytes()
            .await
            .with_context(|| format!("{} broke off its answer", self.base))?;
        if !status.is_success() {
            return Err(refusal(status.as_u16(), &body));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).with_context(|| format!("{} answered no JSON; is it a collector?", self.base))
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        if error.is_timeout() {
            return anyhow::anyhow!("{} did not answer within {} s", self.base, ANSWER_WITHIN.as_secs());
        }
        anyhow::anyhow!(
            "no collector answers at {}; start one with `cargo demo` or `sagascope collect`, or give its address with --url",
            self.base
        )
    }
}

fn refusal(status: u16, body: &[u8]) -> anyhow::Error {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return anyhow::anyhow!("the collector answered {status}");
    };
    let field = problem
        .field
        .as_deref()
        .map_or_else(String::new, |field| format!(" ({field})"));
    let text = sagascope_api::text::scrub(&format!("{}{field}: {}", problem.title, problem.detail), 2_000);
    match status {
        400 | 404 | 422 => exit::usage(text),
        401 | 403 => anyhow::anyhow!("{text} (give the token with --token-file or SAGASCOPE_TOKEN)"),
        _ => anyhow::anyhow!("{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_field_and_a_wrong_question_is_wrong_use() {
        let body = br#"{"code":"unknown_service","title":"Unknown service","field":"target.service","detail":"use one of: orders"}"#;
        let error = refusal(400, body);
        assert_eq!(
            error.to_string(),
            "Unknown service (target.service): use one of: orders"
        );
        assert!(error.downcast_ref::<exit::Usage>().is_some());
        assert!(refusal(503, body).downcast_ref::<exit::Usage>().is_none());
    }

    #[test]
    fn an_answer_that_is_no_problem_document_still_says_something() {
        assert_eq!(refusal(502, b"<html>").to_string(), "the collector answered 502");
    }

    #[test]
    fn a_missing_right_says_how_to_get_it() {
        let body = br#"{"code":"token_missing","title":"Token needed","detail":"control needs it"}"#;
        assert!(refusal(401, body).to_string().contains("--token-file"));
    }
}
