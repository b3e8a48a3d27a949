//! Users as they are read: one, or a page of them in the order of their registration.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use shop_kit::problem::Problem;

use crate::store::{unseal, user_key};
use crate::user::Personal;
use crate::vault::Vault;

/// A user as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UserView {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) personal: Personal,
    pub(crate) display_name: String,
    pub(crate) tier: String,
    pub(crate) status: String,
    pub(crate) version: u64,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// Which users are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Of one status only.
    pub(crate) status: Option<String>,
    /// After this number.
    pub(crate) after: i64,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A row whose personal data is sealed still.
struct Sealed {
    number: i64,
    sealed: String,
    view: UserView,
}

const COLUMNS: &str = "number, sealed, id, display_name, tier, status, version,
    strftime('%Y-%m-%dT%H:%M:%fZ', created_at_ms / 1000.0, 'unixepoch'),
    strftime('%Y-%m-%dT%H:%M:%fZ', updated_at_ms / 1000.0, 'unixepoch')";

/// One user.
pub(crate) fn find(conn: &Connection, vault: &Vault, id: &str) -> Result<Option<UserView>, Problem> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE id = ?"))?;
    let row = query.query_row([id], sealed).optional()?;
    row.map(|row| open(conn, vault, row)).transpose()
}

/// A page, and the number to go on after when there are more.
pub(crate) fn list(
    conn: &Connection,
    vault: &Vault,
    wanted: &Selection,
) -> Result<(Vec<UserView>, Option<i64>), Problem> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM users WHERE number > ?1 AND (?2 IS NULL OR status = ?2) ORDER BY number LIMIT ?3"
    ))?;
    // One more than asked for tells whether there is a next page.
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = query
        .query_map(params![wanted.after, wanted.status, limit], sealed)?
        .collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > wanted.limit;
    rows.truncate(wanted.limit);
    let next = rows.last().map(|row| row.number).filter(|_| more);
    let views = rows
        .into_iter()
        .map(|row| open(conn, vault, row))
        .collect::<Result<_, _>>()?;
    Ok((views, next))
}

fn sealed(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    Ok(Sealed {
        number: row.get(0)?,
        sealed: row.get(1)?,
        view: UserView {
            id: row.get(2)?,
            personal: Personal {
                email: String::new(),
                name: String::new(),
            },
            display_name: row.get(3)?,
            tier: row.get(4)?,
            status: row.get(5)?,
            version: row.get::<_, i64>(6)?.unsigned_abs(),
            created_at: row.get(7)?,
            updated_at: row.get(8)?,
        },
    })
}

fn open(conn: &Connection, vault: &Vault, row: Sealed) -> Result<UserView, Problem> {
    let id = row.view.id.clone();
    let key = user_key(conn, vault, &id)?.ok_or_else(Problem::internal)?;
    Ok(UserView {
        personal: unseal(&key, &id, &row.sealed)?,
        ..row.view
    })
}
