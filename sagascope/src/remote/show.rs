//! `sagascope sagas`, `breakers`, …: one view, as a table or as the API's JSON.

use std::io::Write;

use anyhow::Context;
use sagascope_api::breakers::Breaker;
use sagascope_api::faults::FaultStatus;
use sagascope_api::read_models::{DeadLetter, Outbox, ReadModel};
use sagascope_api::sagas::Saga;
use sagascope_api::services::Service;
use sagascope_api::traces::TraceSummary;
use sagascope_api::{Page, text};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::collector::Collector;
use super::table;
use crate::cli::{ListOptions, ShowOptions, Views};

/// Prints one view.
pub(crate) async fn run(view: Views) -> anyhow::Result<()> {
    match view {
        Views::Overview(show) => overview(&show).await,
        Views::Services(show) => list(&show, "/api/v1/services", &[], &SERVICES, service).await,
        Views::Sagas(search) => searched(&search, "/api/v1/sagas", &SAGAS, saga).await,
        Views::Breakers(show) => list(&show, "/api/v1/breakers", &[], &BREAKERS, breaker).await,
        Views::ReadModels(show) => list(&show, "/api/v1/read-models", &[], &READ_MODELS, read_model).await,
        Views::Outboxes(show) => list(&show, "/api/v1/outboxes", &[], &OUTBOXES, outbox).await,
        Views::DeadLetters(show) => list(&show, "/api/v1/dead-letters", &[], &DEAD_LETTERS, dead_letter).await,
        Views::Traces(search) => searched(&search, "/api/v1/traces", &TRACES, trace).await,
        Views::Faults(show) => list(&show, "/api/v1/faults", &[], &FAULTS, fault).await,
    }
}

async fn searched<T: DeserializeOwned>(
    search: &ListOptions,
    path: &str,
    headings: &[&str],
    row: fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    let limit = search.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(search.query.as_deref().map(|text| ("q", text)));
    list(&search.show, path, &query, headings, row).await
}

async fn list<T: DeserializeOwned>(
    show: &ShowOptions,
    path: &str,
    query: &[(&str, &str)],
    headings: &[&str],
    row: fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    let answer = Collector::new(&show.connection)?.get(path, query).await?;
    if show.json {
        return print_json(&answer);
    }
    let page: Page<T> =
        serde_json::from_value(answer).with_context(|| format!("{path} answered rows this version does not know"))?;
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    table::print(&mut std::io::stdout().lock(), headings, &rows)?;
    if page.next_cursor.is_some() {
        eprintln!("… and more; ask for them with --limit");
    }
    Ok(())
}

async fn overview(show: &ShowOptions) -> anyhow::Result<()> {
    let answer = Collector::new(&show.connection)?.get("/api/v1/overview", &[]).await?;
    if show.json {
        return print_json(&answer);
    }
    let mut rows = Vec::new();
    flatten("", &answer, &mut rows);
    table::print(&mut std::io::stdout().lock(), &["what", "value"], &rows)?;
    Ok(())
}

/// Numbers under their dotted names.
fn flatten(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                flatten(&path, value, rows);
            }
        }
        // Histories are for charts.
        Value::Array(_) | Value::Null => {}
        Value::String(text) => rows.push(vec![name.to_owned(), text.clone()]),
        other => rows.push(vec![name.to_owned(), other.to_string()]),
    }
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

const SERVICES: [&str; 7] = ["service", "up", "instances", "rate", "errors", "p95", "restarts"];

fn service(row: &Service) -> Vec<String> {
    vec![
        row.name.clone(),
        if row.up { "up" } else { "down" }.to_owned(),
        row.instances.to_string(),
        text::rate(row.rate_per_second),
        text::percent(row.error_ratio),
        text::millis(row.p95_ms),
        row.restarts.to_string(),
    ]
}

const SAGAS: [&str; 6] = ["id", "name", "state", "step", "attempt", "reason"];

fn saga(row: &Saga) -> Vec<String> {
    let stuck = if row.stuck { " (stuck)" } else { "" };
    vec![
        row.id.clone(),
        row.name.clone(),
        format!("{}{stuck}", row.state),
        row.step.as_ref().map_or_else(String::new, |step| step.name.clone()),
        row.step
            .as_ref()
            .map_or_else(String::new, |step| step.attempt.to_string()),
        row.reason.clone().unwrap_or_default(),
    ]
}

const BREAKERS: [&str; 5] = ["caller", "name", "state", "refuses", "reason"];

fn breaker(row: &Breaker) -> Vec<String> {
    vec![
        row.caller.clone(),
        row.name.clone(),
        row.state
            .map_or_else(|| "no data".to_owned(), |state| text::words(state.as_str())),
        text::rate(row.rejected_per_second),
        row.reason.clone().unwrap_or_default(),
    ]
}

const READ_MODELS: [&str; 6] = ["service", "name", "state", "position", "behind", "lag"];

fn read_model(row: &ReadModel) -> Vec<String> {
    vec![
        row.service.clone(),
        row.name.clone(),
        text::words(row.state.as_str()),
        known(row.position),
        known(row.lag_events),
        row.lag_seconds.map_or_else(|| text::UNKNOWN.to_owned(), text::duration),
    ]
}

const OUTBOXES: [&str; 5] = ["service", "name", "pending", "oldest", "failed"];

fn outbox(row: &Outbox) -> Vec<String> {
    vec![
        row.service.clone(),
        row.name.clone(),
        known(row.pending),
        row.oldest_age_seconds
            .map_or_else(|| text::UNKNOWN.to_owned(), text::duration),
        text::count(row.failed),
    ]
}

const DEAD_LETTERS: [&str; 5] = ["id", "service", "destination", "attempts", "reason"];

fn dead_letter(row: &DeadLetter) -> Vec<String> {
    vec![
        row.id.clone(),
        row.service.clone(),
        row.destination.clone(),
        row.attempts.map_or_else(String::new, |attempts| attempts.to_string()),
        row.reason.clone().unwrap_or_default(),
    ]
}

const TRACES: [&str; 6] = ["trace", "service", "name", "duration", "spans", "errors"];

#[allow(clippy::cast_precision_loss, reason = "a duration shown to three digits")]
fn trace(row: &TraceSummary) -> Vec<String> {
    vec![
        row.trace_id.clone(),
        row.root.service.clone(),
        row.root.name.clone(),
        text::duration(row.duration_nanos as f64 / 1e9),
        row.span_count.to_string(),
        row.error_count.to_string(),
    ]
}

/// Columns of the list of faults.
pub(crate) const FAULTS: [&str; 5] = ["id", "fault", "state", "hits", "ends"];

/// One fault as a row.
pub(crate) fn fault(row: &FaultStatus) -> Vec<String> {
    vec![
        row.fault.id.clone(),
        text::fault_line(row),
        row.state.to_string(),
        text::count(row.hits),
        row.ends_at.to_string(),
    ]
}

fn known(value: Option<u64>) -> String {
    value.map_or_else(|| text::UNKNOWN.to_owned(), text::count)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_overview_is_flattened_without_its_histories() {
        let mut rows = Vec::new();
        let value = json!({"sagas": {"running": 3}, "history": [1, 2], "version": "1", "oldest": null});
        flatten("", &value, &mut rows);
        assert_eq!(rows, [["sagas.running", "3"], ["version", "1"]]);
    }
}
