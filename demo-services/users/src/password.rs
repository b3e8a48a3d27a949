//! Passwords are kept as Argon2id hashes only. A hash takes memory and time on purpose, so only so many are made at once.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use shop_kit::problem::Problem;
use tokio::sync::Semaphore;

/// Memory of one hash, as the OWASP cheat sheet has it beside two passes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes at once: with their memory, what this service may take at most.
const AT_ONCE: usize = 1;
/// Hashes that may wait.
const WAITING: usize = 64;

/// Makes and checks hashes, off the async threads.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
        }
    }
}

/// A hash of nothing anybody knows: an unknown address takes as long as a wrong password.
static DECOY: LazyLock<String> = LazyLock::new(|| hash(&key_material()));

impl Passwords {
    /// The hash to keep.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        self.take_turn(move || hash(&password)).await
    }

    /// Is it the password of `kept`? `None` for a user who is not there: false, after as much work.
    pub(crate) async fn matches(&self, password: String, kept: Option<String>) -> Result<bool, Problem> {
        self.take_turn(move || {
            let known = kept.is_some();
            let kept = kept.unwrap_or_else(|| DECOY.clone());
            verifies(&password, &kept) && known
        })
        .await
    }

    async fn take_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || Problem::unavailable("too many logins at once; try again");
        let _place = self.queue.try_acquire().map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let answer = work();
            // The turn ends with the work, also when nobody waits for the answer any more.
            drop(turn);
            answer
        });
        done.await.map_err(|_| Problem::internal())
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("within the limits of Argon2");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> String {
    let salt = SaltString::encode_b64(&salt()).expect("sixteen bytes are a salt");
    let hash = argon2().hash_password(password.as_bytes(), &salt);
    hash.expect("any password can be hashed").to_string()
}

fn verifies(password: &str, kept: &str) -> bool {
    PasswordHash::new(kept).is_ok_and(|kept| argon2().verify_password(password.as_bytes(), &kept).is_ok())
}

fn salt() -> [u8; 16] {
    use aes_gcm::aead::rand_core::RngCore as _;
    let mut salt = [0; 16];
    aes_gcm::aead::OsRng.fill_bytes(&mut salt);
    salt
}

fn key_material() -> String {
    salt().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_and_tells_nothing_of_it() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse".into()).await.expect("hashed");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !kept.contains("horse"));
        let again = passwords.hash("correct horse".into()).await.expect("hashed");
        assert_ne!(kept, again, "a salt each");
        let matches = |password: &str, kept: Option<String>| passwords.matches(password.to_owned(), kept);
        assert_eq!(matches("correct horse", Some(kept.clone())).await, Ok(true));
        assert_eq!(matches("wrong horse", Some(kept)).await, Ok(false));
        assert_eq!(matches("correct horse", None).await, Ok(false));
        assert_eq!(matches("correct horse", Some("no hash".into())).await, Ok(false));
    }
}
