//! Refusals as `application/problem+json`.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sagascope_api::Problem;

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Problem,
    retry_after_seconds: Option<u64>,
}

pub(crate) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            problem: Problem {
                status: status.as_u16(),
                code: code.into(),
                title: title.into(),
                field: None,
                detail: detail.into(),
            },
            retry_after_seconds: None,
        }
    }

    /// 400 about one field or parameter.
    pub(crate) fn field(code: &str, field: &str, detail: impl Into<String>) -> Self {
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, code, "The request is not valid", detail);
        refusal.problem.field = Some(field.into());
        refusal
    }

    /// 404 for one thing of a kind.
    pub(crate) fn unknown(kind: &str, id: &str) -> Self {
        let id: String = id.chars().take(100).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            &format!("unknown_{kind}"),
            "Not found",
            format!("There is no {} `{id}` in the live window.", kind.replace('_', " ")),
        )
    }

    /// 503 until the log is replayed, or while stopping.
    pub(crate) fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not ready", detail).retry_after(1)
    }

    /// What happened, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.problem.detail
    }

    #[cfg(test)]
    pub(crate) const fn problem(&self) -> &Problem {
        &self.problem
    }

    pub(crate) const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
