//! Runs as they stand: begun, told of, ended, and in the end forgotten. Pure.

use std::collections::{BTreeSet, VecDeque};

use http::StatusCode;
use sagascope_api::Time;
use sagascope_api::experiments::{
    Experiment, ExperimentRun, FigureTable, Finding, PROGRESS_HELD, ProgressLine, RunRequest, RunState, RunSummary,
    Scenario,
};
use sagascope_api::text::scrub;

use super::{End, Measured};
use crate::problem::{Answer, Refusal};

/// Runs kept; the newest of each experiment stays whatever its age.
const RUNS: usize = 50;
/// Longest line of progress, finding or verdict, in characters.
const LINE: usize = 300;
/// Longest text of a table, in characters.
const CELL: usize = 120;
const TABLES: usize = 12;
const COLUMNS: usize = 16;
const ROWS: usize = 60;
const FINDINGS: usize = 60;

/// All experiments and runs.
pub(super) struct Desk {
    scenarios: Vec<Scenario>,
    /// Oldest first.
    runs: VecDeque<ExperimentRun>,
    /// Experiments that changed.
    changed: BTreeSet<String>,
}

/// How a run ended.
pub(super) struct Outcome {
    state: RunState,
    verdict: String,
    measured: Measured,
}

impl Outcome {
    /// As the laboratory tells it.
    pub(super) fn of(told: Result<Measured, String>) -> Self {
        let measured = match told {
            Ok(measured) => bounded(measured),
            Err(why) => return Self::error(&why),
        };
        let broken: Vec<&Finding> = measured.findings.iter().filter(|finding| !finding.holds).collect();
        let total = measured.findings.len();
        let (state, verdict) = match broken.first() {
            None if total == 0 => return Self::error("It found nothing out, which proves nothing."),
            None => (RunState::Passed, format!("as promised: all {total} findings hold")),
            Some(first) => {
                let count = broken.len();
                (
                    RunState::Failed,
                    format!("not as promised ({count} of {total}): {}", first.text),
                )
            }
        };
        Self {
            state,
            verdict: scrub(&verdict, LINE),
            measured,
        }
    }

    /// Ended from outside.
    pub(super) fn ended(why: End) -> Self {
        match why {
            End::Cancelled => Self {
                state: RunState::Cancelled,
                verdict: "cancelled before it had a verdict".into(),
                measured: Measured::default(),
            },
            End::Stopping => Self::error("The collector stopped before it ended."),
            End::TooLong => Self::error("It did not end within its time; what it started was ended."),
        }
    }

    /// It broke off.
    pub(super) fn error(why: &str) -> Self {
        Self {
            state: RunState::Error,
            verdict: scrub(why, LINE),
            measured: Measured::default(),
        }
    }
}

impl Desk {
    /// With the runs that were kept, in any order.
    pub(super) fn new(scenarios: Vec<Scenario>, mut kept: Vec<ExperimentRun>) -> Self {
        kept.sort_by_key(|run| run.summary.started_at);
        for run in kept.iter_mut().filter(|run| run.summary.state == RunState::Running) {
            run.summary.state = RunState::Error;
            run.summary.verdict = Some("The collector was killed before it ended.".into());
            run.summary.ended_at = run.progress.last().map(|line| line.at).or(Some(run.summary.started_at));
        }
        let mut desk = Self {
            scenarios,
            runs: kept.into(),
            changed: BTreeSet::new(),
        };
        desk.shed();
        desk
    }

    /// In the order of the course.
    pub(super) fn rows(&self) -> Vec<Experiment> {
        (1..)
            .zip(&self.scenarios)
            .map(|(place, scenario)| self.row(place, scenario))
            .collect()
    }

    /// Rows that changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Experiment> {
        if self.changed.is_empty() {
            return Vec::new();
        }
        let changed = std::mem::take(&mut self.changed);
        let mut rows = self.rows();
        rows.retain(|row| changed.contains(&row.scenario.name));
        rows
    }

    /// Newest first.
    pub(super) fn runs(&self) -> Vec<RunSummary> {
        self.runs.iter().rev().map(|run| run.summary.clone()).collect()
    }

    /// One run.
    pub(super) fn run(&self, id: &str) -> Option<ExperimentRun> {
        self.runs.iter().find(|run| run.summary.id == id).cloned()
    }

    /// A new run, when there is such an experiment and none runs.
    pub(super) fn begin(&mut self, name: &str, request: RunRequest, id: &str, now: Time) -> Answer<ExperimentRun> {
        if !self.scenarios.iter().any(|scenario| scenario.name == name) {
            return Err(self.unknown(name));
        }
        if let Some(other) = self.runs.iter().find(|run| run.summary.state == RunState::Running) {
            return Err(busy(&other.summary));
        }
        let run = ExperimentRun {
            summary: RunSummary {
                id: id.to_owned(),
                experiment: name.to_owned(),
                started_at: now,
                ..RunSummary::default()
            },
            request,
            ..ExperimentRun::default()
        };
        self.runs.push_back(run.clone());
        self.changed.insert(name.to_owned());
        Ok(run)
    }

    /// One more line of progress.
    pub(super) fn tell(&mut self, id: &str, line: &str, now: Time) {
        let Some(run) = self.runs.iter_mut().find(|run| run.summary.id == id) else {
            return;
        };
        run.progress.push(ProgressLine {
            at: now,
            text: scrub(line, LINE),
        });
        if run.progress.len() > PROGRESS_HELD {
            run.progress.remove(0);
            run.progress_dropped += 1;
        }
        self.changed.insert(run.summary.experiment.clone());
    }

    /// The run has ended. Gives it as it is kept, and the ids of those that are forgotten for it.
    pub(super) fn end(&mut self, id: &str, outcome: Outcome, now: Time) -> Option<(ExperimentRun, Vec<String>)> {
        let run = self.runs.iter_mut().find(|run| run.summary.id == id)?;
        run.summary.state = outcome.state;
        run.summary.verdict = Some(outcome.verdict);
        run.summary.ended_at = Some(now);
        run.tables = outcome.measured.tables;
        run.findings = outcome.measured.findings;
        let run = run.clone();
        self.changed.insert(run.summary.experiment.clone());
        Some((run, self.shed()))
    }

    fn row(&self, place: u32, scenario: &Scenario) -> Experiment {
        let of_it = || {
            self.runs
                .iter()
                .rev()
                .filter(|run| run.summary.experiment == scenario.name)
        };
        let mut scenario = scenario.clone();
        // The last run on this machine knows better than any guess.
        let measured = of_it().find(|run| matches!(run.summary.state, RunState::Passed | RunState::Failed));
        if let Some(RunSummary {
            started_at,
            ended_at: Some(ended_at),
            ..
        }) = measured.map(|run| &run.summary)
        {
            scenario.about_seconds = Some(ended_at.seconds_since(*started_at).max(0.0).ceil() as u64);
        }
        Experiment {
            place,
            last: of_it()
                .find(|run| run.summary.state != RunState::Running)
                .map(|run| run.summary.clone()),
            run: of_it().next().cloned(),
            scenario,
        }
    }

    /// Forgets the oldest runs over the bound, never the newest of an experiment.
    fn shed(&mut self) -> Vec<String> {
        let mut forgotten = Vec::new();
        while self.runs.len() > RUNS {
            let has_newer = |at: usize| {
                let experiment = &self.runs[at].summary.experiment;
                self.runs
                    .iter()
                    .skip(at + 1)
                    .any(|run| run.summary.experiment == *experiment)
            };
            let oldest = (0..self.runs.len()).find(|at| has_newer(*at)).unwrap_or(0);
            forgotten.extend(self.runs.remove(oldest).map(|run| run.summary.id));
        }
        forgotten
    }

    fn unknown(&self, name: &str) -> Refusal {
        let name: String = name.chars().take(100).collect();
        let known: Vec<&str> = self.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        Refusal::new(
            StatusCode::NOT_FOUND,
            "unknown_experiment",
            "Not found",
            format!("There is no experiment `{name}`; there are: {}.", known.join(", ")),
        )
    }
}

fn busy(other: &RunSummary) -> Refusal {
    let RunSummary { id, experiment, .. } = other;
    Refusal::new(
        StatusCode::CONFLICT,
        "experiment_running",
        "An experiment runs",
        format!(
            "`{experiment}` runs (run {id}), and one runs at a time so that they do not disturb each other's figures. Wait for it, or \
             DELETE /api/v1/experiments/runs/{id} to end it."
        ),
    )
}

/// What came from another process, cut and cleaned.
fn bounded(mut measured: Measured) -> Measured {
    let clean = |text: &mut String, limit| *text = scrub(text, limit);
    measured.tables.truncate(TABLES);
    for FigureTable { title, columns, rows } in &mut measured.tables {
        clean(title, LINE);
        columns.truncate(COLUMNS);
        columns.iter_mut().for_each(|cell| clean(cell, CELL));
        rows.truncate(ROWS);
        for row in rows {
            row.resize(columns.len(), String::new());
            row.iter_mut().for_each(|cell| clean(cell, CELL));
        }
    }
    // A broken promise must not be cut off.
    if measured.findings.len() > FINDINGS {
        measured.findings.sort_by_key(|finding| finding.holds);
        measured.findings.truncate(FINDINGS);
    }
    measured
        .findings
        .iter_mut()
        .for_each(|finding| clean(&mut finding.text, LINE));
    measured
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
