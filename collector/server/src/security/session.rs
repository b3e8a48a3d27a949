//! Log-in by link: a token in the address is traded for a cookie and disappears from the address.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{too_many_tries, unauthorised};
use crate::app::{App, count};
use crate::problem::Refusal;
use crate::query::params::Params;

/// `GET /login?token=…`; without a token it is a page like others.
pub(crate) async fn login(State(app): State<Arc<App>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let params = match Params::parse(query.as_deref()) {
        Ok(params) => params,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(token) = params.get("token") else {
        // Elsewhere than on loopback, strangers are shown nothing, not even an empty page.
        return if app.guard.open_reading {
            crate::pages::index(&app, &headers)
        } else {
            unauthorised().into_response()
        };
    };
    if !app.guard.token.matches(token.as_bytes()) {
        count(&app.counters.unauthorised);
        let refusal = if app.guard.throttle.allow(app.started.elapsed()) {
            unauthorised()
        } else {
            too_many_tries()
        };
        return refusal.into_response();
    }
    let cookie = format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict",
        app.guard.cookie,
        app.guard.session.as_str()
    );
    let Ok(cookie) = HeaderValue::try_from(cookie) else {
        return Refusal::unavailable("The session cannot be written.").into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static("/"));
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
