//! Two-phase commit, the participant's side: vote, hold what the vote promised, and wait.
//!
//! Between its yes and the decision a participant is *in doubt*: it may neither keep nor give back what it holds, for
//! only the coordinator knows how the transaction ends. While the coordinator is away everybody else waits for the lock:
//! that is the blocking which a saga does not have. The vote is durable, so a restart changes nothing.
//!
//! Aborts are presumed: a coordinator that knows nothing of a transaction has aborted it. A participant that has been in
//! doubt for a while asks by itself; while nobody answers a person may decide in the coordinator's place.

mod by_hand;
mod doubt;
mod http;
mod inquiry;
#[cfg(test)]
mod tests;

use std::future::Future;

pub(crate) use doubt::TABLES;
pub use doubt::{InDoubt, in_doubt, is_in_doubt};
pub use http::router;
pub use inquiry::{Inquiry, Knows};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;
use crate::database::Tx;
use crate::idempotency::Answer;
use crate::problem::Problem;

/// What a service can promise to do, or not to do, when it is told.
///
/// All three commands may come more than once; an abort may come before, or without, the vote it undoes, and must leave
/// a mark that refuses a late vote.
pub trait Participant: Send + Sync + 'static {
    /// Body of the question.
    type Wish: DeserializeOwned + Send + 'static;
    /// The same, checked.
    type Checked: Send + 'static;

    /// Checks the wish, and asks the world outside when it has a say.
    fn check(&self, id: &str, wish: Self::Wish) -> impl Future<Output = Result<Self::Checked, Problem>> + Send;

    /// Votes. A yes takes the lock in this very transaction.
    ///
    /// # Errors
    /// A no of which nothing is kept: a copy of the question that comes later may be answered otherwise.
    fn prepare(&self, tx: &Tx<'_>, id: &str, wish: Self::Checked, context: &Context) -> Result<Vote, Problem>;

    /// Does what was promised, and gives the lock back.
    ///
    /// # Errors
    /// When there was no yes: then the protocol is broken.
    fn commit(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem>;

    /// Gives the lock back.
    ///
    /// # Errors
    /// When the database fails; it cannot be refused.
    fn abort(&self, tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), Problem>;
}

/// What a participant says to the question.
#[derive(Clone, Debug, PartialEq)]
pub enum Vote {
    /// It will do what it is told.
    Yes {
        /// What the coordinator should know: a price, for example.
        answer: Value,
        /// What is held, in words; `None` when the decision is known here already.
        holds: Option<String>,
    },
    /// It will not, and says why; what it wrote with this vote stays.
    No(Answer),
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// All voted yes.
    Commit,
    /// Somebody did not, or nobody knows.
    Abort,
}

impl Decision {
    /// The word in databases, paths and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Abort => "abort",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Commit, Self::Abort]
            .into_iter()
            .find(|decision| decision.as_str() == word)
    }
}

/// Carries a decision out: the participant's part, and the end of the doubt, in one transaction.
fn resolve<P: Participant>(
    participant: &P,
    tx: &Tx<'_>,
    id: &str,
    decision: Decision,
    context: &Context,
) -> Result<(), Problem> {
    match decision {
        Decision::Commit => participant.commit(tx, id, context)?,
        Decision::Abort => participant.abort(tx, id, context)?,
    }
    Ok(doubt::end(tx, id)?)
}
