//! Demo shop: users. Registration, profiles, logins and the tokens that the gateway checks.
//!
//! To see the rules, open `register_user.rs`, `change_user.rs` and `delete_user.rs`; to see how e-mail addresses and
//! names are kept, `vault.rs`.

mod change_user;
mod delete_user;
mod http;
mod key_files;
mod list;
mod password;
mod register_user;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod user;
mod validation;
mod vault;

use std::sync::Arc;

use anyhow::Context as _;
use sagascope_conventions::FaultKind;
use shop_kit::capabilities::{DATABASE, narrowable};
use shop_kit::durable::Durable;
use shop_kit::service::Service;

use crate::http::Users;
use crate::password::Passwords;
use crate::token::Issuer;
use crate::vault::Vault;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When its port is taken, its database cannot be opened, or its keys do not fit its data.
pub async fn run() -> anyhow::Result<()> {
    let faults = narrowable(http::OPERATIONS, &[&DATABASE, &[FaultKind::StoppedOutboxRelay]]);
    let service = Service::start("users", faults)?;
    let durable = Durable::open(&service, store::SCHEMA)?;
    let folder = service
        .database_path()
        .parent()
        .context("the database has a folder")?
        .to_owned();
    // Making a new RSA key takes a moment of pure computation.
    let (vault, issuer, admin_password) = tokio::task::spawn_blocking(move || {
        anyhow::Ok((
            Vault::new(&key_files::master_key(&folder)?),
            Issuer::new(&key_files::signing_key(&folder)?)?,
            key_files::admin_password(&folder)?,
        ))
    })
    .await??;
    let users = Users {
        db: durable.db.clone(),
        vault: Arc::new(vault),
        issuer: Arc::new(issuer),
        passwords: Passwords::default(),
    };
    store::check_vault(&users.db, Arc::clone(&users.vault)).await?;
    http::ensure_admin(&users, admin_password).await?;
    service.serve(http::router(users), durable.readiness()).await
}
