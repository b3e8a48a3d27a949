//! Everything that can wake the dashboard, and everything it can ask of the world.

use crossterm::event::{KeyEvent, MouseEvent};
use sagascope_api::actions::{ActionDone, LetterAction, LettersRequest, SagaAction};
use sagascope_api::client::live::LiveEvent;
use sagascope_api::client::{Answer as Reply, ClientError};
use sagascope_api::experiments::ExperimentRun;
use sagascope_api::explain::Explanation;
use sagascope_api::faults::{FaultRequest, FaultStatus, FaultTargetOption, Traffic};
use sagascope_api::sagas::{SagaDetail, SagaType};
use sagascope_api::traces::{Trace, TraceSummary};

/// What woke the dashboard.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key went down.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size.
    Resize,
    /// The live stream said something.
    Live(LiveEvent),
    /// A question was answered.
    Answer(Answer),
    /// A moment passed: ages and countdowns move.
    Tick,
    /// Leave at once, from a signal or a closed terminal.
    Stop,
}

/// What the dashboard wants done; the only way by which it touches the world.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Ask the collector; an [`Answer`] follows.
    Ask(Question),
    /// Put text on the clipboard.
    Copy(String),
    /// Open an address in the browser.
    Browse(String),
    /// Take the mouse, or leave it to the terminal.
    CaptureMouse(bool),
    /// End.
    Quit,
}

/// A question, or a command, to the collector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Question {
    /// One saga.
    Saga(SagaKey),
    /// The flow graph of a saga type.
    SagaType(String),
    /// One trace.
    Trace(String),
    /// Search in traces.
    Traces(String),
    /// What happened to an id.
    Explain(String),
    /// What can be injected where.
    Catalogue,
    /// Arm a fault.
    Arm(FaultRequest),
    /// End a fault.
    Clear(String),
    /// End every fault.
    ClearAll,
    /// Another rate of orders.
    Traffic(Traffic),
    /// Settle dead letters.
    Letters(LetterAction, LettersRequest),
    /// Start a read model from zero: service and name.
    Rebuild(String, String),
    /// Help a saga on.
    Act(SagaAction, SagaKey),
    /// Run an experiment, by name.
    Run(String),
    /// End a run, by id.
    EndRun(String),
}

/// A saga instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SagaKey {
    pub(crate) name: String,
    pub(crate) id: String,
}

impl SagaKey {
    /// The same key as [`sagascope_api::sagas::Saga::key`].
    pub(crate) fn text(&self) -> String {
        format!("{}/{}", self.name, self.id)
    }
}

/// What came back for a [`Question`].
#[derive(Debug)]
pub(crate) enum Answer {
    Saga(SagaKey, Reply<Box<SagaDetail>>),
    SagaType(String, Reply<Box<SagaType>>),
    Trace(String, Reply<Box<Trace>>),
    Traces(String, Reply<Vec<TraceSummary>>),
    Explain(String, Reply<Box<Explanation>>),
    Catalogue(Reply<Vec<FaultTargetOption>>),
    Armed(Reply<Box<FaultStatus>>),
    /// One fault, or every one, was ended.
    Cleared(Result<(), ClientError>),
    Traffic(Reply<Traffic>),
    /// A service did what was asked.
    Acted(Reply<ActionDone>),
    /// An experiment was started.
    Begun(Reply<Box<ExperimentRun>>),
    /// An experiment was ended.
    RunEnded(Result<(), ClientError>),
    /// A line for the person, such as a browser that could not be started.
    Told(String),
}
