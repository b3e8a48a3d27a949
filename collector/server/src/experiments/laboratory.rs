//! What the collector asks of whoever can run experiments.

use std::pin::Pin;

use sagascope_api::experiments::{FigureTable, Finding, RunRequest, Scenario};
use tokio::sync::{mpsc, watch};

/// One run that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Of the run; fit for the name of a file.
    pub id: String,
    /// Of the experiment.
    pub name: String,
    /// With what.
    pub request: RunRequest,
}

/// What a run found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Figures.
    pub tables: Vec<FigureTable>,
    /// Promises, each with what was seen of it.
    pub findings: Vec<Finding>,
}

/// A run under way: what it found out, or why it broke off. Dropped, everything it started ends.
pub type Work = Pin<Box<dyn Future<Output = Result<Measured, String>> + Send>>;

/// Runs experiments. What it tells is cut and cleaned by the collector.
pub trait Laboratory: Send + Sync {
    /// In the order of the course; always the same.
    fn scenarios(&self) -> Vec<Scenario>;

    /// Removes what runs of an earlier process left behind. Asked once, before the first run.
    fn tidy(&self) {}

    /// Runs one. Lines of progress go to `told`; once `cancelled` is true it is to end soon, with everything it started.
    fn run(&self, order: Order, told: mpsc::Sender<String>, cancelled: watch::Receiver<bool>) -> Work;
}
