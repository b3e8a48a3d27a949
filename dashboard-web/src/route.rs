//! Which page a path names, and the other way round.

/// One page with what its path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/`
    Overview,
    /// `/sagas[/{id}]`
    Sagas(Option<String>),
    /// `/saga-types/{name}`
    SagaType(String),
    /// `/traces[/{id}]`
    Traces(Option<String>),
    /// `/breakers[/{id}]`
    Breakers(Option<String>),
    /// `/read-models`
    ReadModels,
    /// `/chaos`
    Chaos,
    /// `/lab`
    Lab,
    /// `/correlations/{id}`
    Correlation(String),
    /// `/login`
    Login,
    /// Anything else.
    Unknown,
}

/// The navigation: number key, path, title. The numbers are those of the terminal.
pub(crate) const NAVIGATION: &[(char, &str, &str)] = &[
    ('1', "/", "Overview"),
    ('2', "/sagas", "Sagas"),
    ('3', "/traces", "Traces"),
    ('5', "/breakers", "Breakers"),
    ('6', "/read-models", "Read models"),
    ('9', "/chaos", "Chaos"),
    ('0', "/lab", "Lab"),
];

impl Route {
    /// Reads a path as it stands in the address bar.
    pub(crate) fn parse(path: &str) -> Self {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let id = || parts.get(1).map(|id| (*id).to_owned());
        match parts.as_slice() {
            [] => Self::Overview,
            ["sagas"] | ["sagas", _] => Self::Sagas(id()),
            ["saga-types", name] => Self::SagaType((*name).to_owned()),
            ["traces"] | ["traces", _] => Self::Traces(id()),
            ["breakers"] | ["breakers", _] => Self::Breakers(id()),
            ["read-models"] => Self::ReadModels,
            ["chaos"] => Self::Chaos,
            ["lab"] => Self::Lab,
            ["correlations", id] => Self::Correlation((*id).to_owned()),
            ["login"] => Self::Login,
            _ => Self::Unknown,
        }
    }

    /// The navigation entry it belongs to.
    pub(crate) const fn section(&self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Sagas(_) | Self::SagaType(_) | Self::Correlation(_) => "/sagas",
            Self::Traces(_) => "/traces",
            Self::Breakers(_) => "/breakers",
            Self::ReadModels => "/read-models",
            Self::Chaos => "/chaos",
            Self::Lab => "/lab",
            Self::Login => "/login",
            Self::Unknown => "",
        }
    }

    /// What the browser's tab says.
    pub(crate) fn title(&self) -> String {
        let short = |id: &str| sagascope_api::text::scrub(sagascope_api::text::short_id(id), 8);
        match self {
            Self::Overview => "Overview".into(),
            Self::Sagas(None) => "Sagas".into(),
            Self::Sagas(Some(id)) => format!("Saga {}", short(id)),
            Self::SagaType(name) => format!("Flow of {}", sagascope_api::text::scrub(name, 40)),
            Self::Traces(None) => "Traces".into(),
            Self::Traces(Some(id)) => format!("Trace {}", short(id)),
            Self::Breakers(_) => "Breakers".into(),
            Self::ReadModels => "Read models".into(),
            Self::Chaos => "Chaos".into(),
            Self::Lab => "Lab".into(),
            Self::Correlation(id) => format!("Correlation {}", short(id)),
            Self::Login => "Log in".into(),
            Self::Unknown => "No such page".into(),
        }
    }
}

/// Path of one saga; two types may share an id, so the name goes along.
pub(crate) fn saga_path(name: &str, id: &str) -> String {
    format!("/sagas/{}?name={}", encode(id), encode(name))
}

/// Path of one trace.
pub(crate) fn trace_path(id: &str) -> String {
    format!("/traces/{}", encode(id))
}

/// Path of one correlation.
pub(crate) fn correlation_path(id: &str) -> String {
    format!("/correlations/{}", encode(id))
}

/// Escapes everything but unreserved characters, so that ids from outside never change the path's shape.
pub(crate) fn encode(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    // A segment of dots alone would be resolved away by the browser.
    if escaped.bytes().all(|byte| byte == b'.') {
        escaped = escaped.replace('.', "%2E");
    }
    escaped
}

/// Undoes [`encode`] and reads `+` as a space; broken escapes stay as they are.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 2;
            }
            (b'+', _) => plain.push(b' '),
            (byte, _) => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Reads one value of a query string (`?a=1&b=2`).
pub(crate) fn query_get(query: &str, key: &str) -> Option<String> {
    pairs(query).find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Sets, or with an empty value removes, one value of a query string.
pub(crate) fn query_set(query: &str, key: &str, value: &str) -> String {
    let mut kept: Vec<String> = pairs(query)
        .filter(|(name, _)| name != key)
        .map(|(name, value)| format!("{}={}", encode(&name), encode(&value)))
        .collect();
    if !value.is_empty() {
        kept.push(format!("{}={}", encode(key), encode(value)));
    }
    if kept.is_empty() {
        String::new()
    } else {
        format!("?{}", kept.join("&"))
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query
        .trim_start_matches('?')
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_pages() {
        for (path, route) in [
            ("/", Route::Overview),
            ("/sagas", Route::Sagas(None)),
            ("/sagas/7f3a", Route::Sagas(Some("7f3a".into()))),
            ("/saga-types/order", Route::SagaType("order".into())),
            ("/traces/abc/", Route::Traces(Some("abc".into()))),
            (
                "/breakers/orders~payments~a%2Fb",
                Route::Breakers(Some("orders~payments~a/b".into())),
            ),
            ("/read-models", Route::ReadModels),
            ("/chaos", Route::Chaos),
            ("/lab", Route::Lab),
            ("/correlations/c-1", Route::Correlation("c-1".into())),
            ("/login", Route::Login),
            ("/sagas/a/b", Route::Unknown),
            ("/nowhere", Route::Unknown),
        ] {
            assert_eq!(Route::parse(path), route, "{path}");
        }
    }

    #[test]
    fn an_id_from_outside_survives_the_address_bar() {
        for id in ["a/b", "..", ".", "ü?&=#", "100%", "%41", "<script>", "a b+c"] {
            let path = correlation_path(id);
            assert_eq!(Route::parse(&path), Route::Correlation(id.into()), "{path}");
            assert!(!path.ends_with("/.."), "{path}");
        }
    }

    #[test]
    fn broken_escapes_are_kept() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%ff"), "\u{fffd}");
        assert_eq!(decode("%ü"), "%ü");
    }

    #[test]
    fn a_query_is_read_and_written() {
        assert_eq!(query_get("?q=a+b&name=x%26y", "name").as_deref(), Some("x&y"));
        assert_eq!(query_get("?q=a", "name"), None);
        assert_eq!(query_set("?q=a&state=running", "q", "b c"), "?state=running&q=b%20c");
        assert_eq!(query_set("?q=a", "q", ""), "");
    }

    #[test]
    fn every_navigation_entry_leads_to_its_own_section() {
        for (_, path, _) in NAVIGATION {
            assert_eq!(Route::parse(path).section(), *path);
        }
    }
}
