//! What a person decides for a participant whose coordinator stays away.
//!
//! A coordinator that comes back with the other decision finds out: a commit of what was aborted is refused, and told as
//! a promise that was not kept; an abort of what was committed is carried out all the same.

use std::sync::Arc;

use sagascope_conventions::action::{Action, ActionOutcome};

use super::{Decision, Participant, doubt, resolve};
use crate::actions;
use crate::context::Context;
use crate::database::{Database, Tx};
use crate::problem::Problem;

/// Carries out what is asked about a transaction in doubt.
pub(super) async fn carry_out<P: Participant>(db: Database, participant: Arc<P>, action: Action) -> ActionOutcome {
    let (saga, decision) = match action {
        Action::CommitInDoubt(saga) => (saga, Decision::Commit),
        Action::AbortInDoubt(saga) => (saga, Decision::Abort),
        _ => return ActionOutcome::Unknown,
    };
    let work = db.write(move |tx| end_doubt(&*participant, tx, &saga.id, decision));
    work.await.unwrap_or_else(|problem: Problem| actions::failed(&problem))
}

fn end_doubt<P: Participant>(
    participant: &P,
    tx: &Tx<'_>,
    id: &str,
    decision: Decision,
) -> Result<ActionOutcome, Problem> {
    let Some(in_doubt) = doubt::find(tx, id)? else {
        return Ok(ActionOutcome::Refused {
            detail: "Nothing is in doubt there: it never said yes, or knows the end.".to_owned(),
        });
    };
    resolve(participant, tx, id, decision, &Context::from_headers(&in_doubt.headers))?;
    tracing::warn!(
        id,
        decision = decision.as_str(),
        "a person decided in place of the coordinator"
    );
    let done = match decision {
        Decision::Commit => "is kept",
        Decision::Abort => "is given back",
    };
    Ok(ActionOutcome::Done {
        count: 1,
        detail: format!("{} {done}, whatever the coordinator decides.", in_doubt.holds),
    })
}
