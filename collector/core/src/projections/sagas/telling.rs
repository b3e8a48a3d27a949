//! One thing told about a saga instance, by a state event or by a span.

use std::sync::Arc;

use sagascope_api::Time;
use sagascope_conventions::{Coordination, SagaState, WaitingFor, events};
use serde::{Deserialize, Serialize};

use crate::block::{LogRef, SpanRef, ValueRef};
use crate::projections::keys::{Key, Keyed, Keys};
use crate::projections::names::{Names, cut};
use crate::rows::{SpanId, SpanStatus, TraceId, Value};

/// Steps named by one `saga.started`.
const DECLARED_STEPS_MAX: usize = 64;

/// What was told, in the order a lattice would have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    Started,
    StepStarted,
    StepFailed,
    StepRetrying,
    StepSucceeded,
    UndoStarted,
    UndoFailed,
    UndoSucceeded,
    /// The saga's span ended well; which final state that means depends on the steps.
    SpanEndedWell,
    /// The saga's span ended with an error.
    SpanEndedBadly,
    Completed,
    Compensated,
    Failed,
}

impl Kind {
    fn of_event(name: &str) -> Option<Self> {
        Some(match name {
            events::SAGA_STARTED => Self::Started,
            events::SAGA_STEP_STARTED => Self::StepStarted,
            events::SAGA_STEP_FAILED => Self::StepFailed,
            events::SAGA_STEP_RETRYING => Self::StepRetrying,
            events::SAGA_STEP_SUCCEEDED => Self::StepSucceeded,
            events::SAGA_COMPENSATION_STARTED => Self::UndoStarted,
            events::SAGA_COMPENSATION_FAILED => Self::UndoFailed,
            events::SAGA_COMPENSATION_SUCCEEDED => Self::UndoSucceeded,
            events::SAGA_COMPLETED => Self::Completed,
            events::SAGA_COMPENSATED => Self::Compensated,
            events::SAGA_FAILED => Self::Failed,
            _ => return None,
        })
    }

    const fn of_final(state: SagaState) -> Option<Self> {
        match state {
            SagaState::Completed => Some(Self::Completed),
            SagaState::Compensated => Some(Self::Compensated),
            SagaState::Failed => Some(Self::Failed),
            SagaState::Running | SagaState::Compensating => None,
        }
    }

    /// The final state that it tells outright.
    pub(super) const fn final_state(self) -> Option<SagaState> {
        match self {
            Self::Completed => Some(SagaState::Completed),
            Self::Compensated => Some(SagaState::Compensated),
            Self::Failed => Some(SagaState::Failed),
            _ => None,
        }
    }

    /// About the forward half of a step, its undo, or the saga as a whole.
    pub(super) const fn subject(self) -> Subject {
        match self {
            Self::StepStarted | Self::StepFailed | Self::StepRetrying | Self::StepSucceeded => Subject::Forward,
            Self::UndoStarted | Self::UndoFailed | Self::UndoSucceeded => Subject::Undo,
            _ => Subject::Whole,
        }
    }

    /// Kept longest when a history grows beyond its bound, since no later telling says it again.
    pub(super) const fn is_lasting(self) -> bool {
        !matches!(
            self,
            Self::StepStarted | Self::StepFailed | Self::StepRetrying | Self::UndoStarted | Self::UndoFailed
        )
    }

    pub(super) const fn event_name(self) -> &'static str {
        match self {
            Self::Started => events::SAGA_STARTED,
            Self::StepStarted => events::SAGA_STEP_STARTED,
            Self::StepFailed => events::SAGA_STEP_FAILED,
            Self::StepRetrying => events::SAGA_STEP_RETRYING,
            Self::StepSucceeded => events::SAGA_STEP_SUCCEEDED,
            Self::UndoStarted => events::SAGA_COMPENSATION_STARTED,
            Self::UndoFailed => events::SAGA_COMPENSATION_FAILED,
            Self::UndoSucceeded => events::SAGA_COMPENSATION_SUCCEEDED,
            Self::SpanEndedWell | Self::SpanEndedBadly => "saga",
            Self::Completed => events::SAGA_COMPLETED,
            Self::Compensated => events::SAGA_COMPENSATED,
            Self::Failed => events::SAGA_FAILED,
        }
    }
}

/// What a telling is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Whole,
    Forward,
    Undo,
}

/// Who told. Events come first: where they speak, spans are not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Witness {
    Event,
    Span,
}

/// One thing told. The fields down to `witness` are its identity; order among equals is arbitrary but fixed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Telling {
    pub(super) at: Time,
    pub(super) sequence: Option<u64>,
    pub(super) kind: Kind,
    pub(super) service: Arc<str>,
    pub(super) step: Option<Arc<str>>,
    /// One-based; 0 when not told.
    pub(super) attempt: u32,
    pub(super) witness: Witness,
    /// Place told of the step, as far as it is told of any.
    pub(super) index: Option<u8>,
    pub(super) trace_id: Option<TraceId>,
    pub(super) span_id: Option<SpanId>,
    /// What few tellings carry.
    pub(super) more: Option<Box<More>>,
}

/// What few tellings carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct More {
    pub(super) reason: Option<Arc<str>>,
    pub(super) fault_id: Option<Arc<str>>,
    pub(super) deadline: Option<Time>,
    pub(super) next_attempt_at: Option<Time>,
    pub(super) waiting: Option<(WaitingFor, Option<Arc<str>>)>,
    pub(super) steps: Vec<Arc<str>>,
}

impl Telling {
    pub(super) fn share_names(&mut self, names: &mut Names) {
        let own = self.step.iter_mut().chain([&mut self.service]);
        let more = self.more.iter_mut().flat_map(|more| {
            let on = more.waiting.as_mut().and_then(|(_, on)| on.as_mut());
            let few = [more.reason.as_mut(), more.fault_id.as_mut(), on];
            more.steps.iter_mut().chain(few.into_iter().flatten())
        });
        for name in own.chain(more) {
            *name = names.share(name);
        }
    }

    /// Two tellings of one identity are repeats of each other.
    pub(super) fn is_repeat_of(&self, other: &Self) -> bool {
        let identity = |t: &Self| (t.at, t.sequence, t.kind, t.attempt, t.witness);
        identity(self) == identity(other) && self.service == other.service && self.step == other.step
    }

    pub(super) fn reason(&self) -> Option<&Arc<str>> {
        self.more.as_ref()?.reason.as_ref()
    }

    pub(super) fn fault_id(&self) -> Option<&Arc<str>> {
        self.more.as_ref()?.fault_id.as_ref()
    }

    pub(super) fn name(&self) -> String {
        match (self.witness, self.kind.subject(), &self.step) {
            (Witness::Span, Subject::Forward, Some(step)) => format!("{STEP_SPAN}{step}"),
            (Witness::Span, Subject::Undo, Some(step)) => format!("{UNDO_SPAN}{step}"),
            (Witness::Span, ..) => "saga".into(),
            (Witness::Event, ..) => self.kind.event_name().into(),
        }
    }
}

/// Whom a telling is about, and what holds for the instance as a whole.
pub(super) struct Addressed<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    pub(super) coordination: Option<Coordination>,
    pub(super) correlation_id: Option<&'a str>,
    /// One for an event, the begin and the end for a span.
    pub(super) tellings: Vec<Telling>,
}

const SAGA_SPAN: &str = "saga ";
const STEP_SPAN: &str = "saga.step ";
const UNDO_SPAN: &str = "saga.compensate ";

/// What a log record tells about a saga; `None` when it is no state event of one.
pub(super) fn of_log<'a>(log: LogRef<'a>, keys: &mut Keys, names: &mut Names) -> Option<Addressed<'a>> {
    let kind = Kind::of_event(log.event_name()?)?;
    let keyed = &keys.of(log.attributes());
    let telling = Telling {
        trace_id: log.trace_id(),
        span_id: log.span_id(),
        step: step_name(keyed, None, names),
        ..telling(kind, log.at(), Witness::Event, log.resource().service(), keyed, names)
    };
    if kind.subject() != Subject::Whole && telling.step.is_none() {
        return None;
    }
    addressed(keyed, None, vec![telling])
}

/// What a span tells about a saga; `None` when it is no span of one.
pub(super) fn of_span<'a>(span: SpanRef<'a>, keyed: &Keyed<'a>, names: &mut Names) -> Option<Addressed<'a>> {
    let (begin, well, badly, rest) = if let Some(step) = span.name().strip_prefix(STEP_SPAN) {
        (Kind::StepStarted, Kind::StepSucceeded, Kind::StepFailed, step)
    } else if let Some(step) = span.name().strip_prefix(UNDO_SPAN) {
        (Kind::UndoStarted, Kind::UndoSucceeded, Kind::UndoFailed, step)
    } else {
        let name = span.name().strip_prefix(SAGA_SPAN)?;
        (Kind::Started, Kind::SpanEndedWell, Kind::SpanEndedBadly, name)
    };
    let whole = begin == Kind::Started;
    let told = whole
        .then(|| keyed.text(Key::SagaState).and_then(SagaState::parse))
        .flatten();
    let end = match (told.and_then(Kind::of_final), span.status()) {
        (Some(end), _) => end,
        (None, SpanStatus::Error) => badly,
        (None, _) => well,
    };
    let step = if whole {
        None
    } else {
        step_name(keyed, Some(rest), names)
    };
    let told = telling(
        begin,
        span.start(),
        Witness::Span,
        span.resource().service(),
        keyed,
        names,
    );
    let begun = Telling {
        trace_id: Some(span.trace_id()),
        span_id: Some(span.span_id()),
        step,
        // A span may carry the number of the event that began it, which says nothing of its end.
        sequence: None,
        ..told
    };
    let mut ended = Telling {
        kind: end,
        at: span.end(),
        ..begun.clone()
    };
    if ended.reason().is_none() && !span.status_message().is_empty() {
        ended.more.get_or_insert_default().reason = Some(names.share(span.status_message()));
    }
    addressed(keyed, whole.then_some(rest), vec![begun, ended])
}

fn addressed<'a>(keyed: &Keyed<'a>, name: Option<&'a str>, tellings: Vec<Telling>) -> Option<Addressed<'a>> {
    let given = |text: &&str| !text.is_empty();
    Some(Addressed {
        id: keyed.text(Key::SagaId).filter(given)?,
        name: keyed.text(Key::SagaName).or(name).filter(given)?,
        coordination: keyed.text(Key::SagaCoordination).and_then(Coordination::parse),
        correlation_id: keyed.correlation_id().map(cut),
        tellings,
    })
}

fn telling(kind: Kind, at: Time, witness: Witness, service: &str, keyed: &Keyed<'_>, names: &mut Names) -> Telling {
    let number = |key: Key| keyed.int(key).and_then(|n| u32::try_from(n).ok());
    let reason = keyed.text(Key::SagaReason).or_else(|| keyed.text(Key::ErrorType));
    let more = More {
        reason: reason.map(|reason| names.share(reason)),
        fault_id: keyed.text(Key::FaultId).map(|id| names.share(id)),
        deadline: keyed.time(Key::SagaStepDeadline),
        next_attempt_at: keyed.time(Key::SagaStepNextAttemptAt),
        waiting: waiting(keyed, names),
        steps: declared_steps(keyed, names),
    };
    Telling {
        at,
        sequence: keyed.int(Key::SagaSequence).and_then(|n| u64::try_from(n).ok()),
        kind,
        service: names.share(service),
        step: None,
        attempt: number(Key::SagaStepAttempt).unwrap_or(0),
        witness,
        index: number(Key::SagaStepIndex).map(|index| u8::try_from(index).unwrap_or(u8::MAX)),
        trace_id: None,
        span_id: None,
        more: (more != More::default()).then(|| Box::new(more)),
    }
}

fn step_name(keyed: &Keyed<'_>, otherwise: Option<&str>, names: &mut Names) -> Option<Arc<str>> {
    let name = keyed.text(Key::SagaStepName).or(otherwise)?;
    (!name.is_empty()).then(|| names.share(name))
}

fn waiting(keyed: &Keyed<'_>, names: &mut Names) -> Option<(WaitingFor, Option<Arc<str>>)> {
    let kind = WaitingFor::parse(keyed.text(Key::SagaStepWaitingFor)?)?;
    let on = keyed.text(Key::SagaStepWaitingOn).filter(|on| !on.is_empty());
    Some((kind, on.map(|on| names.share(on))))
}

/// A list of texts, or one text with commas as some emitters have to write it.
fn declared_steps(keyed: &Keyed<'_>, names: &mut Names) -> Vec<Arc<str>> {
    let mut steps: Vec<Arc<str>> = Vec::new();
    let mut add = |step: &str| {
        if !step.is_empty() && steps.len() < DECLARED_STEPS_MAX && !steps.iter().any(|known| **known == *step) {
            steps.push(names.share(step));
        }
    };
    match keyed.get(Key::SagaSteps) {
        Some(nested @ ValueRef::Nested(_)) => {
            if let Value::List(list) = nested.to_value() {
                for step in &list {
                    if let Value::Text(step) = step {
                        add(step);
                    }
                }
            }
        }
        Some(ValueRef::Text(text)) => text.split(',').map(str::trim).for_each(add),
        _ => {}
    }
    steps
}
