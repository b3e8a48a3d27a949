//! `sagascope act`: have a service do something, and say what came of it.

use std::io::Write;

use sagascope_api::actions::{LetterAction, LettersRequest, SagaAction};
use sagascope_api::text;

use super::show::print_json;
use super::{client, explained};
use crate::cli::{ActOptions, Deed};

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
        Deed::Retry(saga) => {
            collector
                .act_on_saga(SagaAction::Retry, &saga.id, saga.name.as_deref())
                .await
        }
        Deed::Cancel(saga) => {
            collector
                .act_on_saga(SagaAction::Cancel, &saga.id, saga.name.as_deref())
                .await
        }
        Deed::Compensate(saga) => {
            let name = saga.name.as_deref();
            collector.act_on_saga(SagaAction::Compensate, &saga.id, name).await
        }
    };
    let done = done.map_err(explained)?;
    if options.json {
        return print_json(&done);
    }
    writeln!(std::io::stdout(), "{}", text::scrub(&done.line(), LINE))?;
    Ok(())
}
