//! Health, readiness, and our own numbers in Prometheus text.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use sagascope_core::projections::Lost;
use sagascope_store::Signal;
use sagascope_store::head::Sequences;

use crate::app::{App, World, get};

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the log is replayed, queries answer, and telemetry is taken.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Response {
    if !app.is_ready() {
        return (StatusCode::SERVICE_UNAVAILABLE, "reading the log\n").into_response();
    }
    match app.wal.status().failed {
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("the log failed: {reason}\n")).into_response(),
        None => "ready\n".into_response(),
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text(&app),
    )
        .into_response()
}

fn text(app: &App) -> String {
    let mut out = Text(String::new());
    let Gathered {
        held,
        head_bytes,
        segment_bytes,
        segment_files,
        segment_files_damaged,
        lost,
        aged_out,
        lag_ms,
    } = Gathered::of(&app.read());
    let status = app.wal.status();
    let counters = &app.counters;
    out.family(
        "sagascope_records_total",
        "counter",
        "Telemetry records by signal and outcome.",
    );
    for (signal, name, dropped) in [
        (Signal::Traces, "spans", lost.spans),
        (Signal::Logs, "logs", lost.logs),
        (Signal::Metrics, "points", lost.points),
    ] {
        let of = counters.of(signal);
        for (outcome, value) in [
            ("accepted", get(&of.accepted)),
            ("rejected", get(&of.rejected)),
            ("dropped", dropped),
        ] {
            out.line(
                &format!("sagascope_records_total{{signal=\"{name}\",outcome=\"{outcome}\"}}"),
                value,
            );
        }
    }
    out.family(
        "sagascope_values_cut_total",
        "counter",
        "Values of accepted records that are not kept as they were sent: too long, unknown, impossible or too many.",
    );
    for (signal, name) in [
        (Signal::Traces, "spans"),
        (Signal::Logs, "logs"),
        (Signal::Metrics, "points"),
    ] {
        let cut = get(&counters.of(signal).cut);
        out.line(&format!("sagascope_values_cut_total{{signal=\"{name}\"}}"), cut);
    }
    out.family(
        "sagascope_head_rows",
        "gauge",
        "Rows in memory that are not sealed yet.",
    );
    for (signal, rows) in [("spans", held.spans), ("logs", held.logs), ("points", held.points)] {
        out.line(&format!("sagascope_head_rows{{signal=\"{signal}\"}}"), rows);
    }
    out.family(
        "sagascope_requests_refused_total",
        "counter",
        "Requests refused, by reason.",
    );
    for (reason, value) in [
        ("malformed", get(&counters.malformed)),
        ("oversized", get(&counters.oversized)),
        ("pushed_back", get(&counters.pushed_back)),
        ("forbidden", get(&counters.forbidden)),
        ("unauthorised", get(&counters.unauthorised)),
    ] {
        out.line(
            &format!("sagascope_requests_refused_total{{reason=\"{reason}\"}}"),
            value,
        );
    }
    let rest: [(&str, &str, &str, u64); 20] = [
        (
            "sagascope_connections_total",
            "counter",
            "Connections taken.",
            get(&counters.connections),
        ),
        (
            "sagascope_projections_aged_out_total",
            "counter",
            "Traces and ended sagas that made room for newer ones.",
            aged_out,
        ),
        (
            "sagascope_head_bytes",
            "gauge",
            "Bytes of the rows held in memory.",
            head_bytes as u64,
        ),
        (
            "sagascope_intake_budget_bytes",
            "gauge",
            "Bytes that requests may still take.",
            app.budget.left() as u64,
        ),
        (
            "sagascope_segment_bytes",
            "gauge",
            "Bytes of the sealed files.",
            segment_bytes,
        ),
        (
            "sagascope_segment_files",
            "gauge",
            "Sealed files.",
            segment_files as u64,
        ),
        (
            "sagascope_segment_files_damaged",
            "gauge",
            "Sealed files that are gone or cannot be read, as far as is known.",
            segment_files_damaged,
        ),
        (
            "sagascope_answers_incomplete_total",
            "counter",
            "Answers that lack what could not be read.",
            get(&counters.incomplete_answers),
        ),
        (
            "sagascope_units_sealed_total",
            "counter",
            "Parts of the log that were sealed.",
            get(&counters.units_sealed),
        ),
        (
            "sagascope_seal_failures_total",
            "counter",
            "Times that sealing failed and was put off.",
            get(&counters.seal_failures),
        ),
        (
            "sagascope_log_unreadable_total",
            "counter",
            "Records of the log that could not be read.",
            get(&counters.unreadable),
        ),
        (
            "sagascope_log_bytes",
            "gauge",
            "Bytes of the log on disk.",
            status.bytes,
        ),
        (
            "sagascope_log_records_total",
            "counter",
            "Records appended to the log.",
            status.appended,
        ),
        (
            "sagascope_log_commits_total",
            "counter",
            "Groups of records committed.",
            status.commits,
        ),
        (
            "sagascope_log_files_removed_total",
            "counter",
            "Files of the log removed because all in them is sealed.",
            status.files_removed,
        ),
        (
            "sagascope_log_failed",
            "gauge",
            "1 once the log takes nothing more.",
            status.failed.is_some().into(),
        ),
        (
            "sagascope_log_no_space",
            "gauge",
            "1 while the disk is nearly full.",
            status.no_space.into(),
        ),
        (
            "sagascope_live_watchers",
            "gauge",
            "Watchers of the live stream.",
            get(&counters.watchers),
        ),
        (
            "sagascope_live_missed_total",
            "counter",
            "Messages that slow watchers missed.",
            get(&counters.missed),
        ),
        (
            "sagascope_live_logs_unsampled_total",
            "counter",
            "Log rows left out of the stream.",
            get(&counters.unsampled_logs),
        ),
    ];
    for (name, kind, help, value) in rest {
        out.family(name, kind, help);
        out.line(name, value);
    }
    out.family(
        "sagascope_projection_lag_seconds",
        "gauge",
        "From receipt to projection, of the last batch.",
    );
    out.line("sagascope_projection_lag_seconds", lag_ms / 1e3);
    out.family("sagascope_uptime_seconds", "gauge", "Since the start.");
    out.line("sagascope_uptime_seconds", app.started.elapsed().as_secs_f64());
    out.0
}

/// What one hold of the lock tells.
struct Gathered {
    held: Sequences,
    head_bytes: usize,
    segment_bytes: u64,
    segment_files: usize,
    segment_files_damaged: u64,
    lost: Lost,
    aged_out: u64,
    lag_ms: f64,
}

impl Gathered {
    fn of(world: &World) -> Self {
        Self {
            held: world.head.held(),
            head_bytes: world.head.bytes(),
            segment_bytes: world.view.bytes(),
            segment_files: world.view.files().len(),
            segment_files_damaged: world.view.damaged(),
            lost: world.projections.lost(),
            aged_out: world.projections.aged_out(),
            lag_ms: world.projection_lag_ms,
        }
    }
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, series: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{series} {value}");
    }
}
