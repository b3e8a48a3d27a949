//! Tokens for tests, signed with a key that was made for this run.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).expect("a key"));

/// A token that says `claims`.
pub(crate) fn sign(claims: &Value, kid: &str) -> String {
    let pem = KEY.to_pkcs8_pem(LineEnding::LF).expect("has a form");
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("reads");
    let header = Header {
        kid: Some(kid.to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    jsonwebtoken::encode(&header, claims, &key).expect("signed")
}

/// One that says so without a signature.
pub(crate) fn unsigned(claims: &Value) -> String {
    let header = json!({ "alg": "none", "typ": "JWT", "kid": "test" });
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}.", part(&header), part(claims))
}

/// What it is checked with.
pub(crate) fn public() -> DecodingKey {
    let (n, e) = components();
    DecodingKey::from_rsa_components(&n, &e).expect("a key")
}

/// The same as the users service says it.
pub(crate) fn published() -> Value {
    let (n, e) = components();
    json!({ "keys": [{ "kty": "RSA", "alg": "RS256", "kid": "test", "n": n, "e": e }] })
}

fn components() -> (String, String) {
    (
        BASE64.encode(KEY.n().to_bytes_be()),
        BASE64.encode(KEY.e().to_bytes_be()),
    )
}
