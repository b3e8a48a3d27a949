//! Personal data at rest: AES-256-GCM under a key per user, which is itself sealed by the master key.
//!
//! With the user's key the user's data is gone, in the event store too, where nothing is ever deleted. Whose data a
//! sealed text is stands in its authentication: it does not open in another user's place.

use aes_gcm::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Bytes of a nonce, which stands before what it sealed.
const NONCE: usize = 12;

/// Sealed with another key, for another user, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed data does not open with this key")]
pub(crate) struct DoesNotOpen;

/// Keeper of the master key.
pub(crate) struct Vault {
    master: DataKey,
    index: Hmac<Sha256>,
}

/// A key that seals and opens.
#[derive(Clone)]
pub(crate) struct DataKey(Aes256Gcm);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Under this master key.
    pub(crate) fn new(master: &[u8; 32]) -> Self {
        // The index has a key of its own: what is known of one says nothing of the other.
        let derived = mac(master).chain_update(b"index of addresses").finalize().into_bytes();
        Self {
            master: DataKey(Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(master))),
            index: mac(&derived),
        }
    }

    /// A new key for a user, and its sealed form to be kept.
    pub(crate) fn new_key(&self, user_id: &str) -> (DataKey, String) {
        let key = Aes256Gcm::generate_key(OsRng);
        let sealed = self.master.seal(user_id, &key);
        (DataKey(Aes256Gcm::new(&key)), sealed)
    }

    /// The key of a user from its sealed form.
    pub(crate) fn key(&self, user_id: &str, sealed: &str) -> Result<DataKey, DoesNotOpen> {
        let bytes = self.master.open(user_id, sealed)?;
        Aes256Gcm::new_from_slice(&bytes).map(DataKey).map_err(|_| DoesNotOpen)
    }

    /// Finds an address without reading any: equal addresses, in any case of letters, have equal numbers.
    pub(crate) fn index(&self, email: &str) -> Vec<u8> {
        let folded = email.to_ascii_lowercase();
        self.index.clone().chain_update(folded).finalize().into_bytes().to_vec()
    }

    /// Something to tell later whether the master key is still the same.
    pub(crate) fn proof(&self) -> String {
        self.master.seal("proof", b"the master key")
    }

    /// Is this a [`Vault::proof`] of the same key?
    pub(crate) fn proves(&self, proof: &str) -> bool {
        self.master.open("proof", proof).is_ok()
    }
}

impl DataKey {
    /// Seals `plain` for the user.
    pub(crate) fn seal(&self, user_id: &str, plain: &[u8]) -> String {
        let nonce = Aes256Gcm::generate_nonce(OsRng);
        let payload = Payload {
            msg: plain,
            aad: user_id.as_bytes(),
        };
        let sealed = self.0.encrypt(&nonce, payload).expect("shorter than 64 GiB");
        BASE64.encode([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for the user.
    pub(crate) fn open(&self, user_id: &str, sealed: &str) -> Result<Vec<u8>, DoesNotOpen> {
        let bytes = BASE64.decode(sealed).map_err(|_| DoesNotOpen)?;
        let (nonce, msg) = bytes.split_at_checked(NONCE).ok_or(DoesNotOpen)?;
        let payload = Payload {
            msg,
            aad: user_id.as_bytes(),
        };
        self.0
            .decrypt(Nonce::from_slice(nonce), payload)
            .map_err(|_| DoesNotOpen)
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(key).expect("any length is a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_for_its_user_alone() {
        let vault = Vault::new(&[1; 32]);
        let (key, kept) = vault.new_key("u-1");
        let sealed = key.seal("u-1", b"ada@example.org");
        assert!(!sealed.contains("ada"));
        assert_ne!(sealed, key.seal("u-1", b"ada@example.org"), "a nonce each time");
        let key = vault.key("u-1", &kept).expect("opens");
        assert_eq!(key.open("u-1", &sealed), Ok(b"ada@example.org".to_vec()));
        assert_eq!(key.open("u-2", &sealed), Err(DoesNotOpen));
        assert_eq!(vault.new_key("u-1").0.open("u-1", &sealed), Err(DoesNotOpen));
        assert!(Vault::new(&[2; 32]).key("u-1", &kept).is_err());
    }

    #[test]
    fn damage_is_noticed() {
        let (key, _) = Vault::new(&[1; 32]).new_key("u-1");
        let sealed = key.seal("u-1", b"ada");
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone().into_bytes();
            damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).expect("ASCII");
            assert_eq!(key.open("u-1", &damaged), Err(DoesNotOpen), "at {place}");
        }
        for text in ["", "AAAA", "no base64!"] {
            assert_eq!(key.open("u-1", text), Err(DoesNotOpen));
        }
    }

    #[test]
    fn addresses_are_found_in_any_case_and_the_key_proves_itself() {
        let (one, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        assert_eq!(one.index("Ada@Example.org"), one.index("ada@example.org"));
        assert_ne!(one.index("ada@example.org"), one.index("eve@example.org"));
        assert_ne!(one.index("ada@example.org"), other.index("ada@example.org"));
        assert!(one.proves(&one.proof()) && !other.proves(&one.proof()));
    }
}
