//! Before each request: whose is it, may they, and not too often. Around it: which pages of others may read the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use shop_kit::problem::Problem;
use tokio::time::Instant;

use crate::identity::{ADMIN, BadToken, Checker, Identity};
use crate::rate_limit::RateLimit;

/// Requests a minute for each user.
const PER_MINUTE: u32 = 100;
/// Logins a minute for each address, right or wrong.
const LOGINS_PER_MINUTE: u32 = 20;

/// Who needs a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Nobody, to shop: guests are welcome. A token that is sent counts all the same.
    #[default]
    Optional,
    /// Whoever changes something or reads orders.
    Required,
}

impl Auth {
    /// As `SAGASCOPE_AUTH` says.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        match std::env::var("SAGASCOPE_AUTH").as_deref() {
            Err(_) | Ok("" | "optional") => Ok(Self::Optional),
            Ok("required") => Ok(Self::Required),
            Ok(other) => anyhow::bail!("SAGASCOPE_AUTH must be optional or required, not {other:?}"),
        }
    }
}

/// Who asks, as handlers are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visitor(pub(crate) Option<Identity>);

/// What guards need.
#[derive(Clone)]
pub(crate) struct Guard {
    auth: Auth,
    checker: Checker,
    requests: Arc<Mutex<RateLimit>>,
    logins: Arc<Mutex<RateLimit>>,
    origins: Arc<[HeaderValue]>,
    began: Instant,
}

impl Guard {
    /// `origins`: pages that may read answers.
    pub(crate) fn new(auth: Auth, checker: Checker, origins: &[String]) -> Self {
        let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
        Self {
            auth,
            checker,
            requests: Arc::new(Mutex::new(RateLimit::new(PER_MINUTE))),
            logins: Arc::new(Mutex::new(RateLimit::new(LOGINS_PER_MINUTE))),
            origins: origins.collect(),
            began: Instant::now(),
        }
    }

    /// The visitor may do what needs `scope`: a guest while nobody needs a token, a user who has it.
    pub(crate) fn allow(&self, visitor: &Visitor, scope: &str) -> Result<(), Problem> {
        match (&visitor.0, self.auth) {
            (None, Auth::Optional) => Ok(()),
            _ => scoped(visitor, scope).map(drop),
        }
    }

    /// The visitor may see what belongs to a user: a guest while nobody needs a token, the user, an administrator.
    pub(crate) fn allow_own(&self, visitor: &Visitor, owner: &str) -> Result<(), Problem> {
        match (&visitor.0, self.auth) {
            (None, Auth::Optional) => Ok(()),
            (None, Auth::Required) => Err(token_needed()),
            (Some(identity), _) if identity.is(owner) => Ok(()),
            (Some(_), _) => Err(not_yours()),
        }
    }

    /// The visitor may see what belongs to all: guests and users while nobody needs a token, else administrators.
    pub(crate) fn allow_all(&self, visitor: &Visitor) -> Result<(), Problem> {
        match self.auth {
            Auth::Optional => Ok(()),
            Auth::Required => scoped(visitor, ADMIN).map(drop),
        }
    }

    /// One more login of an address; how long to wait when it is one too many.
    pub(crate) fn admit_login(&self, email: &str) -> Result<(), Duration> {
        self.admit(&self.logins, &email.to_ascii_lowercase())
    }

    fn admit(&self, limit: &Mutex<RateLimit>, who: &str) -> Result<(), Duration> {
        let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.admit(who, self.began.elapsed())
    }

    async fn identify(&self, headers: &HeaderMap, method: &Method) -> Result<Visitor, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(Visitor(None));
        };
        let token = value.to_str().ok().and_then(bearer).ok_or(BadToken::Invalid)?;
        match self.checker.check(token).await {
            Ok(identity) => Ok(Visitor(Some(identity))),
            // Browsing goes on while the users service is away.
            Err(BadToken::NoKeys) if method.is_safe() => Ok(Visitor(None)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Layer: tells handlers who asks, and counts.
pub(crate) async fn identify(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let visitor = match guard.identify(request.headers(), request.method()).await {
        Ok(visitor) => visitor,
        Err(problem) => return refused(problem),
    };
    if let Some(identity) = &visitor.0
        && let Err(wait) = guard.admit(&guard.requests, &identity.user_id)
    {
        return too_many(wait);
    }
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// Layer: answers to pages of other origins.
pub(crate) async fn share(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let asks_first =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_first {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin.filter(|origin| guard.origins.contains(origin)) else {
        return response;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("etag, location, retry-after, x-correlation-id, x-degraded"),
    );
    if asks_first {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, DELETE"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, idempotency-key, if-match, x-correlation-id"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

/// The identity, when it has the scope; for what no guest may do.
pub(crate) fn scoped<'a>(visitor: &'a Visitor, scope: &str) -> Result<&'a Identity, Problem> {
    let identity = visitor.0.as_ref().ok_or_else(token_needed)?;
    if identity.has(scope) || identity.has(ADMIN) {
        return Ok(identity);
    }
    Err(
        Problem::new(StatusCode::FORBIDDEN, "scope_missing", "the token is not good for this")
            .detail(format!("log in with the scope {scope}")),
    )
}

/// 429, with when to come again.
pub(crate) fn too_many(wait: Duration) -> Response {
    // Rounded up: whoever comes back then is let in.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "too many requests")
        .detail(format!("come again in {seconds} s"));
    ([(header::RETRY_AFTER, seconds.to_string())], problem).into_response()
}

/// 401, with what to do.
pub(crate) fn token_needed() -> Problem {
    Problem {
        field: Some("Authorization".into()),
        ..Problem::new(StatusCode::UNAUTHORIZED, "token_needed", "a token is needed")
            .detail("log in, and send `Authorization: Bearer` with the token: POST /api/v1/login")
    }
}

/// 403: somebody else's.
pub(crate) fn not_yours() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "not_yours", "this belongs to another user")
}

/// A refusal; of a token with the header that RFC 6750 asks for.
fn refused(problem: Problem) -> Response {
    let is_token = problem.status == StatusCode::UNAUTHORIZED.as_u16();
    let mut response = problem.into_response();
    if is_token {
        let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
