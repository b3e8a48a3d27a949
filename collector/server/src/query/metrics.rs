//! Metrics: the catalogue, and series of one over a range.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use sagascope_api::metrics::{Function, Metric, MetricRange};
use sagascope_api::{Page, Time};
use sagascope_store::find::{self, By, RangeQuery};

use super::list::page_in_order;
use super::params::Params;
use super::{compute, is_incomplete};
use crate::app::{self, App};
use crate::problem::{Answer, Refusal};

/// How far back a range goes that does not say since when; nanoseconds.
const RANGE: u64 = 3_600_000_000_000;
/// Steps of a range that does not say how long they are.
const STEPS: u64 = 240;
/// Steps of a range.
const STEPS_MAX: u64 = 2_000;
/// Steps of all series of an answer together.
const POINTS_MAX: u64 = 200_000;
/// Attributes that series may be told apart by.
const KEYS_MAX: usize = 16;
const SECOND: u64 = 1_000_000_000;

/// `GET /api/v1/metrics-list?q=&since=&until=&limit=&cursor=`.
pub(crate) async fn metrics(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Json<Page<Metric>>> {
    let params = Params::parse(query.as_deref())?;
    compute(&app, move |app, budget| {
        let since = params.time("since")?.unwrap_or(Time(0));
        let until = params.time("until")?.unwrap_or(Time(u64::MAX));
        let parts = app.parts();
        let known = find::catalogue(&parts, &params.search()?, (since, until), budget);
        let page = page_in_order(&params, known.metrics)?;
        Ok(Page {
            truncated: known.truncated,
            incomplete: is_incomplete(app, &parts),
            ..page
        })
    })
    .await
    .map(Json)
}

/// `GET /api/v1/metrics-range?name=&q=&by=&since=&until=&step=&func=&limit=`.
pub(crate) async fn metric_range(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Json<MetricRange>> {
    let params = Params::parse(query.as_deref())?;
    compute(&app, move |app, budget| {
        let name = params
            .get("name")
            .ok_or_else(|| Refusal::field("missing_field", "name", "Say which metric."))?;
        let (since, until) = bounds(&params, app::now())?;
        let step_nanos = step(&params, until.0 - since.0)?;
        let most = POINTS_MAX / (until.0 - since.0).div_ceil(step_nanos).max(1);
        let asked = RangeQuery {
            name,
            query: &params.search()?,
            by: by(&params)?,
            since,
            until,
            step_nanos,
            function: function(&params)?,
            limit: params.limit()?.min(usize::try_from(most).unwrap_or(usize::MAX)),
        };
        let parts = app.parts();
        let found = find::range(&parts, &asked, budget);
        is_incomplete(app, &parts);
        found.ok_or_else(|| Refusal::unknown("metric", name))
    })
    .await
    .map(Json)
}

fn bounds(params: &Params, now: Time) -> Answer<(Time, Time)> {
    let until = params.time("until")?.unwrap_or(now);
    let since = params.time("since")?;
    let since = since.unwrap_or(Time(until.0.saturating_sub(RANGE)));
    if since >= until {
        return Err(Refusal::field(
            "invalid_value",
            "until",
            "The range ends before it begins.",
        ));
    }
    Ok((since, until))
}

/// As asked for, or such that a range has not too many; whole seconds then.
fn step(params: &Params, range: u64) -> Answer<u64> {
    let shortest = range.div_ceil(STEPS_MAX);
    match params.get("step") {
        None => Ok(range.div_ceil(STEPS).div_ceil(SECOND) * SECOND),
        Some(text) => match nanos(text) {
            Some(step) if step >= shortest.max(1) => Ok(step),
            Some(_) => {
                let detail = format!(
                    "Give {} ms or more: a range has {STEPS_MAX} steps at most.",
                    shortest.div_ceil(1_000_000)
                );
                Err(Refusal::field("invalid_value", "step", detail))
            }
            None => Err(Refusal::field(
                "invalid_value",
                "step",
                "Give a length such as 15s, 500ms or 1m.",
            )),
        },
    }
}

/// `15s`, `500ms`, `1m`, `2h`; a bare number counts seconds.
fn nanos(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "ms" => 1_000_000,
        "" | "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Attributes by comma; `none` joins all into one series.
fn by(params: &Params) -> Answer<By> {
    let keys: Vec<String> = match params.get("by") {
        None => return Ok(By::All),
        Some("none") => Vec::new(),
        Some(text) => text.split(',').map(|key| key.trim().to_owned()).collect(),
    };
    if keys.len() > KEYS_MAX || keys.iter().any(String::is_empty) {
        let detail = format!("Give up to {KEYS_MAX} attributes, separated by commas, or none.");
        return Err(Refusal::field("invalid_value", "by", detail));
    }
    Ok(By::Keys(keys))
}

fn function(params: &Params) -> Answer<Function> {
    let Some(word) = params.get("func") else {
        return Ok(Function::default());
    };
    Function::parse(word).ok_or_else(|| {
        let known = Function::ALL.map(Function::as_str).join(", ");
        Refusal::field("invalid_value", "func", format!("There are: {known}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::parse(Some(query)).unwrap()
    }

    #[test]
    fn steps_are_as_long_as_asked_for_or_as_sensible() {
        let hour = 3_600 * SECOND;
        for (query, expected) in [
            ("step=15s", 15 * SECOND),
            ("step=15", 15 * SECOND),
            ("step=1800ms", 1_800_000_000),
            ("step=1m", 60 * SECOND),
            ("", 15 * SECOND),
        ] {
            assert_eq!(step(&params(query), hour).unwrap(), expected, "{query}");
        }
        for query in ["step=1s", "step=0", "step=-1", "step=1d", "step=s", "step=99999999999h"] {
            assert!(step(&params(query), hour).is_err(), "{query}");
        }
        assert_eq!(step(&params(""), 1).unwrap(), SECOND);
        assert!(step(&params(""), u64::MAX).unwrap() > u64::MAX / 250);
    }

    #[test]
    fn series_are_told_apart_as_asked() {
        assert_eq!(by(&params("")).unwrap(), By::All);
        assert_eq!(by(&params("by=none")).unwrap(), By::Keys(vec![]));
        let two = By::Keys(vec!["service".into(), "http.route".into()]);
        assert_eq!(by(&params("by=service,%20http.route")).unwrap(), two);
        assert!(by(&params("by=a,,b")).is_err());
        assert!(by(&params(&format!("by={}", ["a"; 17].join(",")))).is_err());
    }

    #[test]
    fn a_range_has_an_end_after_its_begin() {
        assert_eq!(
            bounds(&params(""), Time(2 * RANGE)).unwrap(),
            (Time(RANGE), Time(2 * RANGE))
        );
        assert_eq!(bounds(&params("since=5&until=9"), Time(1)).unwrap(), (Time(5), Time(9)));
        assert!(bounds(&params("since=9&until=9"), Time(1)).is_err());
        assert!(function(&params("func=median")).is_err());
        assert_eq!(function(&params("func=p95")).unwrap(), Function::P95);
    }
}
