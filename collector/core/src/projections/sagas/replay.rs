//! From what was told to where the instance stands: one pure function of the set of tellings.

use std::sync::Arc;

use sagascope_api::Time;
use sagascope_conventions::{SagaState, StepState, WaitingFor};

use super::order;
use super::telling::{Kind, Subject, Telling, Witness};

/// Steps of one instance; tellings about further ones are left out.
const STEPS_MAX: usize = 64;
/// How long after its time a retry counts as overdue, seconds: relays and clocks are not exact.
const RETRY_GRACE_SECONDS: f64 = 1.0;

/// Where one instance stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    pub(super) state: SagaState,
    pub(super) started_at: Time,
    pub(super) updated_at: Time,
    pub(super) ended_at: Option<Time>,
    pub(super) reason: Option<Arc<str>>,
    /// In order.
    pub(super) steps: Vec<StepFacts>,
    /// Steps known, begun or not.
    pub(super) step_count: usize,
    /// Which of `steps` is at hand, and whether it is its undo.
    pub(super) at_hand: Option<(usize, Half)>,
    /// From when on it is stuck, unless something more is told.
    pub(super) stuck_from: Option<Time>,
}

/// Which half of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Forward,
    Undo,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StepFacts {
    pub(super) name: Arc<str>,
    pub(super) index: usize,
    pub(super) forward: Track,
    pub(super) undo: Track,
}

impl StepFacts {
    pub(super) const fn half(&self, half: Half) -> &Track {
        match half {
            Half::Forward => &self.forward,
            Half::Undo => &self.undo,
        }
    }
}

/// One half of a step through its attempts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Track {
    /// Absent until begun.
    pub(super) state: Option<StepState>,
    pub(super) attempts: u32,
    pub(super) started_at: Option<Time>,
    pub(super) ended_at: Option<Time>,
    pub(super) deadline: Option<Time>,
    pub(super) next_attempt_at: Option<Time>,
    pub(super) waiting: Option<(WaitingFor, Option<Arc<str>>)>,
    pub(super) reason: Option<Arc<str>>,
    /// Emitter and number of the telling that set the state.
    told_by: Option<(Arc<str>, Option<u64>)>,
    /// Attempt that the state belongs to.
    attempt: u32,
    /// Place in causal order of the last telling about it.
    moved: usize,
}

/// Where the instance stands; `None` when nothing was told.
pub(super) fn replay(tellings: &[Telling]) -> Option<Facts> {
    let heard = heard(tellings);
    let mut whole = Whole::default();
    let mut steps = Steps::default();
    for (moved, place) in order::causal(&heard).into_iter().enumerate() {
        let telling = heard[place];
        whole.tell(telling);
        steps.tell(telling, moved);
    }
    let started_at = heard.iter().map(|t| t.at).min()?;
    let updated_at = heard.iter().map(|t| t.at).max()?;
    let (steps, step_count) = steps.in_order();
    let (state, ended_at) = whole.state(&steps);
    let at_hand = at_hand(state, &steps);
    Some(Facts {
        reason: reason(state, &whole, &steps, at_hand),
        stuck_from: stuck_from(state, &steps, at_hand),
        steps: settled(steps, state),
        state,
        started_at,
        updated_at,
        ended_at,
        step_count,
        at_hand,
    })
}

/// Places in `tellings` of those that count, in causal order, for the history.
pub(super) fn history(tellings: &[Telling]) -> Vec<&Telling> {
    let heard = heard(tellings);
    order::causal(&heard)
        .into_iter()
        .map(|place| heard[place])
        .filter(|t| t.witness == Witness::Event || !matches!(t.kind, Kind::StepStarted | Kind::UndoStarted))
        .collect()
}

/// Leaves out what spans tell of a subject that events speak of: the two clocks differ by a little, and the picture
/// shall not depend on whether spans came too.
fn heard(tellings: &[Telling]) -> Vec<&Telling> {
    if is_of_one_witness(tellings) {
        return tellings.iter().collect();
    }
    tellings.iter().filter(|t| !is_overruled(t, tellings)).collect()
}

/// Of events alone or of spans alone nothing is overruled.
pub(super) fn is_of_one_witness(tellings: &[Telling]) -> bool {
    tellings.windows(2).all(|pair| pair[0].witness == pair[1].witness)
}

/// True for what a span tells of a subject that events speak of.
pub(super) fn is_overruled(telling: &Telling, among: &[Telling]) -> bool {
    if telling.witness == Witness::Event {
        return false;
    }
    let subject = telling.kind.subject();
    let outright = telling.kind.final_state().is_some();
    among.iter().any(|event| {
        event.witness == Witness::Event
            && event.kind.subject() == subject
            && event.step == telling.step
            // A span that names the final state outright still helps when the final event was lost.
            && (!outright || event.kind.final_state().is_some())
    })
}

/// The saga as a whole.
#[derive(Default)]
struct Whole {
    final_state: Option<(SagaState, Time)>,
    told_by: Option<(Arc<str>, Option<u64>)>,
    /// The saga's span ended, at this time, well or not.
    span_ended: Option<(Time, bool)>,
    reason: Option<Arc<str>>,
}

impl Whole {
    fn tell(&mut self, telling: &Telling) {
        match (telling.kind, telling.kind.final_state()) {
            (Kind::SpanEndedWell | Kind::SpanEndedBadly, _) => {
                self.span_ended = Some((telling.at, telling.kind == Kind::SpanEndedWell));
                self.reason = telling.reason().cloned().or_else(|| self.reason.take());
            }
            (_, Some(state)) => self.end(telling, state),
            (Kind::StepStarted | Kind::UndoStarted, None) if is_newer_of_same(self.told_by.as_ref(), telling) => {
                // A parked instance was taken up again by its own emitter.
                self.final_state = None;
                self.told_by = None;
            }
            _ => {}
        }
    }

    fn end(&mut self, telling: &Telling, state: SagaState) {
        if self.final_state.is_none_or(|(known, _)| known != state) {
            self.final_state = Some((state, telling.at));
        }
        self.told_by = Some((Arc::clone(&telling.service), telling.sequence));
        self.reason = telling.reason().cloned();
    }

    fn state(&self, steps: &[StepFacts]) -> (SagaState, Option<Time>) {
        if let Some((state, at)) = self.final_state {
            return (state, Some(at));
        }
        let undoing = steps.iter().any(|step| step.undo.state.is_some());
        match self.span_ended {
            Some((at, well)) => (self.state_of_ended_span(well, steps, undoing), Some(at)),
            None if undoing => (SagaState::Compensating, None),
            None => (SagaState::Running, None),
        }
    }

    /// Spans name no final state of their own accord; the steps tell it.
    fn state_of_ended_span(&self, well: bool, steps: &[StepFacts], undoing: bool) -> SagaState {
        let failed = |track: &Track| track.state == Some(StepState::Failed);
        if steps.iter().any(|step| failed(&step.undo)) {
            SagaState::Failed
        } else if undoing || !well || steps.iter().any(|step| failed(&step.forward)) {
            SagaState::Compensated
        } else {
            SagaState::Completed
        }
    }
}

fn is_newer_of_same(told_by: Option<&(Arc<str>, Option<u64>)>, telling: &Telling) -> bool {
    told_by.is_some_and(|(service, sequence)| {
        *service == telling.service && matches!((sequence, telling.sequence), (Some(old), Some(new)) if new > *old)
    })
}

/// Steps as they come up.
#[derive(Default)]
struct Steps {
    known: Vec<StepFacts>,
    /// Index told on the step itself.
    told_index: Vec<Option<u8>>,
    declared: usize,
}

impl Steps {
    fn tell(&mut self, telling: &Telling, moved: usize) {
        let more = telling.more.as_deref();
        if let Some(more) = more.filter(|more| !more.steps.is_empty() && self.declared == 0) {
            self.declare(&more.steps);
        }
        let subject = telling.kind.subject();
        let Some(name) = telling.step.as_ref().filter(|_| subject != Subject::Whole) else {
            return;
        };
        let Some(place) = self.place(name) else { return };
        if let Some(index) = telling.index {
            self.told_index[place] = Some(index);
        }
        let step = &mut self.known[place];
        let track = if subject == Subject::Undo {
            &mut step.undo
        } else {
            &mut step.forward
        };
        track.tell(telling, moved);
    }

    /// Puts the declared steps in front, in their order.
    fn declare(&mut self, names: &[Arc<str>]) {
        let mut places: Vec<usize> = Vec::new();
        for name in names {
            places.extend(self.place(name));
        }
        self.declared = places.len();
        let rank = |place: usize| places.iter().position(|p| *p == place).unwrap_or(usize::MAX);
        let mut all: Vec<(usize, StepFacts, Option<u8>)> = self
            .known
            .drain(..)
            .zip(self.told_index.drain(..))
            .enumerate()
            .map(|(place, (step, index))| (rank(place), step, index))
            .collect();
        all.sort_by_key(|(rank, ..)| *rank);
        for (_, step, index) in all {
            self.known.push(step);
            self.told_index.push(index);
        }
    }

    fn place(&mut self, name: &Arc<str>) -> Option<usize> {
        if let Some(place) = self.known.iter().position(|step| step.name == *name) {
            return Some(place);
        }
        if self.known.len() == STEPS_MAX {
            return None;
        }
        self.known.push(StepFacts {
            name: Arc::clone(name),
            index: 0,
            forward: Track::default(),
            undo: Track::default(),
        });
        self.told_index.push(None);
        Some(self.known.len() - 1)
    }

    /// Declared steps stand where they were declared, others where they said, the rest in the order they came.
    fn in_order(self) -> (Vec<StepFacts>, usize) {
        let declared = self.declared;
        let mut steps: Vec<StepFacts> = self
            .known
            .into_iter()
            .zip(self.told_index)
            .enumerate()
            .map(|(place, (mut step, told))| {
                let told = told.map(|index| usize::from(index).min(STEPS_MAX));
                step.index = match told {
                    Some(index) if place >= declared => index.max(declared),
                    _ => place,
                };
                step
            })
            .collect();
        steps.sort_by_key(|step| step.index);
        let count = steps.last().map_or(0, |step| (step.index + 1).max(steps.len()));
        (steps, count)
    }
}

impl Track {
    pub(super) fn told_by_service(&self) -> Option<Arc<str>> {
        self.told_by.as_ref().map(|(service, _)| Arc::clone(service))
    }

    fn tell(&mut self, telling: &Telling, moved: usize) {
        let begins = matches!(telling.kind, Kind::StepStarted | Kind::UndoStarted);
        let attempt = match telling.attempt {
            0 if begins => self.attempts + 1,
            0 => self.attempts.max(1),
            told => told,
        };
        self.moved = moved;
        self.attempts = self.attempts.max(attempt);
        if begins {
            self.started_at = Some(self.started_at.map_or(telling.at, |known| known.min(telling.at)));
        }
        if self.is_superseded_by(telling, attempt, begins) {
            self.take(telling, attempt);
        }
    }

    /// The same emitter's numbers decide; otherwise the higher attempt, and within one the outcome over the begin.
    fn is_superseded_by(&self, telling: &Telling, attempt: u32, begins: bool) -> bool {
        if self.state.is_none() || is_newer_of_same(self.told_by.as_ref(), telling) {
            return true;
        }
        let ended = matches!(self.state, Some(StepState::Succeeded | StepState::Failed));
        attempt > self.attempt || attempt == self.attempt && !(ended && begins)
    }

    fn take(&mut self, telling: &Telling, attempt: u32) {
        let more = telling.more.as_deref();
        let state = match telling.kind {
            Kind::StepRetrying => StepState::Retrying,
            Kind::StepFailed | Kind::UndoFailed => StepState::Failed,
            Kind::StepSucceeded | Kind::UndoSucceeded => StepState::Succeeded,
            _ => StepState::Running,
        };
        self.state = Some(state);
        self.attempt = attempt;
        self.told_by = Some((Arc::clone(&telling.service), telling.sequence));
        self.ended_at = matches!(state, StepState::Succeeded | StepState::Failed).then_some(telling.at);
        self.deadline = more.and_then(|more| more.deadline).or(self.deadline);
        self.next_attempt_at = more.and_then(|more| more.next_attempt_at);
        self.waiting = more.and_then(|more| more.waiting.clone());
        if let Some(reason) = telling.reason() {
            self.reason = Some(Arc::clone(reason));
        }
    }
}

/// The furthest step begun, or the one being undone.
fn at_hand(state: SagaState, steps: &[StepFacts]) -> Option<(usize, Half)> {
    if state == SagaState::Compensating || state == SagaState::Failed {
        let open = |track: &Track| track.state != Some(StepState::Succeeded);
        let undone = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.undo.state.is_some())
            .max_by_key(|(_, step)| (open(&step.undo), step.undo.moved));
        if let Some((place, _)) = undone {
            return Some((place, Half::Undo));
        }
    }
    let furthest = steps.iter().rposition(|step| step.forward.state.is_some())?;
    Some((furthest, Half::Forward))
}

fn reason(state: SagaState, whole: &Whole, steps: &[StepFacts], at_hand: Option<(usize, Half)>) -> Option<Arc<str>> {
    let last = |half: Half| {
        steps
            .iter()
            .map(|step| step.half(half))
            .filter(|track| track.reason.is_some() && track.state != Some(StepState::Succeeded))
            .max_by_key(|track| track.moved)
            .and_then(|track| track.reason.clone())
    };
    let forward = || last(Half::Forward);
    match state {
        SagaState::Completed => None,
        SagaState::Compensated => whole.reason.clone().or_else(forward),
        SagaState::Failed => whole.reason.clone().or_else(|| last(Half::Undo)).or_else(forward),
        SagaState::Compensating => forward().or_else(|| last(Half::Undo)),
        SagaState::Running => {
            let (place, half) = at_hand?;
            let track = steps[place].half(half);
            matches!(track.state, Some(StepState::Retrying | StepState::Failed))
                .then(|| track.reason.clone())
                .flatten()
        }
    }
}

/// A step between attempts has its plan, and is late when the plan is; any other when its deadline has passed.
fn stuck_from(state: SagaState, steps: &[StepFacts], at_hand: Option<(usize, Half)>) -> Option<Time> {
    let (place, half) = at_hand.filter(|_| !state.is_final())?;
    let track = steps[place].half(half);
    match track.next_attempt_at {
        Some(next) => Some(next.plus_seconds(RETRY_GRACE_SECONDS)),
        None => track.deadline,
    }
}

/// An undo is attempted until it is done or the saga is given up: only then has it failed.
fn settled(mut steps: Vec<StepFacts>, state: SagaState) -> Vec<StepFacts> {
    if !state.is_final() {
        for step in &mut steps {
            if step.undo.state == Some(StepState::Failed) {
                step.undo.state = Some(StepState::Retrying);
            }
        }
    }
    steps
}
