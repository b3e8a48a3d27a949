//! Experiments of the lab: what there is, one run of it, and how it went.

use serde::{Deserialize, Serialize};

use crate::Time;

/// Lines of progress that a run keeps; of more, the newest.
pub const PROGRESS_HELD: usize = 100;

/// `POST /api/v1/experiments/{name}/run`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Seed of the customers and of the faults' dice; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Orders a second, 0.1 to 1000; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Seconds of load where the experiment has runs to compare, 4 to 600; 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// What an experiment is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// As typed.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// What to watch while it runs, and in the tables.
    pub look_at: Vec<String>,
    /// About how long it takes; of an experiment that was never timed, unknown.
    pub about_seconds: Option<u64>,
}

/// One experiment: a row of `GET /api/v1/experiments` and of the topic `experiments`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// What it is about; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub scenario: Scenario,
    /// Its place in the course, from 1.
    pub place: u32,
    /// How the newest run that has ended went.
    pub last: Option<RunSummary>,
    /// The newest run, whether it goes on or has ended.
    pub run: Option<ExperimentRun>,
}

/// `GET /api/v1/experiments`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Experiments {
    /// In the order of the course; none when this collector has no lab.
    pub items: Vec<Experiment>,
    /// Newest first.
    pub runs: Vec<RunSummary>,
    /// Why there are none, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It goes on.
    #[default]
    Running,
    /// All was as promised.
    Passed,
    /// Something was not as promised.
    Failed,
    /// It broke off and says nothing about the promises.
    Error,
    /// A person ended it.
    Cancelled,
}

impl RunState {
    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A run without its figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Made up at its start.
    pub id: String,
    /// Of which experiment.
    pub experiment: String,
    /// Where it stands.
    pub state: RunState,
    /// In a sentence, once it has ended.
    pub verdict: Option<String>,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// One run with everything it told: `GET /api/v1/experiments/runs/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExperimentRun {
    /// Its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// With what it was asked for.
    pub request: RunRequest,
    /// What it did, oldest first.
    pub progress: Vec<ProgressLine>,
    /// Older lines of progress that are no longer held.
    #[serde(default)]
    pub progress_dropped: u64,
    /// What it measured.
    pub tables: Vec<FigureTable>,
    /// The promises, each with what was seen of it.
    pub findings: Vec<Finding>,
}

/// One line of progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressLine {
    /// When it was told.
    pub at: Time,
    /// What the run does now.
    pub text: String,
}

/// Figures side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FigureTable {
    /// What was measured, and how.
    pub title: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

/// Something that the pattern promises, and whether it was so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// As promised.
    pub holds: bool,
    /// In a sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_flat_in_json_and_reads_back() {
        let row = Experiment {
            scenario: Scenario {
                name: "stale-read".into(),
                ..Scenario::default()
            },
            place: 5,
            last: None,
            run: Some(ExperimentRun::default()),
        };
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(
            (&json["name"], &json["run"]["state"]),
            (&"stale-read".into(), &"running".into())
        );
        assert_eq!(serde_json::from_value::<Experiment>(json).unwrap(), row);
    }

    #[test]
    fn an_unknown_wish_is_refused() {
        assert!(serde_json::from_str::<RunRequest>(r#"{"speed": 3}"#).is_err());
        assert_eq!(serde_json::from_str::<RunRequest>("{}").unwrap(), RunRequest::default());
    }
}
