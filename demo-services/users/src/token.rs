//! Tokens: JWT signed with RS256. The public half of the key is there for everybody who checks them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::traits::PublicKeyParts as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::user::Role;

/// Who issues.
pub(crate) const ISSUER: &str = "sagascope-shop";
/// How long a token is good for.
pub(crate) const LIFETIME_SECONDS: u64 = 900;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user.
    pub(crate) sub: String,
    /// [`ISSUER`].
    pub(crate) iss: String,
    /// Made at, Unix seconds.
    pub(crate) iat: u64,
    /// Good until, Unix seconds.
    pub(crate) exp: u64,
    /// What it is good for, words with spaces between.
    pub(crate) scope: String,
}

/// One public key, as RFC 7517 writes it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublicKey {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    n: String,
    e: String,
}

/// Signs tokens.
pub(crate) struct Issuer {
    key: EncodingKey,
    public: PublicKey,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({})", self.public.kid)
    }
}

impl Issuer {
    /// With this key.
    pub(crate) fn new(key: &RsaPrivateKey) -> anyhow::Result<Self> {
        let (n, e) = (key.n().to_bytes_be(), key.e().to_bytes_be());
        let kid: String = Sha256::digest(&n).iter().take(8).map(|b| format!("{b:02x}")).collect();
        Ok(Self {
            key: EncodingKey::from_rsa_pem(key.to_pkcs8_pem(LineEnding::LF)?.as_bytes())?,
            public: PublicKey {
                kty: "RSA",
                usage: "sig",
                alg: "RS256",
                kid,
                n: BASE64.encode(n),
                e: BASE64.encode(e),
            },
        })
    }

    /// A token for a user, good for `scope` from `now` (Unix seconds) on.
    pub(crate) fn issue(&self, user_id: &str, scope: &str, now: u64) -> anyhow::Result<String> {
        let header = Header {
            kid: Some(self.public.kid.clone()),
            ..Header::new(Algorithm::RS256)
        };
        let claims = Claims {
            sub: user_id.to_owned(),
            iss: ISSUER.to_owned(),
            iat: now,
            exp: now.saturating_add(LIFETIME_SECONDS),
            scope: scope.to_owned(),
        };
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }

    /// What the signatures are checked with.
    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// What is granted: all that the role has, or those of the asked words that it has.
pub(crate) fn granted(role: Role, asked: Option<&str>) -> String {
    let scopes = role.scopes();
    match asked {
        None => scopes.join(" "),
        Some(asked) => {
            let words: Vec<&str> = scopes
                .iter()
                .copied()
                .filter(|scope| asked.split(' ').any(|word| word == *scope))
                .collect();
            words.join(" ")
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use std::sync::LazyLock;

    /// Made once for all tests: it takes a while.
    pub(crate) static KEY: LazyLock<RsaPrivateKey> =
        LazyLock::new(|| RsaPrivateKey::new(&mut aes_gcm::aead::OsRng, 2_048).expect("a key"));

    #[test]
    fn a_token_is_what_the_public_key_says() {
        let issuer = Issuer::new(&KEY).expect("an issuer");
        let token = issuer.issue("u-1", "profile", 1_000).expect("signed");
        let public = DecodingKey::from_rsa_components(&issuer.public.n, &issuer.public.e).expect("a public key");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        let read = jsonwebtoken::decode::<Claims>(&token, &public, &validation).expect("valid");
        let expected = Claims {
            sub: "u-1".into(),
            iss: ISSUER.into(),
            iat: 1_000,
            exp: 1_900,
            scope: "profile".into(),
        };
        assert_eq!(read.claims, expected);
        assert_eq!(read.header.kid, Some(issuer.public.kid.clone()));
        const { assert!(LIFETIME_SECONDS <= 3_600) };
        validation.validate_exp = true;
        let late = jsonwebtoken::decode::<Claims>(&token, &public, &validation);
        assert!(late.is_err(), "long over");
    }

    #[test]
    fn nobody_is_granted_more_than_the_role_has() {
        assert_eq!(granted(Role::Customer, Some("admin")), "");
        assert_eq!(granted(Role::Customer, Some("orders:write admin")), "orders:write");
        assert_eq!(granted(Role::Admin, Some("admin")), "admin");
        assert!(!granted(Role::Customer, None).contains("admin"));
    }
}
