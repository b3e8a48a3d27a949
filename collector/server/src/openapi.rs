//! The OpenAPI document, made from one table of the paths.

use axum::Json;
use sagascope_api::experiments::RunState;
use sagascope_api::live::Topic;
use sagascope_api::metrics::Function;
use sagascope_conventions::{FaultKind, FaultState, OrderFlow};
use serde_json::{Value, json};

/// Method, path, what it answers, query parameters.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const PAGED: &[&str] = &["limit", "cursor"];

pub(crate) const PATHS: &[Row] = &[
    ("get", "/healthz", "The process answers", &[]),
    ("get", "/readyz", "The log is replayed and queries answer", &[]),
    ("get", "/metrics", "The collector's own numbers, Prometheus text", &[]),
    (
        "get",
        "/login",
        "Trades the token for a cookie and leads to the page; without one, the page",
        &["token"],
    ),
    ("get", "/api/v1/overview", "The whole in numbers", &[]),
    ("get", "/api/v1/services", "Services: rate, errors, durations", PAGED),
    ("get", "/api/v1/services/{name}", "One service by operation", &[]),
    ("get", "/api/v1/service-map", "Who calls whom", &[]),
    (
        "get",
        "/api/v1/sagas",
        "Saga instances, newest first",
        &["name", "state", "q", "stuck", "since", "until", "limit", "cursor"],
    ),
    (
        "get",
        "/api/v1/sagas/{id}",
        "One instance with steps, compensations, events",
        &["name"],
    ),
    ("get", "/api/v1/saga-types/{name}", "The flow graph of a type", &[]),
    ("get", "/api/v1/breakers", "Circuit breakers", PAGED),
    ("get", "/api/v1/breakers/{id}", "One breaker with its history", &[]),
    ("get", "/api/v1/read-models", "Read models: position, head, lag", PAGED),
    ("get", "/api/v1/outboxes", "Outboxes: backlog, age", PAGED),
    ("get", "/api/v1/dead-letters", "Messages given up, newest first", PAGED),
    (
        "get",
        "/api/v1/invariants",
        "What must always hold, and whether it does",
        PAGED,
    ),
    (
        "get",
        "/api/v1/canaries",
        "New versions that get a share of the requests, and how they do",
        PAGED,
    ),
    (
        "get",
        "/api/v1/correlations/{id}",
        "Everything that carries a correlation id",
        &[],
    ),
    (
        "get",
        "/api/v1/traces",
        "Traces, newest first",
        &["q", "since", "until", "limit", "cursor"],
    ),
    ("get", "/api/v1/traces/{id}", "One trace in waterfall order", &[]),
    (
        "get",
        "/api/v1/logs",
        "Log records, newest first",
        &["q", "since", "until", "limit", "cursor", "whole"],
    ),
    (
        "get",
        "/api/v1/metrics-list",
        "Metrics by name, with what is odd about them",
        &["q", "since", "until", "limit", "cursor"],
    ),
    (
        "get",
        "/api/v1/metrics-range",
        "Series of one metric over a range",
        &["name", "q", "by", "since", "until", "step", "func", "limit"],
    ),
    (
        "get",
        "/api/v1/explain/{id}",
        "What happened to a saga, correlation or trace, and why",
        &[],
    ),
    (
        "get",
        "/api/v1/live",
        "Live stream: server-sent events, or a WebSocket that takes subscribe and unsubscribe and closes with 1007 on anything else",
        &["topics", "last_id"],
    ),
    ("get", "/api/v1/fault-catalogue", "What can be injected where, now", &[]),
    ("get", "/api/v1/faults", "Faults, newest first", &[]),
    ("post", "/api/v1/faults", "Arm a fault", &[]),
    ("delete", "/api/v1/faults", "Clear all faults", &[]),
    ("get", "/api/v1/faults/{id}", "One fault", &[]),
    ("delete", "/api/v1/faults/{id}", "Clear one fault", &[]),
    (
        "post",
        "/api/v1/faults/register",
        "A service tells what it can honour",
        &[],
    ),
    (
        "post",
        "/api/v1/faults/acknowledgements",
        "A service tells what it did",
        &[],
    ),
    (
        "get",
        "/api/v1/faults/stream",
        "Commands to one service process: server-sent events",
        &["service", "instance"],
    ),
    (
        "get",
        "/api/v1/traffic",
        "What the demo's shoppers are asked to do",
        &[],
    ),
    ("put", "/api/v1/traffic", "Ask the shoppers for another rate", &[]),
    (
        "post",
        "/api/v1/actions/dead-letters/replay",
        "Deliver messages that were given up once more; answers the effect it verified",
        &[],
    ),
    (
        "post",
        "/api/v1/actions/dead-letters/purge",
        "Throw messages away that were given up; answers the effect it verified",
        &[],
    ),
    (
        "post",
        "/api/v1/actions/read-models/{service}/{name}/rebuild",
        "Start a read model from zero; answers the effect it verified",
        &[],
    ),
    (
        "post",
        "/api/v1/actions/sagas/{id}/{action}",
        "Retry, cancel or compensate a saga, or end the doubt of a two-phase commit; answers the effect it verified",
        &[],
    ),
    (
        "post",
        "/api/v1/actions/reports",
        "A service tells what came of an action",
        &[],
    ),
    (
        "get",
        "/api/v1/experiments",
        "Experiments of the lab, each with its newest run, and the runs that are kept",
        &[],
    ),
    (
        "post",
        "/api/v1/experiments/{name}/run",
        "Start an experiment on a shop of its own; answers 202 with the run, of which there is one at a time",
        &[],
    ),
    (
        "get",
        "/api/v1/experiments/runs/{id}",
        "One run: state, progress, figures, findings, verdict",
        &[],
    ),
    (
        "delete",
        "/api/v1/experiments/runs/{id}",
        "End a run and everything it started",
        &[],
    ),
    ("get", "/api/v1/openapi.json", "This document", &[]),
];

/// `GET /api/v1/openapi.json`.
pub(crate) async fn document() -> Json<Value> {
    let mut paths = serde_json::Map::new();
    for row in PATHS {
        let entry = paths.entry(row.1).or_insert_with(|| json!({}));
        entry[row.0] = operation(row);
    }
    Json(json!({
        "openapi": "3.1.0",
        "info": {"title": "Sagascope collector", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Problem": problem(),
                "FaultRequest": fault_request(),
                "FaultRegistration": fault_registration(),
                "FaultAcknowledgement": fault_acknowledgement(),
                "Traffic": traffic(),
                "LettersRequest": letters_request(),
                "SagaRequest": saga_request(),
                "ActionReport": action_report(),
                "ActionDone": action_done(),
                "RunRequest": run_request(),
                "ExperimentRun": experiment_run(),
            },
        },
    }))
}

fn operation((method, path, summary, query): &Row) -> Value {
    let in_path = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path_parameters =
        in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let query_parameters = query.iter().map(|name| query_parameter(path, name));
    let mut operation = json!({
        "summary": summary,
        "parameters": path_parameters.chain(query_parameters).collect::<Vec<_>>(),
        "responses": {
            "2XX": {"description": summary},
            "default": {
                "description": "A refusal",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    });
    if path.starts_with("/api/v1/actions/") && !path.ends_with("/reports") {
        let schema = json!({"$ref": "#/components/schemas/ActionDone"});
        operation["responses"]["2XX"]["content"] = json!({"application/json": {"schema": schema}});
    }
    if path.starts_with("/api/v1/experiments/") {
        let schema = json!({"$ref": "#/components/schemas/ExperimentRun"});
        operation["responses"]["2XX"]["content"] = json!({"application/json": {"schema": schema}});
    }
    if *method != "get" || path.ends_with("/stream") {
        operation["security"] = json!([{"token": []}]);
    }
    if let Some(schema) = body(method, path) {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        let required = !path.ends_with("/run");
        operation["requestBody"] = json!({"required": required, "content": {"application/json": {"schema": schema}}});
    }
    operation
}

/// What a query parameter means; the same wherever it is taken, but for `name`.
fn query_parameter(path: &str, name: &str) -> Value {
    let text = || json!({"type": "string"});
    let is_range = path.ends_with("/metrics-range");
    let (schema, description) = match name {
        "q" => (
            text(),
            "A search, such as `service:payments status:error duration>200ms`",
        ),
        "since" => (text(), "From then on: RFC 3339, or unix nanoseconds"),
        "until" => (text(), "Before then: RFC 3339, or unix nanoseconds"),
        "limit" => (
            json!({"type": "integer", "minimum": 1, "default": 100}),
            "Rows or series, at most; more than 1000 is cut to that",
        ),
        "cursor" => (text(), "`next_cursor` of the page before, as it came"),
        "whole" => (
            json!({"type": "boolean", "default": false}),
            "Texts as long as they came, up to 16 MiB an answer; else what exceeds 16 KiB is cut and says so",
        ),
        "state" => (text(), "One, or several by comma"),
        "stuck" => (json!({"type": "boolean"}), "Only those that are, or are not"),
        "name" if is_range => (text(), "Which metric"),
        "name" => (text(), "`saga.name`"),
        "by" => (
            text(),
            "Attributes that tell series apart, by comma, or `none`; all when absent",
        ),
        "step" => (text(), "A length such as 15s, 500ms or 1m"),
        "func" => (
            json!({"enum": Function::ALL.map(Function::as_str)}),
            "What is computed of each step",
        ),
        "topics" => {
            let known: Vec<&str> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
            let description = format!("By comma, of {}; all when absent", known.join(", "));
            return json!({"name": name, "in": "query", "schema": text(), "description": description});
        }
        "last_id" => (
            text(),
            "The last id that was seen, to go on from there; or the header `Last-Event-ID`",
        ),
        "service" => (text(), "`service.name`"),
        "instance" => (text(), "`service.instance.id`"),
        "token" => (text(), "The token for control"),
        _ => (text(), ""),
    };
    let is_required = matches!(name, "service" | "instance") || name == "name" && is_range;
    json!({"name": name, "in": "query", "required": is_required, "schema": schema, "description": description})
}

/// Which schema a body has.
fn body(method: &str, path: &str) -> Option<&'static str> {
    match (method, path.strip_prefix("/api/v1/")?) {
        ("post", "faults") => Some("FaultRequest"),
        ("post", "faults/register") => Some("FaultRegistration"),
        ("post", "faults/acknowledgements") => Some("FaultAcknowledgement"),
        ("post", "actions/dead-letters/replay" | "actions/dead-letters/purge") => Some("LettersRequest"),
        ("post", "actions/sagas/{id}/{action}") => Some("SagaRequest"),
        ("post", "actions/reports") => Some("ActionReport"),
        ("put", "traffic") => Some("Traffic"),
        ("post", "experiments/{name}/run") => Some("RunRequest"),
        _ => None,
    }
}

fn problem() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["status", "code", "title", "detail"],
        "properties": {
            "status": {"type": "integer"}, "code": text, "title": text, "detail": text,
            "field": {"type": ["string", "null"]},
        },
    })
}

fn fault_kinds() -> Value {
    let kinds: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.as_str()).collect();
    json!({"enum": kinds})
}

fn fault_request() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["target", "kind", "duration_seconds"],
        "properties": {
            "target": {
                "type": "object", "required": ["service"],
                "properties": {"service": text, "operation": text, "instance": text},
            },
            "kind": fault_kinds(),
            "strength": {
                "type": "object",
                "properties": {
                    "percent": {"type": "integer", "minimum": 1, "maximum": 100},
                    "delay_ms": {"type": "integer", "minimum": 1},
                    "peer": text, "offset_ms": {"type": "integer"},
                },
            },
            "duration_seconds": {"type": "integer", "minimum": 1, "maximum": 3600},
            "seed": {"type": "integer"},
        },
    })
}

fn fault_registration() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["service", "instance", "capabilities"],
        "properties": {
            "service": text, "instance": text,
            "capabilities": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["kind"],
                    "properties": {"kind": fault_kinds(), "operations": {"type": "array", "items": text}},
                },
            },
        },
    })
}

fn fault_acknowledgement() -> Value {
    let text = json!({"type": "string"});
    let states = [FaultState::Active, FaultState::Expired, FaultState::Cleared].map(FaultState::as_str);
    json!({
        "type": "object",
        "required": ["id", "service", "instance", "state"],
        "properties": {"id": text, "service": text, "instance": text, "state": {"enum": states}},
    })
}

fn letters_request() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["destination"],
        "properties": {"destination": text, "id": {"type": "string", "description": "One message; all when absent"}},
    })
}

fn saga_request() -> Value {
    let name = json!({"type": "string", "description": "`saga.name`, where two types share an id"});
    json!({"type": "object", "properties": {"name": name}})
}

fn action_report() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["id", "service", "instance", "result"],
        "properties": {
            "id": text, "service": text, "instance": text,
            "result": {"enum": ["done", "unknown", "refused", "failed"]},
            "count": {"type": "integer", "minimum": 0}, "detail": text,
        },
    })
}

fn action_done() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["services", "count", "detail", "verified"],
        "properties": {
            "services": {"type": "array", "items": text}, "count": {"type": "integer"}, "detail": text,
            "verified": {"enum": ["telemetry", "answer"]},
        },
    })
}

fn run_request() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "seed": {"type": "integer", "minimum": 0, "default": 1, "description": "Of the customers and of the faults' dice"},
            "rate": {"type": "number", "minimum": 0.1, "maximum": 1000, "default": 10, "description": "Orders a second"},
            "seconds": {
                "type": "integer", "minimum": 4, "maximum": 600, "default": 20,
                "description": "Of load, where the experiment has runs to compare",
            },
        },
    })
}

fn experiment_run() -> Value {
    let text = json!({"type": "string"});
    let optional = json!({"type": ["string", "null"]});
    let states = [
        RunState::Running,
        RunState::Passed,
        RunState::Failed,
        RunState::Error,
        RunState::Cancelled,
    ]
    .map(RunState::as_str);
    let list = |of: Value| json!({"type": "array", "items": of});
    let record = |properties: Value| json!({"type": "object", "properties": properties});
    json!({
        "type": "object",
        "required": ["id", "experiment", "state", "started_at", "progress", "tables", "findings"],
        "properties": {
            "id": text, "experiment": text, "state": {"enum": states}, "verdict": optional,
            "started_at": text, "ended_at": optional,
            "request": {"$ref": "#/components/schemas/RunRequest"},
            "progress": list(record(json!({"at": text, "text": text}))),
            "progress_dropped": {"type": "integer"},
            "tables": list(record(json!({"title": text, "columns": list(text.clone()), "rows": list(list(text.clone()))}))),
            "findings": list(record(json!({"holds": {"type": "boolean"}, "text": text}))),
        },
    })
}

fn traffic() -> Value {
    json!({
        "type": "object",
        "required": ["orders_per_second"],
        "properties": {
            "orders_per_second": {"type": "number", "minimum": 0, "maximum": 1000},
            "flows": {
                "type": "object",
                "description": "Shares of the ways to carry out an order; left out, they stay.",
                "propertyNames": {"enum": OrderFlow::ALL},
                "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 1000},
            },
        },
    })
}
