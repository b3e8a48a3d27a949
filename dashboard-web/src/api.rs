//! Questions to, and commands for, the collector over HTTP.

use leptos::prelude::window;
use sagascope_api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, RequestInit, Response};

/// Asks; the path begins below `/api/v1`.
pub(crate) async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Problem> {
    let (_, body) = send("GET", &format!("/api/v1{path}"), None).await?;
    serde_json::from_str(&body).map_err(|error| problem("unexpected_answer", "Unexpected answer", &error.to_string()))
}

/// Commands with a JSON body and reads the answer.
pub(crate) async fn command<B: Serialize, T: DeserializeOwned>(
    method: &str,
    path: &str,
    body: &B,
) -> Result<T, Problem> {
    let json = serde_json::to_string(body).map_err(|error| problem("bad_request", "Not sent", &error.to_string()))?;
    let (_, answer) = send(method, &format!("/api/v1{path}"), Some(&json)).await?;
    serde_json::from_str(&answer).map_err(|error| problem("unexpected_answer", "Unexpected answer", &error.to_string()))
}

/// Takes something away.
pub(crate) async fn delete(path: &str) -> Result<(), Problem> {
    send("DELETE", &format!("/api/v1{path}"), None).await.map(|_| ())
}

/// Trades the token for the session cookie. A fetch, so that the token never stands in the address bar or in history.
pub(crate) async fn log_in(token: &str) -> Result<(), Problem> {
    send("GET", &format!("/login?token={}", crate::route::encode(token)), None)
        .await
        .map(|_| ())
}

async fn send(method: &str, url: &str, json: Option<&str>) -> Result<(u16, String), Problem> {
    let unreachable = |_: JsValue| problem("unreachable", "No answer", "the collector cannot be reached");
    let init = RequestInit::new();
    init.set_method(method);
    if let Some(json) = json {
        init.set_body(&JsValue::from_str(json));
    }
    let request = Request::new_with_str_and_init(url, &init).map_err(unreachable)?;
    if json.is_some() {
        request
            .headers()
            .set("Content-Type", "application/json")
            .map_err(unreachable)?;
    }
    let answer = JsFuture::from(window().fetch_with_request(&request))
        .await
        .map_err(unreachable)?;
    let response: Response = answer.dyn_into().map_err(unreachable)?;
    let body = JsFuture::from(response.text().map_err(unreachable)?)
        .await
        .map_err(unreachable)?;
    let body = body.as_string().unwrap_or_default();
    if response.ok() {
        return Ok((response.status(), body));
    }
    Err(refusal(response.status(), &body))
}

fn refusal(status: u16, body: &str) -> Problem {
    let mut told: Problem = serde_json::from_str(body).unwrap_or_else(|_| {
        problem(
            "refused",
            &format!("Refused ({status})"),
            "the collector gave no reason",
        )
    });
    told.status = status;
    told
}

fn problem(code: &str, title: &str, detail: &str) -> Problem {
    Problem {
        status: 0,
        code: code.into(),
        title: title.into(),
        field: None,
        detail: detail.into(),
    }
}
