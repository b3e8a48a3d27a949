//! Who may ask what: host, origin, token, media type; checked before routing, in this order.
//!
//! Reading is open on loopback. Control (every method but GET and HEAD under `/api/v1`, and the fault stream) needs the token
//! or a session always; bound elsewhere everything but health and log-in does.

mod headers;
mod hosts;
mod origin;
mod secret;
mod session;
mod throttle;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use tonic::Status;

use crate::app::{App, count};
use crate::config::Ports;
use crate::problem::Refusal;
use crate::receive::forbidden;
pub(crate) use headers::set as set_headers;
pub(crate) use hosts::Hosts;
pub(crate) use secret::{Secret, SecretError};
pub(crate) use session::login;
use throttle::Throttle;

/// What the checks need to know.
pub(crate) struct Guard {
    pub(crate) token: Secret,
    pub(crate) session: Secret,
    pub(crate) cookie: String,
    pub(crate) api_hosts: Hosts,
    pub(crate) otlp_hosts: Hosts,
    pub(crate) grpc_hosts: Hosts,
    /// Bound to loopback: reading is open.
    pub(crate) open_reading: bool,
    pub(crate) throttle: Throttle,
}

impl Guard {
    pub(crate) fn new(token: Secret, session: Secret, bind: IpAddr, allowed: &[String], ports: Ports) -> Self {
        let hosts = |port| Hosts::new(bind, port, allowed);
        Self {
            token,
            session,
            cookie: format!("sagascope_{}", ports.api),
            api_hosts: hosts(ports.api),
            otlp_hosts: hosts(ports.http),
            grpc_hosts: hosts(ports.grpc),
            open_reading: bind.is_loopback(),
            throttle: Throttle::default(),
        }
    }

    /// By token or by session; a session alone counts only with proof that our own page asks.
    fn identify(&self, headers: &HeaderMap, same_origin: bool) -> Identity {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .map(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match bearer {
            Some(Some(token)) if self.token.matches(token) => return Identity::Known,
            Some(_) => return Identity::Wrong,
            None => {}
        }
        match session::cookie(headers, &self.cookie) {
            Some(value) if self.session.matches(value.as_bytes()) && same_origin => Identity::Known,
            _ => Identity::Unknown,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    Known,
    Unknown,
    Wrong,
}

/// Before every request to page, API, live stream and control.
pub(crate) async fn guard_api(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match check(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    set_headers(response.headers_mut());
    response
}

/// Before every OTLP request over HTTP: host and origin only.
pub(crate) async fn guard_otlp(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match check_otlp(&app, &app.guard.otlp_hosts, &request) {
        Err(why) => forbidden(request.headers(), why),
        Ok(()) => next.run(request).await,
    };
    set_headers(response.headers_mut());
    response
}

/// Before every OTLP request over gRPC: the same, refused in gRPC's own way. Its clients name us by `:authority`.
pub(crate) async fn guard_grpc(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match check_otlp(&app, &app.guard.grpc_hosts, &request) {
        Err(why) => Status::permission_denied(why).into_http(),
        Ok(()) => next.run(request).await,
    }
}

fn check_otlp(app: &App, hosts: &Hosts, request: &Request) -> Result<(), &'static str> {
    let why = if hosts.check(request.uri(), request.headers()).is_err() {
        FORBIDDEN_HOST
    } else if origin::is_foreign(request.headers()) {
        FORBIDDEN_ORIGIN
    } else {
        return Ok(());
    };
    count(&app.counters.forbidden);
    Err(why)
}

fn check(app: &App, request: &Request) -> Result<(), Refusal> {
    let (headers, path) = (request.headers(), request.uri().path());
    if app.guard.api_hosts.check(request.uri(), headers).is_err() {
        count(&app.counters.forbidden);
        return Err(forbidden_host());
    }
    let opens_page = request.method() == Method::GET && !path.starts_with("/api/") && origin::is_navigation(headers);
    if origin::is_foreign(headers) && !opens_page {
        count(&app.counters.forbidden);
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "Another site may not ask this",
            "Open the page of this collector itself.",
        ));
    }
    if needs_token(app, request) {
        authorise(app, request)?;
    }
    if changes(request.method()) && path.starts_with("/api/") && request.method() != Method::DELETE && !is_json(headers)
    {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json_only",
            "Only JSON is taken",
            "Send the body with Content-Type: application/json.",
        ));
    }
    Ok(())
}

fn authorise(app: &App, request: &Request) -> Result<(), Refusal> {
    let proven = origin::is_same_origin(request.headers())
        || (request.method() == Method::GET && origin::is_navigation(request.headers()));
    let identity = app.guard.identify(request.headers(), proven);
    if identity == Identity::Known {
        return Ok(());
    }
    count(&app.counters.unauthorised);
    if identity == Identity::Wrong && !app.guard.throttle.allow(app.started.elapsed()) {
        return Err(too_many_tries());
    }
    Err(unauthorised())
}

fn needs_token(app: &App, request: &Request) -> bool {
    let path = request.uri().path();
    let control = changes(request.method()) || path == "/api/v1/faults/stream";
    // A browser always names the page's origin when it opens a WebSocket; who does not must show the token.
    let nameless_socket =
        request.headers().contains_key(header::UPGRADE) && !request.headers().contains_key(header::ORIGIN);
    let public = matches!(path, "/healthz" | "/readyz" | "/login");
    control || nameless_socket || (!app.guard.open_reading && !public)
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

const FORBIDDEN_HOST: &str =
    "Ask by localhost or 127.0.0.1 with the port, or start the collector with --allowed-host NAME.";

const FORBIDDEN_ORIGIN: &str = "Pages of other sites may not send telemetry: send it from a program, or through one.";

fn forbidden_host() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "unknown_host",
        "Not a name of this collector",
        FORBIDDEN_HOST,
    )
}

fn unauthorised() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "token_needed",
        "The token is needed",
        "Send Authorization: Bearer TOKEN (it is in <data-dir>/token), or open the log-in link that was printed at start.",
    )
}

fn too_many_tries() -> Refusal {
    Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_wrong_tokens",
        "Too many wrong tokens",
        "Look the token up in <data-dir>/token, then try again.",
    )
    .retry_after(60)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
