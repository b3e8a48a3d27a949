//! Saga types in numbers, kept up to date instance by instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::overview::SagaTypeSummary;
use sagascope_api::sagas::{SagaType, StepSummary};
use sagascope_conventions::{SagaState, StepState};
use serde::{Deserialize, Serialize};

use super::replay::{Facts, Track};
use crate::projections::histogram::{Bucket, Histogram};
use crate::projections::window::Slices;

/// Steps counted of one type.
const STEPS_MAX: usize = 64;
/// Seconds over which the rate of starts is taken.
const START_RATE_SECONDS: u64 = 10;

/// What one instance adds to the numbers of its type, so that it can be taken back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Share {
    state: SagaState,
    stuck: bool,
    duration: Option<Bucket>,
    steps: Box<[StepShare]>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct StepShare {
    /// Place in [`TypeNumbers::steps`].
    step: u16,
    /// Place in the instance.
    index: u16,
    state: Option<StepState>,
    undone: bool,
    retries: u32,
    duration: Option<Bucket>,
}

/// One type.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TypeNumbers {
    states: BTreeMap<SagaState, u64>,
    stuck: u64,
    durations: Histogram,
    steps: Vec<StepNumbers>,
    starts: Slices<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StepNumbers {
    name: Arc<str>,
    /// Instances that know the step, and the sum of its places in them: an instance heard of in part may have it
    /// earlier than it is.
    known: u64,
    places: u64,
    entered: u64,
    in_flight: u64,
    succeeded: u64,
    failed: u64,
    compensated: u64,
    retries: u64,
    durations: Histogram,
}

impl TypeNumbers {
    /// Counts the beginning of an instance.
    pub(super) fn started(&mut self, at: Time, now: Time) {
        if let Some(count) = self.starts.at(at, now) {
            *count += 1;
        }
    }

    /// Counts a beginning elsewhere, when an earlier sign of the instance came late.
    pub(super) fn started_earlier(&mut self, known: Time, at: Time, now: Time) {
        if let Some(count) = self.starts.at(known, now) {
            *count = count.saturating_sub(1);
        }
        self.started(at, now);
    }

    /// Counts an instance as it stands.
    pub(super) fn add(&mut self, facts: &Facts, stuck: bool) -> Share {
        let steps = facts
            .steps
            .iter()
            .filter_map(|step| {
                Some(StepShare {
                    step: self.place(&step.name)?,
                    index: u16::try_from(step.index).unwrap_or(u16::MAX),
                    state: step.forward.state,
                    undone: step.undo.state == Some(StepState::Succeeded),
                    retries: step.forward.attempts.saturating_sub(1),
                    duration: duration(&step.forward),
                })
            })
            .collect();
        let share = Share {
            state: facts.state,
            stuck,
            duration: facts
                .ended_at
                .map(|end| Bucket::of_nanos(end.0.saturating_sub(facts.started_at.0))),
            steps,
        };
        *self.states.entry(share.state).or_default() += 1;
        self.stuck += u64::from(share.stuck);
        if let Some(duration) = share.duration {
            self.durations.add(duration);
        }
        for step in &share.steps {
            self.steps[usize::from(step.step)].add(step);
        }
        share
    }

    /// Takes back what [`Self::add`] counted.
    pub(super) fn remove(&mut self, share: &Share) {
        if let Some(count) = self.states.get_mut(&share.state) {
            *count = count.saturating_sub(1);
        }
        self.stuck = self.stuck.saturating_sub(u64::from(share.stuck));
        if let Some(duration) = share.duration {
            self.durations.remove(duration);
        }
        for step in &share.steps {
            self.steps[usize::from(step.step)].remove(step);
        }
    }

    pub(super) fn summary(&self, name: &str, now: Time) -> SagaTypeSummary {
        let started: u32 = self.starts.recent(now, START_RATE_SECONDS).flatten().sum();
        SagaTypeSummary {
            name: name.to_owned(),
            states: self.held_states(),
            stuck: self.stuck,
            started_per_second: f64::from(started) / START_RATE_SECONDS as f64,
            p50_ms: self.durations.quantile_ms(0.5),
            p95_ms: self.durations.quantile_ms(0.95),
        }
    }

    pub(super) fn graph(&self, name: &str) -> SagaType {
        let mut steps: Vec<&StepNumbers> = self.steps.iter().filter(|step| step.known > 0).collect();
        // By mean place, without a fraction.
        steps.sort_by(|a, b| (a.places * b.known, &a.name).cmp(&(b.places * a.known, &b.name)));
        SagaType {
            name: name.to_owned(),
            states: self.held_states(),
            steps: steps.into_iter().map(StepNumbers::summary).collect(),
            p50_ms: self.durations.quantile_ms(0.5),
            p95_ms: self.durations.quantile_ms(0.95),
        }
    }

    fn held_states(&self) -> BTreeMap<SagaState, u64> {
        let held = self.states.iter().filter(|(_, count)| **count > 0);
        held.map(|(state, count)| (*state, *count)).collect()
    }

    fn place(&mut self, name: &Arc<str>) -> Option<u16> {
        let place = match self.steps.iter().position(|step| step.name == *name) {
            Some(place) => place,
            None if self.steps.len() == STEPS_MAX => return None,
            None => {
                self.steps.push(StepNumbers::new(Arc::clone(name)));
                self.steps.len() - 1
            }
        };
        u16::try_from(place).ok()
    }
}

impl StepNumbers {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            known: 0,
            places: 0,
            entered: 0,
            in_flight: 0,
            succeeded: 0,
            failed: 0,
            compensated: 0,
            retries: 0,
            durations: Histogram::default(),
        }
    }

    fn add(&mut self, share: &StepShare) {
        for (count, one) in self.counts(share) {
            *count += one;
        }
        if let Some(duration) = share.duration {
            self.durations.add(duration);
        }
    }

    fn remove(&mut self, share: &StepShare) {
        for (count, one) in self.counts(share) {
            *count = count.saturating_sub(one);
        }
        if let Some(duration) = share.duration {
            self.durations.remove(duration);
        }
    }

    fn counts(&mut self, share: &StepShare) -> [(&mut u64, u64); 8] {
        let state = share.state;
        let in_flight = matches!(state, Some(StepState::Running | StepState::Retrying));
        [
            (&mut self.known, 1),
            (&mut self.places, u64::from(share.index)),
            (&mut self.entered, u64::from(state.is_some())),
            (&mut self.in_flight, u64::from(in_flight)),
            (&mut self.succeeded, u64::from(state == Some(StepState::Succeeded))),
            (&mut self.failed, u64::from(state == Some(StepState::Failed))),
            (&mut self.compensated, u64::from(share.undone)),
            (&mut self.retries, u64::from(share.retries)),
        ]
    }

    fn summary(&self) -> StepSummary {
        StepSummary {
            name: self.name.to_string(),
            entered: self.entered,
            in_flight: self.in_flight,
            succeeded: self.succeeded,
            failed: self.failed,
            compensated: self.compensated,
            retries: self.retries,
            p50_ms: self.durations.quantile_ms(0.5),
            p95_ms: self.durations.quantile_ms(0.95),
        }
    }
}

fn duration(track: &Track) -> Option<Bucket> {
    let (start, end) = (track.started_at?, track.ended_at?);
    Some(Bucket::of_nanos(end.0.saturating_sub(start.0)))
}
