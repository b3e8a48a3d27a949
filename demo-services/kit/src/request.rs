//! Reading requests: JSON bodies and idempotency keys; what cannot be taken is answered with the field it is about.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::database::DatabaseError;
use crate::idempotency::Answer;
use crate::problem::Problem;

/// Longest body taken.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Longest id taken from outside.
pub const MAX_ID_LENGTH: usize = 64;
/// Longest key taken.
const MAX_KEY: usize = 128;
/// Header that makes a command repeatable.
const KEY_HEADER: &str = "idempotency-key";

/// A JSON body as a type.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "not_json", "the body is not JSON").detail("send application/json"));
        }
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| {
                let detail = format!("send at most {MAX_BODY_BYTES} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large").detail(detail)
            })?;
        parse(&bytes).map(Self)
    }
}

/// The `Idempotency-Key` header, when it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// The key.
    ///
    /// # Errors
    /// 400 when there is none.
    pub fn required(self) -> Result<String, Problem> {
        self.0.ok_or_else(|| {
            Problem::bad_field(
                "Idempotency-Key",
                "send this header: a key that is new for each command",
            )
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(KEY_HEADER) else {
            return Ok(Self(None));
        };
        let usable = |key: &&str| !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|b| b.is_ascii_graphic());
        let key = value.to_str().ok().filter(usable).ok_or_else(|| {
            Problem::bad_field(
                "Idempotency-Key",
                format!("give 1 to {MAX_KEY} printable characters without spaces"),
            )
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = if status.is_success() {
            "application/json"
        } else {
            "application/problem+json"
        };
        (status, [(header::CONTENT_TYPE, kind)], self.body.to_string()).into_response()
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let body = serde_json::json!(problem);
        Self {
            status: problem.status,
            body,
        }
    }
}

/// Told to the log in full, to the client as a failure that may pass.
impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        tracing::error!("request failed: {error}");
        match error {
            DatabaseError::Closed | DatabaseError::Commit(_) => {
                Self::unavailable("the database did not take it; try again")
            }
            _ => Self::internal(),
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

/// Ids go into URLs, keys and screens: plain words only.
///
/// # Errors
/// 400 naming `field`.
pub fn check_id(field: &str, id: &str) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > MAX_ID_LENGTH || !id.chars().all(plain) {
        let detail = format!("give 1 to {MAX_ID_LENGTH} letters, digits, `-`, `_` or `.`");
        return Err(Problem::bad_field(field, detail));
    }
    Ok(())
}

/// A moment as RFC 3339 or unix nanoseconds, in unix nanoseconds.
///
/// # Errors
/// 400 naming `field`.
pub fn parse_time(field: &str, text: &str) -> Result<u64, Problem> {
    let nanos = text.parse().ok().or_else(|| {
        let time: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(time.as_nanosecond()).ok()
    });
    nanos.ok_or_else(|| Problem::bad_field(field, "give a time as 2026-01-31T12:00:00Z, or unix nanoseconds"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The content of a message as a type.
///
/// # Errors
/// 400 naming the field at fault.
pub fn decoded<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner().to_string());
        Problem::bad_field(&field(&path, &inner), inner)
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner().to_string());
        Problem::bad_field(&field(&path, &inner), inner)
    })?;
    json.end()
        .map_err(|error| Problem::bad_field("body", error.to_string()))?;
    Ok(value)
}

/// The path of the field at fault; of a missing one the path ends at its parent, and the message has its name.
fn field(path: &str, message: &str) -> String {
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    match (path, missing) {
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
        (".", None) => "body".to_owned(),
        (path, None) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn ids_are_plain_words() {
        for id in ["order-123", "a", "A_b.c", &"x".repeat(64)] {
            assert!(check_id("id", id).is_ok(), "{id}");
        }
        for id in ["", "a b", "a/../b", "\u{1b}[2J", "\u{202e}x", &"x".repeat(65)] {
            assert_eq!(
                check_id("id", id).expect_err("refused").field.as_deref(),
                Some("id"),
                "{id:?}"
            );
        }
    }

    #[test]
    fn times_are_text_or_nanoseconds() {
        for text in ["1970-01-01T00:00:01.5Z", "1970-01-01T01:00:01.5+01:00", "1500000000"] {
            assert_eq!(parse_time("as_of", text), Ok(1_500_000_000));
        }
        for text in ["", "yesterday", "-1", "1969-12-31T23:59:59Z", "99999999999999999999999"] {
            assert_eq!(
                parse_time("as_of", text).expect_err("refused").field.as_deref(),
                Some("as_of")
            );
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "read by the parser only")]
        items: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "read by the parser only")]
        quantity: u32,
    }

    fn refused_field(body: &str) -> String {
        let problem = parse::<Order>(body.as_bytes()).expect_err("refused");
        assert_eq!(problem.status, 400);
        problem.field.expect("names a field")
    }

    #[test]
    fn the_field_at_fault_is_named() {
        assert!(parse::<Order>(br#"{"items":[{"quantity":1}]}"#).is_ok());
        assert_eq!(refused_field("{}"), "items");
        assert_eq!(refused_field(r#"{"items":[{"quantity":1},{}]}"#), "items[1].quantity");
        assert_eq!(refused_field(r#"{"items":[{"quantity":-1}]}"#), "items[0].quantity");
        assert_eq!(
            refused_field(r#"{"items":[{"quantity":1,"colour":2}]}"#),
            "items[0].colour"
        );
        assert_eq!(refused_field(r#"{"items":3}"#), "items");
        assert_eq!(refused_field("not json"), "body");
        assert_eq!(refused_field(r#"{"items":[]} tail"#), "body");
    }
}
