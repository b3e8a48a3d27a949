//! Copy and replace over HTTP: an order's stream written anew in the newest forms under another id.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use shop_kit::context;
use shop_kit::event_store::{self, NewEvent, Replaced, RewriteError, StoredEvent};
use shop_kit::problem::Problem;
use shop_kit::projection::positioned;
use shop_kit::request::{Body, check_id};

use crate::event_forms::FORMS;
use crate::http::Orders;
use crate::order::Status;
use crate::remote::Catalog;
use crate::{open_order, order_store, retention};

/// Routes of this file.
pub(crate) fn router<C: Catalog>() -> Router<Orders<C>> {
    Router::new().route("/api/v1/orders/{id}/replace", post(replace::<C>))
}

/// Body of `POST /api/v1/orders/{id}/replace`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replace {
    /// Of the new stream.
    new_id: String,
}

async fn replace<C: Catalog>(
    State(orders): State<Orders<C>>,
    Path(id): Path<String>,
    Body(command): Body<Replace>,
) -> Result<Response, Problem> {
    check_id("id", &id)?;
    check_id("new_id", &command.new_id)?;
    let context = context::current();
    let write = orders.db.write(move |tx| {
        let order = order_store::load(tx, &id)?;
        if order.status == Status::Created || open_order::is_open(tx, &id)? {
            // Its saga, or its customer, goes on writing to the old stream.
            return Err(Problem::conflict(
                "not_ended",
                "only an order that has ended can be replaced",
            ));
        }
        let replaced =
            event_store::copy_and_replace(tx, &id, &command.new_id, newest_form, &context).map_err(problem)?;
        let events = match replaced {
            Replaced::Now(events) => {
                retention::ended(tx, &id)?;
                retention::ended(tx, &command.new_id)?;
                Some(events)
            }
            Replaced::Before => None,
        };
        let position = event_store::head(tx)?;
        let body = json!({ "order_id": id, "replaced_by": command.new_id, "events": events, "position": position });
        Ok((position, body))
    });
    let (position, body) = write.await?;
    Ok(positioned(Json(body), position))
}

/// The same event in the newest form; one that is not known goes over as it is.
fn newest_form(event: &StoredEvent) -> anyhow::Result<Vec<NewEvent>> {
    let event = match FORMS.read(event.clone())? {
        event_store::Reading::Current(event)
        | event_store::Reading::UnknownType(event)
        | event_store::Reading::NewerForm(event) => event,
    };
    Ok(vec![NewEvent {
        event_type: event.event_type,
        data: event.data,
        schema_version: event.schema_version,
    }])
}

fn problem(error: RewriteError) -> Problem {
    let title = error.to_string();
    match error {
        RewriteError::NoSuchStream(id) => Problem::not_found("order", &id),
        RewriteError::Elsewhere { .. } => Problem::conflict("replaced", &title),
        RewriteError::Taken(_) => Problem::conflict("exists", &title),
        RewriteError::Event { .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unreadable_event", &title),
        RewriteError::Mark(_) => Problem::conflict("conflict", &title),
        RewriteError::Database(error) => error.into(),
    }
}
