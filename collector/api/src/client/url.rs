//! Addresses of the API, every part of them escaped.

use std::fmt;

use super::{ClientError, SearchQuery};

/// Path and query below the base address.
pub(super) struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    pub(super) fn api(noun: &str) -> Self {
        Self {
            text: format!("/api/v1/{noun}"),
            has_query: false,
        }
    }

    pub(super) fn part(mut self, part: &str) -> Self {
        self.text.push('/');
        // A lone `.` or `..` would be folded away by the URL parser.
        match part {
            "." => self.text.push_str("%2E"),
            ".." => self.text.push_str("%2E%2E"),
            _ => escape(part, &mut self.text),
        }
        self
    }

    pub(super) fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.text.push(if self.has_query { '&' } else { '?' });
            self.has_query = true;
            self.text.push_str(name);
            self.text.push('=');
            escape(value, &mut self.text);
        }
        self
    }

    pub(super) fn page(self, limit: Option<usize>, cursor: Option<&str>) -> Self {
        let limit = limit.map(|limit| limit.to_string());
        self.query("limit", limit.as_deref()).query("cursor", cursor)
    }

    pub(super) fn search(self, query: &SearchQuery) -> Self {
        self.query("q", query.q.as_deref())
            .query("since", query.since.as_deref())
            .query("until", query.until.as_deref())
            .page(query.limit, query.cursor.as_deref())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The base address without a slash at its end.
pub(super) fn base(url: &str) -> Result<String, ClientError> {
    let bad = |reason| ClientError::BadUrl {
        url: url.to_owned(),
        reason,
    };
    if url.starts_with("https://") {
        return Err(bad(
            "this build speaks plain http; put a TLS proxy in between, or use a tunnel",
        ));
    }
    if !url.starts_with("http://") {
        return Err(bad("write it as http://HOST:PORT"));
    }
    match reqwest::Url::parse(url) {
        Ok(parsed) if parsed.has_host() => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(bad("write it as http://HOST:PORT")),
    }
}

fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_values_cannot_break_out() {
        let target = Target::api("sagas")
            .part("a/b?c#d e")
            .query("q", Some("x&y=ü"))
            .query("none", None)
            .query("n", Some("1"));
        assert_eq!(
            target.to_string(),
            "/api/v1/sagas/a%2Fb%3Fc%23d%20e?q=x%26y%3D%C3%BC&n=1"
        );
        assert_eq!(Target::api("sagas").part("..").to_string(), "/api/v1/sagas/%2E%2E");
    }

    #[test]
    fn only_plain_http_addresses_are_taken() {
        assert_eq!(base("http://127.0.0.1:4319/").unwrap(), "http://127.0.0.1:4319");
        for url in ["https://x", "127.0.0.1:4319", "ftp://x", "http://", ""] {
            assert!(matches!(base(url), Err(ClientError::BadUrl { .. })), "{url}");
        }
    }
}
