//! Experiments: run one, end it.

use sagascope_api::Time;
use sagascope_api::experiments::{ExperimentRun, RunState};
use sagascope_api::text::{self, Tone};

use super::App;
use super::place::Place;
use crate::event::Question;

impl App {
    /// The experiment that is open, or selected.
    fn shown_experiment(&self) -> Option<&str> {
        match &self.place {
            Place::Experiment(name) => Some(name),
            Place::Lab => self.lab.selected(),
            _ => None,
        }
    }

    /// The run that goes on; there is one at a time.
    fn running_experiment(&self) -> Option<&ExperimentRun> {
        let mut runs = self
            .known
            .live()
            .experiments
            .values()
            .filter_map(|row| row.run.as_ref());
        runs.find(|run| run.summary.state == RunState::Running)
    }

    pub(super) fn run_experiment(&mut self, now: Time) {
        if self.refuse_control(now) {
            return;
        }
        if let Some(run) = self.running_experiment() {
            let line = format!("{} runs, and one runs at a time: C ends it", run.summary.experiment);
            return self.say(Tone::Notice, line, now);
        }
        let shown = self.shown_experiment();
        let Some(experiment) = shown.and_then(|name| self.known.picture().experiments.get(name)) else {
            return self.say(Tone::Info, "no experiment is selected", now);
        };
        let scenario = &experiment.scenario;
        let takes = scenario.about_seconds.map_or_else(String::new, |seconds| {
            format!(" for about {}", text::age(seconds as f64))
        });
        let effect = format!(
            "It starts a shop of its own beside this one{takes}, breaks it, and measures. This shop goes on, with less of the machine."
        );
        let name = scenario.name.clone();
        self.confirm(format!("Run {name}?"), &effect, "run", Question::Run(name));
    }

    pub(super) fn cancel_experiment(&mut self, now: Time) {
        if self.refuse_control(now) {
            return;
        }
        let Some(run) = self.running_experiment() else {
            return self.say(Tone::Info, "no experiment runs", now);
        };
        let (id, name) = (run.summary.id.clone(), run.summary.experiment.clone());
        let effect = "Its shop is ended and its folder removed. It has no verdict then.";
        self.confirm(format!("End {name}?"), effect, "end it", Question::EndRun(id));
    }
}
