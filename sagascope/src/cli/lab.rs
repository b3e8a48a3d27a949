//! Flags of `sagascope lab`.

use std::path::PathBuf;

use clap::Args;

use super::units;

pub(super) const EXAMPLES: &str = "\
Examples:
  sagascope lab                              the scenarios
  sagascope lab generations                  the generations of the order saga, compared by measurement
  sagascope lab generations --seed 7 --rate 20 --seconds 40
  sagascope lab --all --json > lab.json      every scenario, for scripts; ends with code 1 when a promise is broken";

#[derive(Clone, Debug, Args)]
pub(crate) struct LabOptions {
    /// Scenarios to run; none lists them
    #[arg(value_name = "SCENARIO", conflicts_with = "all")]
    pub(crate) scenarios: Vec<String>,
    /// Run every scenario
    #[arg(long)]
    pub(crate) all: bool,
    /// Seed of the customers and of the faults' dice
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Orders a second
    #[arg(long, default_value_t = 10.0, value_parser = units::load_rate)]
    pub(crate) rate: f64,
    /// Seconds of load in each run of `generations`
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(4..=600))]
    pub(crate) seconds: u64,
    /// Folder in which each shop gets a folder of its own, removed in the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data_dir: PathBuf,
    /// Print JSON instead of tables: the results on standard output, progress on standard error, an object a line
    #[arg(long)]
    pub(crate) json: bool,
}
