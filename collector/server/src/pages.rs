//! The web page: index.html for its own paths, files by exact name, nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::app::App;
use crate::assets::Asset;
use crate::problem::Refusal;

/// Paths that are the page itself, and those that take one more segment.
const PAGES: &[&str] = &[
    "/",
    "/sagas",
    "/traces",
    "/logs",
    "/explore",
    "/breakers",
    "/read-models",
    "/map",
    "/alerts",
    "/chaos",
    "/lab",
    "/login",
];
const PAGES_WITH_ID: &[&str] = &["/sagas/", "/saga-types/", "/traces/", "/breakers/", "/correlations/"];

/// Everything that no route took.
pub(crate) async fn fallback(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return not_found("There is no such path; GET /api/v1/openapi.json lists them.");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed().await;
    }
    if is_page(path) {
        return index(&app, request.headers());
    }
    match app.config.assets.find(path) {
        Some(asset) => serve(asset, request.headers()),
        None => not_found("There is no such page."),
    }
}

/// A path that is known, asked in the wrong way.
pub(crate) async fn method_not_allowed() -> Response {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Method not allowed",
        "GET /api/v1/openapi.json lists what each path takes.",
    )
    .into_response()
}

/// The page.
pub(crate) fn index(app: &App, headers: &HeaderMap) -> Response {
    match app.config.assets.find("/index.html") {
        Some(asset) => serve(asset, headers),
        None => not_found("This collector was built without its page."),
    }
}

fn not_found(detail: &str) -> Response {
    Refusal::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail).into_response()
}

fn is_page(path: &str) -> bool {
    let with_id = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|id| !id.is_empty() && !id.contains('/'))
    };
    PAGES.contains(&path) || PAGES_WITH_ID.iter().any(|prefix| with_id(prefix))
}

fn serve(asset: Asset, headers: &HeaderMap) -> Response {
    let Asset {
        bytes,
        brotli,
        content_type,
        immutable,
    } = asset;
    let (bytes, compressed) = match brotli {
        Some(brotli) if takes_brotli(headers) => (brotli, true),
        _ => (bytes, false),
    };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    let keep = if immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let lines = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("br") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_those_listed() {
        for page in [
            "/",
            "/sagas",
            "/sagas/o-1",
            "/saga-types/order",
            "/traces/4bf9",
            "/correlations/c%2F1",
            "/login",
        ] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "/sagas/",
            "/sagas/a/b",
            "/saga-types",
            "/etc/passwd",
            "//",
            "/sagas/../x/y",
            "/logs/x",
            "",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn brotli_only_when_taken() {
        for (accept, takes) in [
            ("gzip, br", true),
            ("br;q=0.5", true),
            ("br;q=0", false),
            ("gzip", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
            assert_eq!(takes_brotli(&headers), takes, "{accept}");
        }
    }
}
