//! Sending mails, as background jobs: at least once, with retry, and a queue of those that failed.

use anyhow::ensure;
use sagascope_conventions::FaultKind;
use shop_kit::database::Database;
use shop_kit::jobs::Job;

use crate::letter::Letter;
use crate::store;

/// The queue of mails, and the destination of those that failed.
pub(crate) const QUEUE: &str = "mails";
/// What a fault of the mail server can be narrowed to.
pub(crate) const SEND: &str = "SEND mail";

/// Sends one mail. The mail server of this shop is a table, and away while a fault says so.
pub(crate) async fn send(db: Database, job: Job) -> anyhow::Result<()> {
    let letter: Letter = serde_json::from_value(job.payload)?;
    ensure!(
        db.faults().hit(FaultKind::ErrorRate, SEND).is_none(),
        "the mail server answered 503"
    );
    db.write(move |tx| store::sent(tx, &letter)).await?;
    Ok(())
}
