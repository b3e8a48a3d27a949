//! Query parameters, read with the name of the one that is wrong.

use axum::extract::Query;
use sagascope_api::Time;
use sagascope_core::search::Query as Search;

use crate::problem::{Answer, Refusal};

/// Longest query string.
const LENGTH: usize = 8 << 10;
/// Rows of a page.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// Decoded pairs in order.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads what stands behind the `?`.
    pub(crate) fn parse(query: Option<&str>) -> Answer<Self> {
        let query = query.unwrap_or_default();
        if query.len() > LENGTH {
            return Err(Refusal::field(
                "too_long",
                "query",
                format!("The query is longer than {LENGTH} bytes."),
            ));
        }
        let uri = http::Uri::builder().path_and_query(format!("/?{query}")).build();
        let pairs = uri
            .ok()
            .and_then(|uri| Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
        let Query(pairs) =
            pairs.ok_or_else(|| Refusal::field("invalid_query", "query", "The query cannot be decoded."))?;
        Ok(Self(pairs))
    }

    /// The first value of a name; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Rows asked for: more than a page holds is cut, nonsense is refused.
    pub(crate) fn limit(&self) -> Answer<usize> {
        match self.get("limit") {
            None => Ok(LIMIT),
            Some(text) => match text.parse::<u64>() {
                Ok(limit) if limit > 0 => Ok(usize::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX)),
                _ => Err(Refusal::field(
                    "invalid_value",
                    "limit",
                    format!("Give 1 to {LIMIT_MAX}."),
                )),
            },
        }
    }

    /// A moment: RFC 3339 or unix nanoseconds.
    pub(crate) fn time(&self, name: &str) -> Answer<Option<Time>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let time = Time::parse(text);
        time.map(Some)
            .ok_or_else(|| Refusal::field("invalid_value", name, "Give a time as RFC 3339, or unix nanoseconds."))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Answer<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Refusal::field("invalid_value", name, "Give true or false.")),
        }
    }

    /// The search in `q`.
    pub(crate) fn search(&self) -> Answer<Search> {
        Search::parse(self.get("q").unwrap_or_default())
            .map_err(|error| Refusal::field("invalid_search", "q", format!("{error}.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::parse(Some(query)).unwrap()
    }

    #[test]
    fn values_are_decoded_and_checked() {
        let given = params("q=a%20b+c&limit=5000&stuck=true&since=1970-01-01T00:00:01Z&empty=");
        assert_eq!(given.get("q"), Some("a b c"));
        assert_eq!(given.get("empty"), None);
        assert_eq!(given.limit().unwrap(), LIMIT_MAX);
        assert_eq!(given.flag("stuck").unwrap(), Some(true));
        assert_eq!(given.time("since").unwrap(), Some(Time(1_000_000_000)));
        assert_eq!(params("").limit().unwrap(), LIMIT);
        assert_eq!(params("limit=18446744073709551615").limit().unwrap(), LIMIT_MAX);
    }

    #[test]
    fn nonsense_is_refused() {
        for limit in ["0", "-1", "x", "1e3", "99999999999999999999999"] {
            assert!(params(&format!("limit={limit}")).limit().is_err(), "{limit}");
        }
        assert!(params("since=yesterday").time("since").is_err());
        assert!(params("stuck=maybe").flag("stuck").is_err());
        assert!(Params::parse(Some(&"x".repeat(LENGTH + 1))).is_err());
    }
}
