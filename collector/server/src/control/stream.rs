//! `GET /api/v1/faults/stream`: commands to one service process, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::board::Instance;
use super::command::Command;
use super::http::ask;
use crate::app::App;
use crate::live::sse::event_stream;
use crate::problem::{Answer, Refusal};
use crate::query::params::Params;

/// A comment goes out after this long in silence: each end notices a dead other.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Opens the stream; the first message tells all that is in force.
pub(crate) async fn stream(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Response> {
    let params = Params::parse(query.as_deref())?;
    let needed = |name: &str| {
        let value = params.get(name).filter(|value| !value.is_empty());
        value
            .map(ToOwned::to_owned)
            .ok_or_else(|| Refusal::field("missing_field", name, "This parameter is needed."))
    };
    let instance = Instance {
        service: needed("service")?,
        instance: needed("instance")?,
    };
    let commands = ask(&app, |reply| Command::Connect(instance, reply)).await?;
    let body = stream::unfold(commands, |mut commands| async move {
        let bytes = match timeout(KEEP_ALIVE, commands.recv()).await {
            Ok(Some(command)) => match serde_json::to_string(&command) {
                Ok(json) => Bytes::from(format!("data: {json}\n\n")),
                Err(error) => {
                    tracing::error!(%error, "a fault command cannot be written");
                    return None;
                }
            },
            Ok(None) => return None,
            Err(_) => Bytes::from_static(b": still here\n\n"),
        };
        Some((bytes, commands))
    });
    Ok(event_stream(Body::from_stream(
        body.map(Ok::<Bytes, std::convert::Infallible>),
    )))
}
