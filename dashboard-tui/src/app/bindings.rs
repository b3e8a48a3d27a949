//! The keyboard as a table.

use crossterm::event::KeyCode::{
    self, BackTab, Backspace, Char, Down, End, Enter, Esc, F, Home, Left, PageDown, PageUp, Right, Tab, Up,
};

use super::keys::Scope::{
    Breakers, Chaos, Everywhere, Experiment, Experiments, Lab, Overview, ReadModels, Saga, Sagas, Tables, Trace, Traces,
};
use super::keys::{Action, Binding, Scope};
use super::place::View;

const fn key(
    scope: Scope,
    action: Action,
    keys: &'static str,
    codes: &'static [KeyCode],
    hint: &'static str,
    what: &'static str,
) -> Binding {
    Binding {
        action,
        scope,
        keys,
        what,
        hint,
        codes,
        ctrl: &[],
    }
}

const fn with_ctrl(binding: Binding, ctrl: &'static [char]) -> Binding {
    Binding { ctrl, ..binding }
}

/// The whole keyboard. What the hint bar shows first stands first; the narrower scope stands before the wider.
// A table reads best as one.
#[rustfmt::skip]
pub(crate) const BINDINGS: &[Binding] = &[
    key(Overview, Action::Enter, "Enter", &[Enter], "open", "open what is selected"),
    key(Overview, Action::Inspect, "v", &[Char('v')], "invariants", "what must always hold, and whether it does"),
    key(Sagas, Action::Enter, "Enter", &[Enter], "open", "open the saga"),
    key(Saga, Action::OpenTrace, "t", &[Char('t')], "trace", "its trace"),
    key(Saga, Action::Explain, "e", &[Char('e')], "explain", "explain what happened, with evidence"),
    key(Saga, Action::OpenBreaker, "b", &[Char('b')], "breaker", "the breaker it waits for"),
    key(Saga, Action::OpenCorrelation, "c", &[Char('c')], "", "all traces of its correlation id"),
    key(Saga, Action::FlowGraph, "F", &[Char('F')], "flow graph", "the flow graph of its type"),
    key(Saga, Action::RetrySaga, "R", &[Char('R')], "retry…", "have it try again now: a parked one is taken up again"),
    key(Saga, Action::CancelSaga, "U", &[Char('U')], "", "turn it back, after a confirmation"),
    key(Saga, Action::CommitInDoubt, "K", &[Char('K')], "", "two-phase commit: keep what is in doubt, after a confirmation"),
    key(Saga, Action::AbortInDoubt, "A", &[Char('A')], "", "two-phase commit: give it back, after a confirmation"),
    key(Sagas, Action::Follow, "f", &[Char('f')], "follow", "follow the newest, or hold the list still"),
    key(Saga, Action::Filter, "/", &[Char('/')], "filter", "filter sagas"),
    key(Traces, Action::Enter, "Enter", &[Enter], "open", "open the trace"),
    key(Traces, Action::Filter, "/", &[Char('/')], "search", "search traces"),
    key(Traces, Action::Explain, "e", &[Char('e')], "explain", "explain what happened, with evidence"),
    key(Traces, Action::Follow, "f", &[Char('f')], "follow", "follow the newest, or hold the list still"),
    key(Trace, Action::NextError, "n", &[Char('n')], "next error", "next span with an error"),
    key(Trace, Action::PreviousError, "N", &[Char('N')], "", "previous span with an error"),
    key(Trace, Action::OpenSagas, "s", &[Char('s')], "saga", "the saga it belongs to"),
    key(Trace, Action::Explain, "e", &[Char('e')], "explain", "explain what happened, with evidence"),
    key(Trace, Action::Fold, "h ←", &[Char('h'), Left], "fold", "fold the spans beneath"),
    key(Trace, Action::Unfold, "l →", &[Char('l'), Right], "unfold", "unfold them"),
    key(Breakers, Action::Enter, "Enter", &[Enter], "who waits", "the sagas that wait on it"),
    key(ReadModels, Action::Enter, "Enter", &[Enter], "trace", "the trace of a dead letter"),
    key(ReadModels, Action::Inspect, "v", &[Char('v')], "inspect", "all that is known of a dead letter"),
    key(ReadModels, Action::Replay, "R", &[Char('R')], "replay…", "deliver the dead letter once more, after a confirmation"),
    key(ReadModels, Action::Purge, "P", &[Char('P')], "", "throw the dead letter away, after a confirmation"),
    key(ReadModels, Action::Rebuild, "B", &[Char('B')], "", "start the read model from zero, after a confirmation"),
    key(Chaos, Action::Enter, "Enter", &[Enter], "next / arm", "next line; on Arm: arm the fault"),
    key(Chaos, Action::ValueDown, "h ←", &[Char('h'), Left], "less", "value before"),
    key(Chaos, Action::ValueUp, "l →", &[Char('l'), Right], "more", "next value"),
    key(Chaos, Action::Arm, "A", &[Char('A')], "arm…", "arm the fault, after a confirmation"),
    key(Chaos, Action::ClearFault, "C", &[Char('C')], "clear", "end the selected fault, or the one that ends first"),
    key(Lab, Action::Enter, "Enter", &[Enter], "open", "open the experiment"),
    key(Experiment, Action::Enter, "Enter", &[Enter], "", "run it, after a confirmation"),
    key(Experiments, Action::RunExperiment, "r", &[Char('r')], "run…", "run the experiment, after a confirmation"),
    key(Experiments, Action::CancelExperiment, "C", &[Char('C')], "cancel…", "end the experiment that runs, after a confirmation"),
    key(Everywhere, Action::Back, "Esc", &[Esc, Backspace], "", "back out: filter, detail, dialog"),
    key(Tables, Action::SortLeft, "h ←", &[Char('h'), Left], "", "sort by the column to the left"),
    key(Tables, Action::SortRight, "l →", &[Char('l'), Right], "", "sort by the column to the right"),
    key(Tables, Action::SortInvert, "i", &[Char('i')], "", "invert the order"),
    key(Everywhere, Action::Freeze, "Space", &[Char(' ')], "freeze", "freeze the screen, and let it flow again"),
    key(Everywhere, Action::Palette, ":", &[Char(':')], "command", "run a command, or find an id"),
    key(Everywhere, Action::Help, "?", &[Char('?'), F(1)], "help", "search all keys, and run one"),
    key(Everywhere, Action::Show(View::Chaos), "9", &[Char('9')], "chaos", "Chaos: inject a fault"),
    key(Everywhere, Action::Browse, "o", &[Char('o')], "browser", "the same view in the browser"),
    key(Everywhere, Action::Copy, "y", &[Char('y')], "copy id", "copy the full id"),
    key(Everywhere, Action::RateUp, "+", &[Char('+'), Char('=')], "more orders", "more orders a second (demo)"),
    key(Everywhere, Action::RateDown, "-", &[Char('-'), Char('_')], "fewer", "fewer orders a second (demo)"),
    with_ctrl(key(Everywhere, Action::Quit, "q ^C", &[Char('q')], "quit", "quit"), &['c']),
    key(Everywhere, Action::Down, "j ↓", &[Char('j'), Down], "", "down"),
    key(Everywhere, Action::Up, "k ↑", &[Char('k'), Up], "", "up"),
    with_ctrl(key(Everywhere, Action::PageDown, "PgDn ^D", &[PageDown], "", "a page down"), &['d']),
    with_ctrl(key(Everywhere, Action::PageUp, "PgUp ^U", &[PageUp], "", "a page up"), &['u']),
    key(Everywhere, Action::Top, "g Home", &[Char('g'), Home], "", "to the top"),
    key(Everywhere, Action::Bottom, "G End", &[Char('G'), End], "", "to the end"),
    key(Everywhere, Action::Show(View::Overview), "1", &[Char('1')], "", "Overview"),
    key(Everywhere, Action::Show(View::Sagas), "2", &[Char('2')], "", "Sagas"),
    key(Everywhere, Action::Show(View::Traces), "3", &[Char('3')], "", "Traces"),
    key(Everywhere, Action::Show(View::Breakers), "5", &[Char('5')], "", "Breakers"),
    key(Everywhere, Action::Show(View::ReadModels), "6", &[Char('6')], "", "Read models, outboxes, dead letters"),
    key(Everywhere, Action::Show(View::Lab), "0", &[Char('0')], "", "Lab: experiments, each with a verdict"),
    key(Everywhere, Action::NextView, "Tab", &[Tab], "", "next view"),
    key(Everywhere, Action::PreviousView, "Shift-Tab", &[BackTab], "", "previous view"),
    key(Everywhere, Action::HistoryBack, "[", &[Char('[')], "", "back to where you were"),
    key(Everywhere, Action::HistoryForward, "]", &[Char(']')], "", "forward again"),
    key(Everywhere, Action::ClearAll, "X", &[Char('X')], "", "end every fault"),
    key(Everywhere, Action::Mouse, "M", &[Char('M')], "", "leave the mouse to the terminal, or take it back"),
];
