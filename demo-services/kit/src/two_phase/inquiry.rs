//! A participant that has been in doubt for a while asks its coordinator, instead of waiting to be told for ever.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::JoinSet;

use super::doubt::{self, DoubtMetrics};
use super::{Decision, InDoubt, Participant, by_hand, resolve};
use crate::actions::Actions;
use crate::caller::{CallError, Caller};
use crate::context::{self, Context};
use crate::database::{Database, DatabaseError};
use crate::{simulated, telemetry};

/// How often doubts are looked at and reported.
const EVERY: Duration = Duration::from_secs(1);
/// A doubt so old is asked about: a coordinator that lives has told by then.
const ASK_AFTER_MS: u64 = 3_000;
/// Most transactions asked about in one round.
const AT_ONCE: u32 = 32;

/// Who knows how a transaction ended.
pub trait Knows: Send + Sync + 'static {
    /// The decision; `None` while there is none yet.
    fn decision(&self, id: &str) -> impl Future<Output = Result<Option<Decision>, CallError>> + Send;
}

/// A coordinator that answers `GET /api/v1/transactions/{id}` with a `decision`, or with null.
impl Knows for Caller {
    async fn decision(&self, id: &str) -> Result<Option<Decision>, CallError> {
        #[derive(Deserialize)]
        struct Known {
            decision: Option<Decision>,
        }
        let known: Known = self.get(&format!("/api/v1/transactions/{id}")).await?;
        Ok(known.decision)
    }
}

/// The task that asks; dropping it stops the task.
#[derive(Debug)]
pub struct Inquiry {
    _tasks: JoinSet<()>,
}

impl Inquiry {
    /// Asks `coordinator` from now on, and reports how many are in doubt; among `actions` a person may end a doubt.
    #[must_use]
    pub fn start<P: Participant>(
        actions: &Actions,
        db: Database,
        participant: Arc<P>,
        coordinator: impl Knows,
    ) -> Self {
        actions.offer({
            let (db, participant) = (db.clone(), participant.clone());
            move |action| by_hand::carry_out(db.clone(), participant.clone(), action)
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(simulated::carry(run(db, participant, coordinator)));
        Self { _tasks: tasks }
    }
}

async fn run<P: Participant>(db: Database, participant: Arc<P>, coordinator: impl Knows) {
    let metrics = DoubtMetrics::new(&telemetry::meter());
    loop {
        tokio::time::sleep(EVERY).await;
        match db.read(doubt::stand).await {
            Ok((count, oldest_age_ms)) => metrics.stand(count, oldest_age_ms),
            Err(error) => tracing::warn!(%error, "transactions in doubt cannot be counted"),
        }
        if let Err(error) = ask_once(&db, &participant, &coordinator, ASK_AFTER_MS).await {
            tracing::warn!(%error, "transactions in doubt cannot be looked at");
        }
    }
}

/// Asks about every doubt that is old enough; the first call that gets no answer ends the round.
pub(super) async fn ask_once<P: Participant>(
    db: &Database,
    participant: &Arc<P>,
    coordinator: &impl Knows,
    ask_after_ms: u64,
) -> Result<(), DatabaseError> {
    let doubts = db.read(|conn| doubt::in_doubt(conn, AT_ONCE)).await?;
    for doubt in doubts.into_iter().filter(|doubt| doubt.age_ms >= ask_after_ms) {
        let InDoubt {
            transaction_id: id,
            headers,
            ..
        } = doubt;
        let context = Context::from_headers(&headers);
        let decision = match context::scope(context.clone(), coordinator.decision(&id)).await {
            Ok(Some(decision)) => decision,
            Ok(None) => continue,
            Err(error) => {
                tracing::debug!(%error, id, "the coordinator does not answer, the lock stays");
                return Ok(());
            }
        };
        let (participant, key) = (participant.clone(), id.clone());
        let resolved = db.write(move |tx| resolve(&*participant, tx, &key, decision, &context));
        match resolved.await {
            Ok(()) => tracing::info!(id, decision = decision.as_str(), "the coordinator was asked"),
            Err(problem) => tracing::error!(%problem, id, "the coordinator's decision cannot be carried out"),
        }
    }
    Ok(())
}
