//! Users in the event store, and beside it a row each for login and lists; both in one transaction.
//!
//! E-mail address and name are sealed in both. Of the address a keyed hash is kept too, so that it stays unique.

use std::sync::{Arc, LazyLock};

use http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::event_store::{self, AppendError, NewEvent, StoredEvent, Upcasters};
use shop_kit::outbox;
use shop_kit::problem::Problem;

use crate::change_user::change;
use crate::delete_user::delete;
use crate::register_user::register;
use crate::user::{Personal, Profile, Refusal, Role, Status, Tier, User, UserEvent};
use crate::vault::{DataKey, DoesNotOpen, Vault};

/// Where the service tells what happened; never an address or a name.
pub(crate) const TOPIC: &str = "users.events";
const AGGREGATE: &str = "user";
/// Users that the shop takes.
const MAX_USERS: u32 = 200_000;

/// Tables.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS users (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    email_index BLOB NOT NULL UNIQUE,
    sealed TEXT NOT NULL,
    display_name TEXT NOT NULL,
    tier TEXT NOT NULL,
    status TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    updated_at_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
) STRICT;
CREATE INDEX IF NOT EXISTS users_by_status ON users (status, number);
CREATE TABLE IF NOT EXISTS user_keys (
    user_id TEXT PRIMARY KEY,
    sealed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vault_proof (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    proof TEXT NOT NULL
) STRICT;
"];

/// `UserCreated` had neither display name nor tier in its first form.
static FORMS: LazyLock<Upcasters> = LazyLock::new(|| {
    Upcasters::new()
        .event("UserCreated", &[|first| with_display_name_and_tier(first)])
        .event("UserChanged", &[])
        .event("UserDeleted", &[])
});

fn with_display_name_and_tier(mut first: Value) -> Result<Value, serde_json::Error> {
    first["display_name"] = "customer".into();
    first["tier"] = serde_json::to_value(Tier::Standard)?;
    Ok(first)
}

/// An event as the event store keeps it, in its newest form.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// [`Personal`], sealed.
    sealed: String,
    display_name: String,
    tier: Tier,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    role: Role,
}

/// Who logs in.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) password_hash: String,
    pub(crate) status: Status,
    pub(crate) role: Role,
}

/// Refuses a master key that is not the one that sealed the data.
pub(crate) async fn check_vault(db: &Database, vault: Arc<Vault>) -> anyhow::Result<()> {
    let path = db.path().display().to_string();
    let proven = db
        .write(move |tx| {
            let kept: Option<String> = tx
                .query_row("SELECT proof FROM vault_proof", [], |row| row.get(0))
                .optional()?;
            match kept {
                Some(proof) => Ok(vault.proves(&proof)),
                None => {
                    tx.execute("INSERT INTO vault_proof VALUES (1, ?)", [vault.proof()])?;
                    Ok::<_, DatabaseError>(true)
                }
            }
        })
        .await?;
    anyhow::ensure!(
        proven,
        "the data in {path} was sealed with another key; give that one (SAGASCOPE_PII_KEY or pii.key beside it), \
         or move the folder away to start empty"
    );
    Ok(())
}

/// Registers a user under an id that is new.
pub(crate) fn create(
    tx: &Tx<'_>,
    vault: &Vault,
    id: &str,
    profile: Profile,
    role: Role,
    password_hash: &str,
    context: &Context,
) -> Result<u64, Problem> {
    let count: u32 = tx.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    if count >= MAX_USERS {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "full",
            "no more users are taken",
        ));
    }
    let (user, version) = load(tx, vault, id)?;
    let events = register(&user, profile.clone(), role)?;
    let (key, sealed_key) = vault.new_key(id);
    tx.execute("INSERT INTO user_keys VALUES (?, ?)", params![id, sealed_key])?;
    let index = free_index(tx, vault, id, &profile)?;
    let version = append(tx, id, version, &events, &key, context)?;
    tx.prepare_cached(
        "INSERT INTO users (id, email_index, sealed, display_name, tier, status, role, password_hash, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        id,
        index,
        seal(&key, id, &profile.personal)?,
        profile.display_name,
        word(profile.tier)?,
        Status::Active.as_str(),
        word(role)?,
        password_hash,
        i64::try_from(version).unwrap_or(i64::MAX),
    ])?;
    Ok(version)
}

/// Changes a user when it is at `expected` still.
pub(crate) fn update(
    tx: &Tx<'_>,
    vault: &Vault,
    id: &str,
    expected: u64,
    (profile, status): (Profile, Status),
    context: &Context,
) -> Result<u64, Problem> {
    let (user, version) = load(tx, vault, id)?;
    let events = change(&user, profile.clone(), status)?;
    check_version(expected, version)?;
    let Some(key) = user_key(tx, vault, id)? else {
        return Err(Refusal::NotFound.into());
    };
    let index = free_index(tx, vault, id, &profile)?;
    let version = append(tx, id, version, &events, &key, context)?;
    tx.prepare_cached(
        "UPDATE users SET email_index = ?, sealed = ?, display_name = ?, tier = ?, status = ?, version = ?,
             updated_at_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER)
         WHERE id = ? AND version <> ?6",
    )?
    .execute(params![
        index,
        seal(&key, id, &profile.personal)?,
        profile.display_name,
        word(profile.tier)?,
        status.as_str(),
        i64::try_from(version).unwrap_or(i64::MAX),
        id,
    ])?;
    Ok(version)
}

/// Deletes a user, and the key of the data.
pub(crate) fn remove(
    tx: &Tx<'_>,
    vault: &Vault,
    id: &str,
    expected: Option<u64>,
    context: &Context,
) -> Result<(), Problem> {
    let (user, version) = load(tx, vault, id)?;
    let events = delete(&user)?;
    check_version(expected.unwrap_or(version), version)?;
    let Some(key) = user_key(tx, vault, id)? else {
        return Err(Refusal::NotFound.into());
    };
    append(tx, id, version, &events, &key, context)?;
    tx.execute("DELETE FROM users WHERE id = ?", [id])?;
    tx.execute("DELETE FROM user_keys WHERE user_id = ?", [id])?;
    Ok(())
}

/// Who has this address.
pub(crate) fn credentials(conn: &Connection, index: &[u8]) -> Result<Option<Credentials>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT id, password_hash, status, role FROM users WHERE email_index = ?")?;
    let row: Option<(String, String, String, String)> = query
        .query_row([index], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    row.map(|(id, password_hash, status, role)| {
        Ok(Credentials {
            id,
            password_hash,
            status: from_word(status)?,
            role: from_word(role)?,
        })
    })
    .transpose()
}

/// The key of a user's data; `None` when it is gone, and the data with it.
pub(crate) fn user_key(conn: &Connection, vault: &Vault, id: &str) -> Result<Option<DataKey>, Problem> {
    let sealed: Option<String> = conn
        .prepare_cached("SELECT sealed FROM user_keys WHERE user_id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(sealed.map(|sealed| vault.key(id, &sealed)).transpose()?)
}

/// Opens what [`seal`] sealed.
pub(crate) fn unseal(key: &DataKey, id: &str, sealed: &str) -> Result<Personal, Problem> {
    let plain = key.open(id, sealed)?;
    Ok(serde_json::from_slice(&plain).map_err(DatabaseError::from)?)
}

fn seal(key: &DataKey, id: &str, personal: &Personal) -> Result<String, Problem> {
    let plain = serde_json::to_vec(personal).map_err(DatabaseError::from)?;
    Ok(key.seal(id, &plain))
}

/// The user folded from the events, and the version.
pub(crate) fn load(conn: &Connection, vault: &Vault, id: &str) -> Result<(User, u64), Problem> {
    let (events, key) = (event_store::load(conn, id, 1)?, user_key(conn, vault, id)?);
    let version = events.last().map_or(0, |event| event.version);
    let Some(key) = key else {
        let user = if events.is_empty() { User::Absent } else { User::Deleted };
        return Ok((user, version));
    };
    let mut user = User::default();
    for stored in events {
        if let Some(event) = decode(&key, stored)? {
            user = user.apply(&event);
        }
    }
    Ok((user, version))
}

fn encode(key: &DataKey, id: &str, event: &UserEvent) -> Result<NewEvent, Problem> {
    let kept = |profile: &Profile, status: Status, role: Role| {
        Ok::<_, Problem>(Kept {
            sealed: seal(key, id, &profile.personal)?,
            display_name: profile.display_name.clone(),
            tier: profile.tier,
            status,
            role,
        })
    };
    let (name, data) = match event {
        UserEvent::Created { profile, role } => (
            "UserCreated",
            serde_json::to_value(kept(profile, Status::Active, *role)?),
        ),
        // The role is given once, at the beginning.
        UserEvent::Changed { profile, status } => (
            "UserChanged",
            serde_json::to_value(kept(profile, *status, Role::default())?),
        ),
        UserEvent::Deleted => ("UserDeleted", Ok(json!({}))),
    };
    Ok(FORMS.new_event(name, data.map_err(DatabaseError::from)?))
}

/// `None` for a type or a form that this version does not know: it is kept, and skipped.
fn decode(key: &DataKey, stored: StoredEvent) -> Result<Option<UserEvent>, Problem> {
    let Some(stored) = FORMS.read(stored).map_err(DatabaseError::from)?.known() else {
        return Ok(None);
    };
    if stored.event_type == "UserDeleted" {
        return Ok(Some(UserEvent::Deleted));
    }
    let kept: Kept = serde_json::from_value(stored.data).map_err(DatabaseError::from)?;
    let profile = Profile {
        personal: unseal(key, &stored.aggregate_id, &kept.sealed)?,
        display_name: kept.display_name,
        tier: kept.tier,
    };
    Ok(Some(if stored.event_type == "UserCreated" {
        let role = kept.role;
        UserEvent::Created { profile, role }
    } else {
        let status = kept.status;
        UserEvent::Changed { profile, status }
    }))
}

/// Appends the events and tells the others; answers the new version.
fn append(
    tx: &Tx<'_>,
    id: &str,
    version: u64,
    events: &[UserEvent],
    key: &DataKey,
    context: &Context,
) -> Result<u64, Problem> {
    let stored: Vec<NewEvent> = events
        .iter()
        .map(|event| encode(key, id, event))
        .collect::<Result<_, _>>()?;
    event_store::append(tx, AGGREGATE, id, version, &stored, context).map_err(|error| match error {
        AppendError::Conflict { .. } | AppendError::Replaced { .. } => changed_meanwhile(),
        AppendError::Database(error) => error.into(),
    })?;
    for (version, event) in (version + 1..).zip(events) {
        let (name, display_name, tier, status) = match event {
            UserEvent::Created { profile, .. } => (
                "UserRegistered",
                Some(&profile.display_name),
                Some(profile.tier),
                Some(Status::Active),
            ),
            UserEvent::Changed { profile, status } => (
                "UserChanged",
                Some(&profile.display_name),
                Some(profile.tier),
                Some(*status),
            ),
            UserEvent::Deleted => ("UserDeleted", None, None, None),
        };
        let payload = json!({
            "user_id": id, "version": version, "display_name": display_name, "tier": tier, "status": status,
        });
        outbox::enqueue(tx, TOPIC, id, name, &payload, context)?;
    }
    Ok(version + events.len() as u64)
}

/// The number of the address, when no other user has it.
fn free_index(tx: &Tx<'_>, vault: &Vault, id: &str, profile: &Profile) -> Result<Vec<u8>, Problem> {
    let index = vault.index(&profile.personal.email);
    let taken: Option<String> = tx
        .prepare_cached("SELECT id FROM users WHERE email_index = ? AND id <> ?")?
        .query_row(params![index, id], |row| row.get(0))
        .optional()?;
    match taken {
        None => Ok(index),
        Some(_) => Err(address_taken()),
    }
}

/// 409.
pub(crate) fn address_taken() -> Problem {
    Problem {
        field: Some("email".into()),
        ..Problem::conflict("email_taken", "the address is taken").detail("log in, or give another address")
    }
}

fn check_version(expected: u64, actual: u64) -> Result<(), Problem> {
    if expected == actual {
        Ok(())
    } else {
        Err(changed_meanwhile())
    }
}

fn changed_meanwhile() -> Problem {
    Problem {
        field: Some("If-Match".into()),
        ..Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_meanwhile",
            "the user has changed",
        )
        .detail("read it again and decide again")
    }
}

/// The word of an enum as JSON has it.
fn word(value: impl Serialize) -> Result<String, Problem> {
    let value = serde_json::to_value(value).map_err(DatabaseError::from)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

/// And back.
pub(crate) fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T, DatabaseError> {
    Ok(serde_json::from_value(Value::String(word))?)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let title = refusal.to_string();
        match refusal {
            Refusal::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", &title),
            Refusal::Exists => Self::conflict("exists", &title),
        }
    }
}

impl From<DoesNotOpen> for Problem {
    fn from(error: DoesNotOpen) -> Self {
        tracing::error!("{error}");
        Self::internal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::faults::Switchboard;

    #[tokio::test]
    async fn the_first_form_of_a_registration_is_read_as_the_newest_and_what_is_unknown_is_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let db = Database::open(&folder.path().join("users.sqlite"), SCHEMA, Switchboard::idle()).expect("opens");
        let vault = Vault::new(&[1; 32]);
        let personal = Personal {
            email: "ada@example.org".into(),
            name: "Ada".into(),
        };
        let (user, stored) = db
            .write(move |tx| {
                let (key, sealed_key) = vault.new_key("u-1");
                tx.execute("INSERT INTO user_keys VALUES ('u-1', ?)", [sealed_key])?;
                let first_form = json!({ "sealed": seal(&key, "u-1", &personal)?, "role": "customer" });
                let events = [
                    NewEvent::new("UserCreated", &first_form).map_err(DatabaseError::from)?,
                    NewEvent::new("UserKnighted", &json!({ "title": "Dame" })).map_err(DatabaseError::from)?,
                ];
                event_store::append(tx, AGGREGATE, "u-1", 0, &events, &Context::default())
                    .map_err(|_| Problem::internal())?;
                Ok::<_, Problem>((load(tx, &vault, "u-1")?, event_store::load(tx, "u-1", 1)?))
            })
            .await
            .expect("written");
        let (User::Present { profile, role, .. }, 2) = user else {
            panic!("{user:?}")
        };
        assert_eq!(
            (profile.display_name.as_str(), profile.tier),
            ("customer", Tier::Standard)
        );
        assert_eq!((profile.personal.name.as_str(), role), ("Ada", Role::Customer));
        assert_eq!(stored[0].schema_version, 1, "what is stored stays as it was");
        assert_eq!(stored[1].event_type, "UserKnighted");
    }
}
