//! What a coordinator asks and tells, and what a person looks at.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Decision, InDoubt, Participant, Vote, doubt, resolve};
use crate::context;
use crate::database::{Database, DatabaseError};
use crate::idempotency::Answer;
use crate::problem::Problem;
use crate::request::{Body, check_id};

/// Most transactions shown; all are counted.
const SHOWN: u32 = 100;

struct Served<P> {
    db: Database,
    participant: Arc<P>,
}

impl<P> Clone for Served<P> {
    fn clone(&self) -> Self {
        Self {
            db: self.db.clone(),
            participant: self.participant.clone(),
        }
    }
}

/// The routes of a participant, to be merged into those of its service.
pub fn router<P: Participant>(db: Database, participant: Arc<P>) -> Router {
    Router::new()
        .route("/api/v1/transactions/{id}/prepare", post(prepare::<P>))
        .route("/api/v1/transactions/{id}/{decision}", post(decided::<P>))
        .route("/api/v1/in-doubt", get(show_in_doubt::<P>))
        .with_state(Served { db, participant })
}

async fn prepare<P: Participant>(
    State(served): State<Served<P>>,
    Path(id): Path<String>,
    Body(wish): Body<P::Wish>,
) -> Result<Answer, Problem> {
    check_id("id", &id)?;
    let wish = served.participant.check(&id, wish).await?;
    let (participant, context) = (served.participant.clone(), context::current());
    let work = move |tx: &crate::database::Tx<'_>| {
        let (answer, holds) = match participant.prepare(tx, &id, wish, &context)? {
            Vote::Yes { answer, holds } => (answer, holds),
            Vote::No(answer) => return Ok(answer),
        };
        if let Some(holds) = holds {
            doubt::begin(tx, &id, &holds, &context)?;
        }
        Ok::<_, Problem>(Answer {
            status: 200,
            body: answer,
        })
    };
    served.db.write(work).await
}

async fn decided<P: Participant>(
    State(served): State<Served<P>>,
    Path((id, decision)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    let decision = Decision::parse(&decision).ok_or_else(|| Problem::not_found("decision", &decision))?;
    let (participant, context) = (served.participant.clone(), context::current());
    let answer = json!({ "transaction_id": id, "decision": decision });
    let work = move |tx: &crate::database::Tx<'_>| resolve(&*participant, tx, &id, decision, &context);
    served.db.write(work).await?;
    Ok(Json(answer))
}

/// `GET /api/v1/in-doubt`.
#[derive(Debug, Serialize)]
struct Doubts {
    count: u64,
    oldest_age_ms: u64,
    /// The oldest ones.
    items: Vec<InDoubt>,
}

async fn show_in_doubt<P: Participant>(State(served): State<Served<P>>) -> Result<Json<Doubts>, Problem> {
    let read = |conn: &rusqlite::Connection| {
        // One snapshot for both.
        let snapshot = conn.unchecked_transaction()?;
        Ok::<_, DatabaseError>((doubt::stand(&snapshot)?, doubt::in_doubt(&snapshot, SHOWN)?))
    };
    let ((count, oldest_age_ms), items) = served.db.read(read).await?;
    Ok(Json(Doubts {
        count,
        oldest_age_ms,
        items,
    }))
}
