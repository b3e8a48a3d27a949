//! The scenarios, a file each.

mod booking;
mod canary;
mod dual_write;
mod event_versions;
mod generations;
mod payments_down;
mod rebuild;
mod recovery;
mod stale_read;
mod throughput;
mod two_phase_commit;

use std::pin::Pin;

use serde::Serialize;

use super::report::Report;
use crate::cli::LabOptions;

type Run = for<'a> fn(&'a LabOptions, &'a mut Report) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>>;

/// One experiment.
pub(super) struct Scenario {
    /// As typed.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What to watch while it runs, and in the tables.
    pub(super) look_at: &'static [&'static str],
    pub(super) run: Run,
}

/// A scenario for scripts.
#[derive(Debug, Serialize)]
pub(super) struct Described {
    name: &'static str,
    title: &'static str,
    look_at: &'static [&'static str],
}

impl Scenario {
    pub(super) const fn described(&self) -> Described {
        Described {
            name: self.name,
            title: self.title,
            look_at: self.look_at,
        }
    }
}

/// All of them, in the order of the course.
pub(super) const SCENARIOS: &[Scenario] = &[
    generations::SCENARIO,
    booking::SCENARIO,
    two_phase_commit::SCENARIO,
    dual_write::SCENARIO,
    stale_read::SCENARIO,
    event_versions::SCENARIO,
    rebuild::SCENARIO,
    payments_down::SCENARIO,
    canary::SCENARIO,
    throughput::SCENARIO,
    recovery::SCENARIO,
];

/// About how long one takes with the usual load; of those that were timed.
pub(super) fn about_seconds(name: &str) -> Option<u64> {
    let seconds = match name {
        "generations" => 300,
        "booking" | "stale-read" | "two-phase-commit" | "event-versions" => 20,
        "dual-write" | "throughput" => 90,
        "rebuild" | "recovery" => 40,
        "payments-down" => 50,
        _ => return None,
    };
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_says_what_to_look_at() {
        for (n, scenario) in SCENARIOS.iter().enumerate() {
            assert!(!scenario.look_at.is_empty(), "{}", scenario.name);
            assert!(SCENARIOS[..n].iter().all(|other| other.name != scenario.name));
        }
    }
}
