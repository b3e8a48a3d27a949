//! A refusal as `application/problem+json` (RFC 9457) with a stable code.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

/// What is answered instead of the thing asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Stable word, such as `out_of_stock`.
    pub code: String,
    /// What went wrong, in few words.
    pub title: String,
    /// The field it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What happened here, and what to do.
    #[serde(default)]
    pub detail: String,
    /// Every field at fault, when several were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Box<FieldErrors>>,
    /// Seconds after which to try again, as `Retry-After`.
    #[serde(skip)]
    pub retry_after_s: Option<u8>,
}

/// All that is wrong with a body, in the order of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldErrors(pub Vec<FieldError>);

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Which one.
    pub field: String,
    /// What it should be.
    pub detail: String,
}

impl FieldError {
    /// What `field` should be.
    #[must_use]
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

impl Problem {
    /// With status, code and a title.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, title: &str) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            title: title.to_owned(),
            field: None,
            detail: String::new(),
            errors: None,
            retry_after_s: None,
        }
    }

    /// 404.
    #[must_use]
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "not found").detail(format!("there is no {what} {id}"))
    }

    /// 400 for a field.
    #[must_use]
    pub fn bad_field(field: &str, detail: impl Into<String>) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, "bad_field", "field not understood")
        }
        .detail(detail)
    }

    /// 400 for all of these fields; the first stands for them where only one can be named.
    ///
    /// # Errors
    /// When there are any.
    pub fn unless_empty(errors: Vec<FieldError>) -> Result<(), Self> {
        match errors.first() {
            None => Ok(()),
            Some(first) => Err(Self {
                errors: Some(Box::new(FieldErrors(errors.clone()))),
                ..Self::bad_field(&first.field, first.detail.clone())
            }),
        }
    }

    /// 409: the state of things does not allow it.
    #[must_use]
    pub fn conflict(code: &str, title: &str) -> Self {
        Self::new(StatusCode::CONFLICT, code, title)
    }

    /// 503: try again later.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "not available now").detail(detail)
    }

    /// 500, without inner details for the client.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something failed inside")
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u8) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    /// Sets the detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_s;
        let mut response = (status, axum::Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
        }
        response
    }
}

/// An unexpected error: told to the log in full, to the client as 500.
impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!("request failed: {error:#}");
        Self::internal()
    }
}
