//! Flags of `sagascope act`.

use clap::{Args, Subcommand};

use super::Connection;

pub(super) const EXAMPLES: &str = "\
Examples:
  sagascope act replay orders.events --id m-7f3a      deliver one dead letter once more
  sagascope act replay orders.events                  all dead letters of a topic
  sagascope act purge mails                           throw away what failed
  sagascope act rebuild orders order_summary          start a read model from zero
  sagascope act retry 7f3a91c2                        take a parked saga up again";

#[derive(Debug, Args)]
pub(crate) struct ActOptions {
    #[command(subcommand)]
    pub(crate) deed: Deed,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Deed {
    /// Deliver dead letters once more
    Replay(Letters),
    /// Throw dead letters away
    Purge(Letters),
    /// Start a read model from zero
    Rebuild {
        /// Its service
        service: String,
        /// Its name
        name: String,
    },
    /// Make the next attempt of a saga now, or take a parked one up again
    Retry(SagaId),
    /// Turn a saga back, as long as its last step has not begun
    Cancel(SagaId),
    /// Turn a saga back, whatever it is at
    Compensate(SagaId),
    /// Have the participants of a two-phase commit that are in doubt commit, without their coordinator; should that
    /// decide otherwise, they end differently
    CommitInDoubt(SagaId),
    /// Have them abort; should the coordinator have committed, they end differently
    AbortInDoubt(SagaId),
}

#[derive(Debug, Args)]
pub(crate) struct Letters {
    /// Topic or queue, such as `orders.events`
    pub(crate) destination: String,
    /// One message; every letter of the destination when absent
    #[arg(long)]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SagaId {
    /// Instance id
    pub(crate) id: String,
    /// Saga type, where two share an id
    #[arg(long)]
    pub(crate) name: Option<String>,
}
