//! One saga instance: the set of what was told about it, and the row that follows from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::sagas::{Compensation, CurrentStep, Saga, SagaEvent, Step, Waiting};
use sagascope_conventions::{Coordination, StepState, WaitingFor};
use serde::{Deserialize, Serialize};

use super::replay::{self, Facts, Half, StepFacts, Track};
use super::telling::{Addressed, Kind, Telling, Witness};
use crate::projections::names::Names;
use crate::rows::TraceId;

/// Tellings kept of one instance. Lasting ones stay longest, then the newest.
const TELLINGS_MAX: usize = 200;
/// Traces remembered of one instance.
const TRACES_MAX: usize = 8;
/// Faults remembered of one instance.
const FAULTS_MAX: usize = 16;

/// One instance.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Instance {
    name: Arc<str>,
    id: Box<str>,
    /// Sorted, without repeats.
    tellings: Vec<Telling>,
    coordination: Option<(Witness, Time, Coordination)>,
    correlation: Option<(Witness, Time, Box<str>)>,
    trace: Option<(Witness, bool, Time, TraceId)>,
    pub(super) traces: BTreeSet<TraceId>,
    faults: BTreeSet<Arc<str>>,
}

impl Instance {
    pub(super) fn new(name: Arc<str>, id: &str) -> Self {
        Self {
            name,
            id: id.into(),
            tellings: Vec::new(),
            coordination: None,
            correlation: None,
            trace: None,
            traces: BTreeSet::new(),
            faults: BTreeSet::new(),
        }
    }

    /// Keeps each name once, together with all other instances.
    pub(super) fn share_names(&mut self, names: &mut Names) {
        self.name = names.share(&self.name);
        self.faults = self.faults.iter().map(|fault| names.share(fault)).collect();
        for telling in &mut self.tellings {
            telling.share_names(names);
        }
    }

    /// Joins what was told; repeats change nothing, and neither does the order.
    pub(super) fn tell(&mut self, addressed: Addressed<'_>) {
        for telling in addressed.tellings {
            let (witness, at) = (telling.witness, telling.at);
            if let Some(coordination) = addressed.coordination {
                least(&mut self.coordination, (witness, at, coordination));
            }
            if let Some(correlation) = addressed.correlation_id
                && self
                    .correlation
                    .as_ref()
                    .is_none_or(|known| (witness, at) < (known.0, known.1))
            {
                self.correlation = Some((witness, at, correlation.into()));
            }
            if let Some(trace) = telling.trace_id {
                least(&mut self.trace, (witness, telling.kind != Kind::Started, at, trace));
                insert_bounded(&mut self.traces, trace, TRACES_MAX);
            }
            if let Some(fault) = &telling.fault_id {
                self.touch_by_fault(fault);
            }
            self.insert(telling);
        }
    }

    pub(super) fn touch_by_fault(&mut self, fault: &Arc<str>) {
        insert_bounded(&mut self.faults, Arc::clone(fault), FAULTS_MAX);
    }

    /// Keeps the greatest of repeats and the weightiest of too many: both give the same set in any order.
    fn insert(&mut self, telling: Telling) {
        if let Some(known) = self.tellings.iter_mut().find(|known| known.is_repeat_of(&telling)) {
            if *known < telling {
                *known = telling;
            }
            return;
        }
        let place = self.tellings.partition_point(|known| *known < telling);
        self.tellings.insert(place, telling);
        if self.tellings.len() > TELLINGS_MAX {
            let lightest = self.tellings.iter().position(|t| !t.kind.is_lasting()).unwrap_or(0);
            self.tellings.remove(lightest);
        }
    }

    /// Where it stands. Forgets what spans told of subjects that events speak of.
    pub(super) fn facts(&mut self) -> Option<Facts> {
        if self.tellings.iter().any(|t| t.witness == Witness::Span) {
            let overruled: Vec<bool> = self
                .tellings
                .iter()
                .map(|t| replay::is_overruled(t, &self.tellings))
                .collect();
            let mut overruled = overruled.into_iter();
            self.tellings.retain(|_| !overruled.next().unwrap_or(false));
        }
        replay::replay(&self.tellings)
    }

    /// Where it stands.
    pub(super) fn told(&self) -> Option<Facts> {
        replay::replay(&self.tellings)
    }

    /// The row of these facts at `now`.
    pub(super) fn row(&self, facts: &Facts, now: Time) -> Saga {
        let at_hand = facts.at_hand.map(|(place, half)| (&facts.steps[place], half));
        Saga {
            id: self.id.to_string(),
            name: self.name.to_string(),
            coordination: self.coordination.map(|(.., coordination)| coordination),
            state: facts.state,
            stuck: facts.stuck_from.is_some_and(|from| from < now),
            step: at_hand.map(|(step, half)| CurrentStep {
                name: step.name.to_string(),
                index: step.index,
                attempt: step.half(half).attempts,
            }),
            step_count: facts.step_count,
            waiting: at_hand
                .filter(|_| !facts.state.is_final())
                .and_then(|(step, half)| waiting(step, half)),
            correlation_id: self.correlation.as_ref().map(|(.., id)| id.to_string()),
            trace_id: self.trace.as_ref().map(|(.., id)| id.to_string()),
            started_at: facts.started_at,
            ended_at: facts.ended_at,
            updated_at: facts.updated_at,
            deadline: at_hand
                .filter(|_| !facts.state.is_final())
                .and_then(|(step, half)| step.half(half).deadline),
            reason: facts.reason.as_deref().map(str::to_owned),
            faults: self.faults.iter().map(ToString::to_string).collect(),
        }
    }

    /// Its history in causal order.
    pub(super) fn events(&self) -> Vec<SagaEvent> {
        replay::history(&self.tellings).into_iter().map(event).collect()
    }

    /// Services that told of it.
    pub(super) fn services(&self) -> BTreeSet<&str> {
        self.tellings.iter().map(|t| &*t.service).collect()
    }

    /// The service that last told of the step at hand, and the breaker that step waits on.
    pub(super) fn waits_on_breaker(&self, facts: &Facts) -> Option<(Arc<str>, Arc<str>)> {
        let (place, half) = facts.at_hand.filter(|_| !facts.state.is_final())?;
        let track = facts.steps[place].half(half);
        let (WaitingFor::Breaker, on) = track.waiting.clone()? else {
            return None;
        };
        Some((track.told_by_service()?, on?))
    }
}

/// The steps of these facts.
pub(super) fn steps(facts: &Facts) -> Vec<Step> {
    facts
        .steps
        .iter()
        .map(|step| Step {
            name: step.name.to_string(),
            index: step.index,
            state: step.forward.state.unwrap_or(StepState::Pending),
            attempts: step.forward.attempts,
            started_at: step.forward.started_at,
            ended_at: step.forward.ended_at,
            deadline: step.forward.deadline,
            next_attempt_at: step.forward.next_attempt_at,
            reason: text(&step.forward.reason),
            compensation: compensation(&step.undo),
        })
        .collect()
}

fn compensation(undo: &Track) -> Option<Compensation> {
    Some(Compensation {
        state: undo.state?,
        attempts: undo.attempts,
        started_at: undo.started_at,
        ended_at: undo.ended_at,
        reason: text(&undo.reason),
    })
}

/// What the emitter said it waits for; a step between attempts waits for the next one.
fn waiting(step: &StepFacts, half: Half) -> Option<Waiting> {
    let track = step.half(half);
    let until = track.next_attempt_at;
    if let Some((kind, on)) = &track.waiting {
        return Some(Waiting {
            kind: *kind,
            on: text(on),
            until,
        });
    }
    (track.state == Some(StepState::Retrying)).then(|| Waiting {
        kind: WaitingFor::Retry,
        on: Some(step.name.to_string()),
        until,
    })
}

fn event(telling: &Telling) -> SagaEvent {
    SagaEvent {
        at: telling.at,
        name: telling.name(),
        service: telling.service.to_string(),
        sequence: telling.sequence,
        step: text(&telling.step),
        attempt: (telling.attempt > 0).then_some(telling.attempt),
        reason: text(&telling.reason),
        fault_id: text(&telling.fault_id),
        trace_id: telling.trace_id.map(|id| id.to_string()),
        span_id: telling.span_id.map(|id| id.to_string()),
    }
}

fn text(name: &Option<Arc<str>>) -> Option<String> {
    name.as_deref().map(str::to_owned)
}

fn least<T: Ord>(known: &mut Option<T>, told: T) {
    if known.as_ref().is_none_or(|known| told < *known) {
        *known = Some(told);
    }
}

/// Keeps the smallest, so that the set does not depend on the order.
fn insert_bounded<T: Ord>(set: &mut BTreeSet<T>, value: T, max: usize) {
    set.insert(value);
    if set.len() > max {
        set.pop_last();
    }
}
