//! Who asks: the token of a request, checked against the public keys of the users service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use shop_kit::caller::Caller;
use shop_kit::clock;
use shop_kit::problem::Problem;
use tokio::time::Instant;

/// Who issues tokens here.
const ISSUER: &str = "sagascope-shop";
/// Longest token looked at.
const MAX_TOKEN: usize = 4 * 1024;
/// A key that nobody has heard of is asked for at most so often.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// Most keys kept.
const MAX_KEYS: usize = 16;

/// Scope of those who may see and do everything.
pub(crate) const ADMIN: &str = "admin";

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Identity {
    /// The user.
    #[serde(rename = "sub")]
    pub(crate) user_id: String,
    scope: String,
    exp: u64,
}

impl Identity {
    /// For tests: a user with these scopes.
    #[cfg(test)]
    pub(crate) fn of(user_id: &str, scope: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            scope: scope.to_owned(),
            exp: u64::MAX,
        }
    }

    /// May this be done?
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|word| word == scope)
    }

    /// The user, or one who may see everything.
    pub(crate) fn is(&self, user_id: &str) -> bool {
        self.user_id == user_id || self.has(ADMIN)
    }
}

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadToken {
    /// It is no token of ours.
    #[error("the token is not valid")]
    Invalid,
    /// It was one.
    #[error("the token has expired")]
    Expired,
    /// Nobody can say now.
    #[error("tokens cannot be checked now")]
    NoKeys,
}

impl From<BadToken> for Problem {
    fn from(error: BadToken) -> Self {
        match error {
            BadToken::NoKeys => Self::unavailable("tokens cannot be checked now; try again"),
            BadToken::Invalid | BadToken::Expired => Self {
                field: Some("Authorization".into()),
                ..Self::new(StatusCode::UNAUTHORIZED, "bad_token", &error.to_string())
                    .detail("log in again: POST /api/v1/login")
            },
        }
    }
}

/// Checks tokens; keeps the keys. Clones share them.
#[derive(Clone)]
pub(crate) struct Checker {
    users: Caller,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<String, DecodingKey>,
    asked: Option<Instant>,
}

/// A public key as RFC 7517 writes it.
#[derive(Deserialize)]
struct PublicKey {
    kid: String,
    n: String,
    e: String,
}

#[derive(Deserialize)]
struct PublicKeys {
    keys: Vec<PublicKey>,
}

impl Checker {
    /// Keys come from this service.
    pub(crate) fn new(users: Caller) -> Self {
        Self {
            users,
            keys: Arc::default(),
        }
    }

    /// The identity that a token stands for.
    pub(crate) async fn check(&self, token: &str) -> Result<Identity, BadToken> {
        if token.len() > MAX_TOKEN {
            return Err(BadToken::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Invalid)?;
        // Said before any key is asked for: what is not signed as agreed is worth no question.
        let kid = header
            .kid
            .filter(|_| header.alg == Algorithm::RS256)
            .ok_or(BadToken::Invalid)?;
        let key = match self.key(&kid) {
            Some(key) => key,
            None => self.ask_for(&kid).await?,
        };
        read(token, &key, clock::unix_nanos_now() / 1_000_000_000)
    }

    fn key(&self, kid: &str) -> Option<DecodingKey> {
        self.lock().by_id.get(kid).cloned()
    }

    async fn ask_for(&self, kid: &str) -> Result<DecodingKey, BadToken> {
        let now = Instant::now();
        let may_ask = {
            let mut keys = self.lock();
            let may = keys.asked.is_none_or(|asked| now.duration_since(asked) >= ASK_EVERY);
            if may {
                keys.asked = Some(now);
            }
            may || keys.by_id.is_empty()
        };
        if may_ask {
            let public: PublicKeys = self.users.get("/api/v1/keys").await.map_err(|_| BadToken::NoKeys)?;
            let mut keys = self.lock();
            keys.by_id.clear();
            for key in public.keys.into_iter().take(MAX_KEYS) {
                if let Ok(decoding) = DecodingKey::from_rsa_components(&key.n, &key.e) {
                    keys.by_id.insert(key.kid, decoding);
                }
            }
        }
        self.key(kid).ok_or(BadToken::Invalid)
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signature, issuer and time; `now` in Unix seconds.
fn read(token: &str, key: &DecodingKey, now: u64) -> Result<Identity, BadToken> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    // The time is an argument here.
    validation.validate_exp = false;
    let identity = jsonwebtoken::decode::<Identity>(token, key, &validation)
        .map_err(|_| BadToken::Invalid)?
        .claims;
    if identity.exp <= now {
        return Err(BadToken::Expired);
    }
    Ok(identity)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::test_keys;
    use serde_json::{Value, json};

    fn claims(change: impl Fn(&mut Value)) -> Value {
        let mut claims = json!({ "sub": "u-1", "iss": ISSUER, "exp": 2_000, "scope": "profile orders:write" });
        change(&mut claims);
        claims
    }

    fn read_at(token: &str, now: u64) -> Result<Identity, BadToken> {
        read(token, &test_keys::public(), now)
    }

    #[test]
    fn a_good_token_until_it_is_over() {
        let token = test_keys::sign(&claims(|_| {}), "test");
        let identity = read_at(&token, 1_999).expect("good");
        assert!(identity.is("u-1") && !identity.is("u-2"));
        assert!(identity.has("orders:write") && !identity.has("orders"));
        assert_eq!(read_at(&token, 2_000), Err(BadToken::Expired));
    }

    #[test]
    fn whoever_has_all_is_everybody() {
        assert!(Identity::of("u-1", "admin").is("u-2"));
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let cases = [
            claims(|claims| claims["iss"] = "somebody".into()),
            claims(|claims| claims["sub"] = Value::Null),
            claims(|claims| claims["exp"] = "never".into()),
            claims(|claims| claims["scope"] = Value::Null),
            json!({}),
        ];
        for case in cases {
            let token = test_keys::sign(&case, "test");
            assert_eq!(read_at(&token, 1_000), Err(BadToken::Invalid), "{case}");
        }
        let token = test_keys::sign(&claims(|_| {}), "test");
        let (body, signature) = token.rsplit_once('.').expect("three parts");
        for forged in [
            "".to_owned(),
            "a.b.c".to_owned(),
            format!("{body}."),
            format!("{body}.{}", signature.replace(['A', 'b'], "C")),
            test_keys::unsigned(&claims(|_| {})),
        ] {
            assert_eq!(read_at(&forged, 1_000), Err(BadToken::Invalid), "{forged}");
        }
    }
}
