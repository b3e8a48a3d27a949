//! One saga instance: the set of what was told about it, and the row that follows from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::sagas::{Compensation, CurrentStep, Saga, SagaEvent, Step, Waiting};
use sagascope_conventions::{Coordination, SagaState, StepState, WaitingFor};
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
    /// Sorted.
    traces: Vec<TraceId>,
    /// Sorted.
    faults: Vec<Arc<str>>,
    /// What [`Self::row`] shows beside the facts changed since last asked.
    #[serde(skip)]
    is_changed: bool,
}

/// What the facts say of an instance, in little room: most of its row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drawn {
    pub(super) state: SagaState,
    pub(super) stuck: bool,
    pub(super) started_at: Time,
    pub(super) updated_at: Time,
    ended_at: Option<Time>,
    deadline: Option<Time>,
    step: Option<(Arc<str>, u16)>,
    attempt: u32,
    step_count: u16,
    waiting: Option<Box<Waits>>,
    reason: Option<Arc<str>>,
}

/// For what kind of thing, for which, and until when.
type Waits = (WaitingFor, Option<Arc<str>>, Option<Time>);

impl Drawn {
    /// These facts at `now`.
    pub(super) fn of(facts: &Facts, now: Time) -> Self {
        let at_hand = facts.at_hand.map(|(place, half)| (&facts.steps[place], half));
        let open = at_hand.filter(|_| !facts.state.is_final());
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        Self {
            state: facts.state,
            stuck: facts.stuck_from.is_some_and(|from| from < now),
            started_at: facts.started_at,
            updated_at: facts.updated_at,
            ended_at: facts.ended_at,
            deadline: open.and_then(|(step, half)| step.half(half).deadline),
            step: at_hand.map(|(step, _)| (Arc::clone(&step.name), short(step.index))),
            attempt: at_hand.map_or(0, |(step, half)| step.half(half).attempts),
            step_count: short(facts.step_count),
            waiting: open.and_then(|(step, half)| waiting(step, half)).map(Box::new),
            reason: facts.reason.clone(),
        }
    }
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
            traces: Vec::new(),
            faults: Vec::new(),
            is_changed: false,
        }
    }

    /// Keeps each name once, together with all other instances.
    pub(super) fn share_names(&mut self, names: &mut Names) {
        self.name = names.share(&self.name);
        for fault in &mut self.faults {
            *fault = names.share(fault);
        }
        for telling in &mut self.tellings {
            telling.share_names(names);
        }
    }

    /// Is it the one known by these?
    pub(super) fn is(&self, name: &str, id: &str) -> bool {
        *self.id == *id && *self.name == *name
    }

    /// Name and id.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }

    /// Traces that told of it.
    pub(super) fn traces(&self) -> &[TraceId] {
        &self.traces
    }

    /// Did its row change in what does not follow from the facts, since last asked?
    pub(super) fn take_is_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Joins what was told; repeats change nothing, and neither does the order.
    pub(super) fn tell(&mut self, addressed: Addressed<'_>) {
        for telling in addressed.tellings {
            let (witness, at) = (telling.witness, telling.at);
            if let Some(coordination) = addressed.coordination {
                self.is_changed |= least(&mut self.coordination, (witness, at, coordination));
            }
            if let Some(correlation) = addressed.correlation_id
                && self
                    .correlation
                    .as_ref()
                    .is_none_or(|known| (witness, at) < (known.0, known.1))
            {
                self.correlation = Some((witness, at, correlation.into()));
                self.is_changed = true;
            }
            if let Some(trace) = telling.trace_id {
                self.is_changed |= least(&mut self.trace, (witness, telling.kind != Kind::Started, at, trace));
                insert_bounded(&mut self.traces, &trace, TRACES_MAX);
            }
            if let Some(fault) = telling.fault_id() {
                self.touch_by_fault(fault);
            }
            self.insert(telling);
        }
    }

    pub(super) fn touch_by_fault(&mut self, fault: &Arc<str>) {
        self.is_changed |= insert_bounded(&mut self.faults, fault, FAULTS_MAX);
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
        if self.tellings.len() == self.tellings.capacity() {
            // Doubling would leave much of the room of all instances unused.
            self.tellings.reserve_exact(match self.tellings.len() {
                0 => 6,
                many => 2 + many / 8,
            });
        }
        self.tellings.insert(place, telling);
        if self.tellings.len() > TELLINGS_MAX {
            let lightest = self.tellings.iter().position(|t| !t.kind.is_lasting()).unwrap_or(0);
            self.tellings.remove(lightest);
        }
    }

    /// Where it stands. Forgets what spans told of subjects that events speak of.
    pub(super) fn facts(&mut self) -> Option<Facts> {
        if !replay::is_of_one_witness(&self.tellings) {
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

    /// Its row.
    pub(super) fn row(&self, drawn: &Drawn) -> Saga {
        Saga {
            id: self.id.to_string(),
            name: self.name.to_string(),
            coordination: self.coordination.map(|(.., coordination)| coordination),
            state: drawn.state,
            stuck: drawn.stuck,
            step: drawn.step.as_ref().map(|(name, index)| CurrentStep {
                name: name.to_string(),
                index: usize::from(*index),
                attempt: drawn.attempt,
            }),
            step_count: usize::from(drawn.step_count),
            waiting: drawn.waiting.as_deref().map(|(kind, on, until)| Waiting {
                kind: *kind,
                on: text(on),
                until: *until,
            }),
            correlation_id: self.correlation.as_ref().map(|(.., id)| id.to_string()),
            trace_id: self.trace.as_ref().map(|(.., id)| id.to_string()),
            started_at: drawn.started_at,
            ended_at: drawn.ended_at,
            updated_at: drawn.updated_at,
            deadline: drawn.deadline,
            reason: text(&drawn.reason),
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
fn waiting(step: &StepFacts, half: Half) -> Option<Waits> {
    let track = step.half(half);
    let until = track.next_attempt_at;
    if let Some((kind, on)) = &track.waiting {
        return Some((*kind, on.clone(), until));
    }
    (track.state == Some(StepState::Retrying)).then(|| (WaitingFor::Retry, Some(Arc::clone(&step.name)), until))
}

fn event(telling: &Telling) -> SagaEvent {
    SagaEvent {
        at: telling.at,
        name: telling.name(),
        service: telling.service.to_string(),
        sequence: telling.sequence,
        step: text(&telling.step),
        attempt: (telling.attempt > 0).then_some(telling.attempt),
        reason: telling.reason().map(ToString::to_string),
        fault_id: telling.fault_id().map(ToString::to_string),
        trace_id: telling.trace_id.map(|id| id.to_string()),
        span_id: telling.span_id.map(|id| id.to_string()),
    }
}

fn text(name: &Option<Arc<str>>) -> Option<String> {
    name.as_deref().map(str::to_owned)
}

/// True when it changed.
fn least<T: Ord>(known: &mut Option<T>, told: T) -> bool {
    let is_less = known.as_ref().is_none_or(|known| told < *known);
    if is_less {
        *known = Some(told);
    }
    is_less
}

/// Keeps the smallest, so that the sorted set does not depend on the order. True when it may have changed.
fn insert_bounded<T: Ord + Clone>(set: &mut Vec<T>, value: &T, max: usize) -> bool {
    let Err(place) = set.binary_search(value) else {
        return false;
    };
    if place == max {
        return false;
    }
    if set.len() == set.capacity() {
        set.reserve_exact(1 + set.len());
    }
    set.insert(place, value.clone());
    set.truncate(max);
    true
}
