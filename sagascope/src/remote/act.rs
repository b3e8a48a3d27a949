//! `sagascope act`: have a service do something, and say what came of it.

use std::io::Write;

use sagascope_api::actions::{ActionDone, LetterAction, LettersRequest, SagaAction};
use sagascope_api::client::{Client, ClientError};
use sagascope_api::text;

use super::show::print_json;
use super::{client, explained};
use crate::cli::{ActOptions, Deed, SagaId};

/// Longest line that is shown.
const LINE: usize = 1_000;

/// Does what the options ask.
pub(crate) async fn run(options: ActOptions) -> anyhow::Result<()> {
    let collector = client(&options.connection)?;
    let done = match options.deed {
        Deed::Replay(letters) => {
            let request = LettersRequest {
                destination: letters.destination,
                id: letters.id,
            };
            collector.settle_letters(LetterAction::Replay, &request).await
        }
        Deed::Purge(letters) => {
            let request = LettersRequest {
                destination: letters.destination,
                id: letters.id,
            };
            collector.settle_letters(LetterAction::Purge, &request).await
        }
        Deed::Rebuild { service, name } => collector.rebuild(&service, &name).await,
        Deed::Retry(saga) => on_saga(&collector, SagaAction::Retry, saga).await,
        Deed::Cancel(saga) => on_saga(&collector, SagaAction::Cancel, saga).await,
        Deed::Compensate(saga) => on_saga(&collector, SagaAction::Compensate, saga).await,
        Deed::CommitInDoubt(saga) => on_saga(&collector, SagaAction::CommitInDoubt, saga).await,
        Deed::AbortInDoubt(saga) => on_saga(&collector, SagaAction::AbortInDoubt, saga).await,
    };
    let done = done.map_err(explained)?;
    if options.json {
        return print_json(&done);
    }
    writeln!(std::io::stdout(), "{}", text::scrub(&done.line(), LINE))?;
    Ok(())
}

async fn on_saga(collector: &Client, action: SagaAction, saga: SagaId) -> Result<ActionDone, ClientError> {
    collector.act_on_saga(action, &saga.id, saga.name.as_deref()).await
}
