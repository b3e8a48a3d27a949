//! Starts a read model from zero.

use sagascope_instrument::message_events::rebuild_started;

use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{Database, Tx};
use crate::{effects, state_events};

/// Starts a read model from zero: `clear` empties its tables, and the running [`super::Projection`] fills them again.
/// What it parked is tried again.
///
/// # Errors
/// When `clear` fails; then nothing is changed.
pub async fn rebuild<C>(db: &Database, name: &'static str, clear: C) -> anyhow::Result<()>
where
    C: FnOnce(&Tx<'_>) -> anyhow::Result<()> + Send + 'static,
{
    db.write(move |tx| {
        effects::forbidden(|| clear(tx))?;
        tx.execute(
            "INSERT INTO projections (name, position, rebuilding) VALUES (?, 0, 1)
             ON CONFLICT (name) DO UPDATE SET position = 0, rebuilding = 1",
            [name],
        )?;
        tx.execute("DELETE FROM projection_failures WHERE name = ?", [name])?;
        state_events::record(tx, rebuild_started(unix_nanos_now(), name), &Context::default())?;
        Ok(())
    })
    .await
}
