//! The live stream: one hub, two ways to it with the same messages.

pub(crate) mod hub;
pub(crate) mod sse;
pub(crate) mod topics;
mod ws;

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use sagascope_api::live::LiveId;
use tokio::sync::oneshot;

use crate::app::App;
use crate::pipeline::{Event, Subscribe};
use crate::problem::{Answer, Refusal};
use crate::query::params::Params;
use hub::Subscription;
use topics::Topics;

/// `GET /api/v1/live?topics=…&last_id=…`.
pub(crate) async fn live(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let params = match Params::parse(parts.uri.query()) {
        Ok(params) => params,
        Err(refusal) => return refusal.into_response(),
    };
    let wanted = match wanted(&params, &parts.headers) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal.into_response(),
    };
    let upgrade = parts.headers.contains_key(http::header::UPGRADE) || parts.method == Method::CONNECT;
    if upgrade {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
            Ok(upgrade) => ws::answer(app, upgrade, wanted).await,
            Err(rejection) => rejection.into_response(),
        };
    }
    match subscribe(&app, wanted).await {
        Ok(subscription) => sse::answer(subscription),
        Err(refusal) => refusal.into_response(),
    }
}

struct Wanted {
    topics: Topics,
    resume: Option<LiveId>,
}

fn wanted(params: &Params, headers: &HeaderMap) -> Answer<Wanted> {
    let topics = match params.get("topics") {
        Some(list) => Topics::parse(list).map_err(|word| {
            let known = sagascope_api::live::Topic::ALL
                .iter()
                .map(|topic| topic.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            Refusal::field(
                "unknown_topic",
                "topics",
                format!("`{word}` is no topic; there are: {known}."),
            )
        })?,
        None => Topics::all(),
    };
    let last_id = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .or_else(|| params.get("last_id"));
    Ok(Wanted {
        topics,
        resume: last_id.and_then(LiveId::parse),
    })
}

async fn subscribe(app: &App, wanted: Wanted) -> Answer<Subscription> {
    let (reply, subscription) = oneshot::channel();
    app.tell(Event::Subscribe(Subscribe {
        topics: wanted.topics,
        resume: wanted.resume,
        reply,
    }))
    .await?;
    subscription
        .await
        .map_err(|_| Refusal::unavailable("The collector is stopping."))
}
