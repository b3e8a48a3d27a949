//! The rules of canaries in the registry's own database: a share that a person gave, or that was taken away, outlives the process.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use sagascope_instrument::canary_events::{self, CanaryChange};
use shop_kit::context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::state_events;

use crate::canary::{Canary, Change};

/// One row a service.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS canaries (
    service TEXT PRIMARY KEY,
    rule TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"];

/// All rules.
pub(crate) fn load(conn: &Connection) -> Result<BTreeMap<String, Canary>, DatabaseError> {
    let mut query = conn.prepare("SELECT service, rule FROM canaries")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (service, rule) = row?;
        Ok((service, serde_json::from_str(&rule)?))
    })
    .collect()
}

/// Keeps a rule, and tells its changes with it.
pub(crate) fn keep(
    tx: &Tx<'_>,
    service: &str,
    canary: &Canary,
    changes: &[(u64, Change)],
) -> Result<(), DatabaseError> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO canaries (service, rule) VALUES (?1, ?2) ON CONFLICT (service) DO UPDATE SET rule = ?2",
    )?;
    upsert.execute(params![service, serde_json::to_string(canary)?])?;
    for (at, change) in changes {
        let change = CanaryChange {
            peer: service,
            version: &canary.version,
            state: change.state,
            percent: change.percent,
            reason: &change.reason,
            by_itself: change.by_itself,
        };
        state_events::record(tx, canary_events::changed(*at, change), &context::current())?;
    }
    Ok(())
}

/// Lets a rule go, and tells of it when there was one.
pub(crate) fn forget(tx: &Tx<'_>, service: &str, at: u64) -> Result<(), DatabaseError> {
    let mut delete = tx.prepare_cached("DELETE FROM canaries WHERE service = ?")?;
    if delete.execute([service])? > 0 {
        state_events::record(tx, canary_events::removed(at, service), &context::current())?;
    }
    Ok(())
}
