//! What a service does in the background, when several processes share its data: one of them at a time does it.
//!
//! Who has the lock on a file beside the database is on duty. The kernel lets go of it when that process ends in any way,
//! and another that still lives takes over.

use std::any::Any;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::durable::Durable;
use crate::service::Service;

/// How often a process that is not on duty looks whether it should be.
const LOOK: Duration = Duration::from_millis(500);

/// The duties of this process, now or later. They end when this is dropped.
pub struct Duties {
    _begun: Option<Box<dyn Any + Send>>,
    _waiting: JoinSet<()>,
}

impl fmt::Debug for Duties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duties").finish_non_exhaustive()
    }
}

impl Duties {
    /// Relays what is committed in `durable`, and does what `begin` begins with, as soon as no other process does. A
    /// service without a cluster is alone with its data, and begins at once.
    ///
    /// # Errors
    /// When the lock cannot be made, or the beginning fails.
    pub fn share<T, F>(service: &Service, durable: Arc<Durable>, begin: F) -> anyhow::Result<Self>
    where
        F: FnOnce(&Service, &Durable) -> anyhow::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let service = service.clone();
        let all = {
            let service = service.clone();
            move || anyhow::Ok((durable.keep_up(&service)?, begin(&service, &durable)?, durable))
        };
        if !service.is_in_a_cluster() {
            return Ok(Self::begun(all()?));
        }
        let lock = service.database_path().with_extension("duty");
        if let Some(lock) = take(&lock)? {
            return Ok(Self::begun((lock, all()?)));
        }
        let mut waiting = JoinSet::new();
        waiting.spawn(async move {
            let lock = until_free(&lock).await;
            tracing::info!(
                service = service.name,
                "takes over what the service does in the background"
            );
            match all() {
                // For as long as this process lives.
                Ok(begun) => hold((lock, begun)).await,
                Err(error) => tracing::error!(service = service.name, "cannot take over: {error:#}"),
            }
        });
        Ok(Self {
            _begun: None,
            _waiting: waiting,
        })
    }

    fn begun(parts: impl Any + Send) -> Self {
        Self {
            _begun: Some(Box::new(parts)),
            _waiting: JoinSet::new(),
        }
    }
}

async fn hold<T>(_parts: T) {
    std::future::pending().await
}

async fn until_free(path: &Path) -> File {
    loop {
        tokio::time::sleep(LOOK).await;
        match take(path) {
            Ok(Some(lock)) => return lock,
            Ok(None) => {}
            Err(error) => tracing::warn!("{error:#}"),
        }
    }
}

/// The lock, when nobody else has it.
fn take(path: &Path) -> anyhow::Result<Option<File>> {
    let shown = || format!("cannot lock {}", path.display());
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(path);
    let file = file.with_context(shown)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_is_on_duty_and_the_next_takes_over_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payments.duty");
        let first = take(&path).unwrap().expect("nobody else");
        assert!(take(&path).unwrap().is_none());
        drop(first);
        let next = tokio::time::timeout(Duration::from_secs(20), until_free(&path));
        let _second = next.await.expect("takes over");
        assert!(take(&path).unwrap().is_none());
    }
}
