//! Whether a browser says that another site asks.

use http::{HeaderMap, header};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// `Origin` is there and is not ours, or `Sec-Fetch-Site` names another site.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    if headers.get_all(header::ORIGIN).iter().count() > 1 {
        return true;
    }
    let origin = text(headers, "origin").is_some_and(|origin| !is_ours(origin, headers));
    let site = text(headers, "sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    origin || site
}

/// Proof that our own page asks: an exact `Origin`, or the browser's word for it.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let origin = text(headers, "origin").map(|origin| is_ours(origin, headers));
    match origin {
        Some(ours) => ours,
        None => text(headers, "sec-fetch-site") == Some("same-origin"),
    }
}

/// Someone opens a page by link, bookmark or address bar.
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-mode") == Some("navigate") && text(headers, "sec-fetch-dest") == Some("document")
}

/// The host was checked before: an origin that repeats it is ours.
fn is_ours(origin: &str, headers: &HeaderMap) -> bool {
    let Some(authority) = origin.strip_prefix("http://") else {
        return false;
    };
    text(headers, "host").is_some_and(|host| host.eq_ignore_ascii_case(authority))
}
