//! `sagascope sagas`, `breakers`, …: one view, as a table or as the API's JSON.

use std::io::Write;

use sagascope_api::breakers::Breaker;
use sagascope_api::canaries::Canary;
use sagascope_api::client::{Answer, SagaQuery, SearchQuery};
use sagascope_api::faults::FaultStatus;
use sagascope_api::invariants::Invariant;
use sagascope_api::read_models::{DeadLetter, Outbox, ReadModel};
use sagascope_api::sagas::Saga;
use sagascope_api::services::Service;
use sagascope_api::traces::TraceSummary;
use sagascope_api::{Page, text};
use serde::Serialize;
use serde_json::Value;

use super::{client, explained, table};
use crate::cli::{ListOptions, ShowOptions, Views};

/// Prints one view.
pub(crate) async fn run(view: Views) -> anyhow::Result<()> {
    match view {
        Views::Overview(show) => overview(&show).await,
        Views::Services(show) => print(&show, &SERVICES, service, client(&show.connection)?.services().await),
        Views::Sagas(search) => {
            let rows = client(&search.show.connection)?.sagas(&saga_query(&search)).await;
            print(&search.show, &SAGAS, saga, rows)
        }
        Views::Breakers(show) => print(&show, &BREAKERS, breaker, client(&show.connection)?.breakers().await),
        Views::ReadModels(show) => print(
            &show,
            &READ_MODELS,
            read_model,
            client(&show.connection)?.read_models().await,
        ),
        Views::Outboxes(show) => print(&show, &OUTBOXES, outbox, client(&show.connection)?.outboxes().await),
        Views::DeadLetters(show) => print(
            &show,
            &DEAD_LETTERS,
            dead_letter,
            client(&show.connection)?.dead_letters().await,
        ),
        Views::Invariants(show) => print(
            &show,
            &INVARIANTS,
            invariant,
            client(&show.connection)?.invariants().await,
        ),
        Views::Canaries(show) => print(&show, &CANARIES, canary, client(&show.connection)?.canaries().await),
        Views::Traces(search) => {
            let rows = client(&search.show.connection)?.traces(&trace_query(&search)).await;
            print(&search.show, &TRACES, trace, rows)
        }
        Views::Faults(show) => print(&show, &FAULTS, fault, client(&show.connection)?.faults().await),
    }
}

fn saga_query(search: &ListOptions) -> SagaQuery {
    SagaQuery {
        q: search.query.clone(),
        limit: Some(search.limit),
        ..SagaQuery::default()
    }
}

fn trace_query(search: &ListOptions) -> SearchQuery {
    SearchQuery {
        q: search.query.clone(),
        limit: Some(search.limit),
        ..SearchQuery::default()
    }
}

fn print<T: Serialize>(
    show: &ShowOptions,
    headings: &[&str],
    row: fn(&T) -> Vec<String>,
    answer: Answer<Page<T>>,
) -> anyhow::Result<()> {
    let page = answer.map_err(explained)?;
    if show.json {
        return print_json(&page);
    }
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    table::print(&mut std::io::stdout().lock(), headings, &rows)?;
    if page.next_cursor.is_some() {
        eprintln!("… and more; ask for them with --limit");
    }
    Ok(())
}

async fn overview(show: &ShowOptions) -> anyhow::Result<()> {
    let answer = client(&show.connection)?.overview().await.map_err(explained)?;
    if show.json {
        return print_json(&answer);
    }
    let mut rows = Vec::new();
    flatten("", &serde_json::to_value(answer)?, &mut rows);
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
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
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

const INVARIANTS: [&str; 5] = ["id", "service", "state", "violations", "what"];

fn invariant(row: &Invariant) -> Vec<String> {
    let evidence = row.evidence.first().map(|evidence| &evidence.text);
    vec![
        row.id.clone(),
        row.service.clone(),
        text::words(row.state.as_str()),
        text::count(row.violations),
        evidence.unwrap_or(&row.statement).clone(),
    ]
}

const CANARIES: [&str; 6] = ["service", "version", "state", "stable", "canary", "why"];

fn canary(row: &Canary) -> Vec<String> {
    vec![
        row.service.clone(),
        row.version.clone(),
        text::canary_state(row),
        text::canary_calls(row.stable),
        text::canary_calls(row.canary),
        row.reason.clone().unwrap_or_default(),
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
