//! Every key and what it does: the one table that input, hint bar, help and palette read.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::place::{Place, View};

/// What a key can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Show(View),
    NextView,
    PreviousView,
    Down,
    Up,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Enter,
    Back,
    HistoryBack,
    HistoryForward,
    Filter,
    Follow,
    SortRight,
    SortLeft,
    SortInvert,
    Freeze,
    Copy,
    Browse,
    Explain,
    OpenTrace,
    OpenBreaker,
    OpenCorrelation,
    OpenSagas,
    FlowGraph,
    NextError,
    PreviousError,
    Fold,
    Unfold,
    ValueUp,
    ValueDown,
    Arm,
    ClearFault,
    ClearAll,
    RateUp,
    RateDown,
    Mouse,
    Palette,
    Help,
    Quit,
}

/// Where a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Everywhere,
    /// Wherever rows can be sorted.
    Tables,
    Sagas,
    Saga,
    Traces,
    Trace,
    Breakers,
    ReadModels,
    Chaos,
    Overview,
}

impl Scope {
    /// What the help calls it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Tables => "tables",
            Self::Sagas => "sagas",
            Self::Saga => "one saga",
            Self::Traces => "traces",
            Self::Trace => "one trace",
            Self::Breakers => "breakers",
            Self::ReadModels => "read models",
            Self::Chaos => "chaos",
            Self::Overview => "overview",
        }
    }

    pub(crate) const fn covers(self, place: &Place) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Tables => matches!(place, Place::Sagas | Place::Traces | Place::Breakers),
            Self::Sagas => matches!(place, Place::Sagas),
            Self::Saga => matches!(place, Place::Sagas | Place::Saga(_)),
            Self::Traces => matches!(place, Place::Traces),
            Self::Trace => matches!(place, Place::Trace(_)),
            Self::Breakers => matches!(place, Place::Breakers),
            Self::ReadModels => matches!(place, Place::ReadModels),
            Self::Chaos => matches!(place, Place::Chaos),
            Self::Overview => matches!(place, Place::Overview),
        }
    }
}

/// A key, or several that do the same.
pub(crate) struct Binding {
    pub(crate) action: Action,
    pub(crate) scope: Scope,
    /// As written in help and hints.
    pub(crate) keys: &'static str,
    /// What it does, in few words.
    pub(crate) what: &'static str,
    /// The word in the hint bar; empty when it is left out there.
    pub(crate) hint: &'static str,
    codes: &'static [KeyCode],
    ctrl: &'static [char],
}

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

use KeyCode::Char;
use Scope::{Breakers, Chaos, Everywhere, Overview, ReadModels, Saga, Sagas, Tables, Trace, Traces};

/// The whole keyboard; the narrower scope stands first where two share a key.
pub(crate) const BINDINGS: &[Binding] = &[
    // What the hint bar shows first stands first.
    key(
        Overview,
        Action::Enter,
        "Enter",
        &[KeyCode::Enter],
        "open",
        "open what is selected",
    ),
    key(
        Sagas,
        Action::Enter,
        "Enter",
        &[KeyCode::Enter],
        "open",
        "open the saga",
    ),
    key(Saga, Action::OpenTrace, "t", &[Char('t')], "trace", "its trace"),
    key(
        Saga,
        Action::Explain,
        "e",
        &[Char('e')],
        "explain",
        "explain what happened, with evidence",
    ),
    key(
        Saga,
        Action::OpenBreaker,
        "b",
        &[Char('b')],
        "breaker",
        "the breaker it waits for",
    ),
    key(
        Saga,
        Action::OpenCorrelation,
        "c",
        &[Char('c')],
        "correlation",
        "all traces of its correlation id",
    ),
    key(
        Sagas,
        Action::FlowGraph,
        "F",
        &[Char('F')],
        "flow graph",
        "the flow graph of its type",
    ),
    key(
        Sagas,
        Action::Follow,
        "f",
        &[Char('f')],
        "follow",
        "follow the newest, or hold the list still",
    ),
    key(
        Traces,
        Action::Enter,
        "Enter",
        &[KeyCode::Enter],
        "open",
        "open the trace",
    ),
    key(
        Traces,
        Action::Explain,
        "e",
        &[Char('e')],
        "explain",
        "explain what happened, with evidence",
    ),
    key(
        Traces,
        Action::Follow,
        "f",
        &[Char('f')],
        "follow",
        "follow the newest, or hold the list still",
    ),
    key(
        Trace,
        Action::NextError,
        "n",
        &[Char('n')],
        "next error",
        "next span with an error",
    ),
    key(
        Trace,
        Action::PreviousError,
        "N",
        &[Char('N')],
        "",
        "previous span with an error",
    ),
    key(
        Trace,
        Action::Fold,
        "h ←",
        &[Char('h'), KeyCode::Left],
        "fold",
        "fold the spans beneath",
    ),
    key(
        Trace,
        Action::Unfold,
        "l →",
        &[Char('l'), KeyCode::Right],
        "unfold",
        "unfold them",
    ),
    key(
        Trace,
        Action::Explain,
        "e",
        &[Char('e')],
        "explain",
        "explain what happened, with evidence",
    ),
    key(
        Breakers,
        Action::Enter,
        "Enter",
        &[KeyCode::Enter],
        "who waits",
        "the sagas that wait on it",
    ),
    key(
        ReadModels,
        Action::Enter,
        "Enter",
        &[KeyCode::Enter],
        "trace",
        "the trace of a dead letter",
    ),
    key(
        Chaos,
        Action::Enter,
        "Enter",
        &[KeyCode::Enter],
        "next / arm",
        "next line; on Arm: arm the fault",
    ),
    key(
        Chaos,
        Action::ValueDown,
        "h ←",
        &[Char('h'), KeyCode::Left],
        "",
        "value before",
    ),
    key(
        Chaos,
        Action::ValueUp,
        "l →",
        &[Char('l'), KeyCode::Right],
        "change",
        "next value",
    ),
    key(
        Chaos,
        Action::Arm,
        "A",
        &[Char('A')],
        "arm…",
        "arm the fault, after a confirmation",
    ),
    key(
        Chaos,
        Action::ClearFault,
        "C",
        &[Char('C')],
        "clear",
        "end the selected fault, or the one that ends first",
    ),
    key(
        Everywhere,
        Action::Back,
        "Esc",
        &[KeyCode::Esc, KeyCode::Backspace],
        "",
        "back out: filter, detail, dialog",
    ),
    key(
        Everywhere,
        Action::Filter,
        "/",
        &[Char('/')],
        "filter",
        "filter sagas; search traces",
    ),
    key(
        Tables,
        Action::SortLeft,
        "h ←",
        &[Char('h'), KeyCode::Left],
        "",
        "sort by the column to the left",
    ),
    key(
        Tables,
        Action::SortRight,
        "l →",
        &[Char('l'), KeyCode::Right],
        "",
        "sort by the column to the right",
    ),
    key(Tables, Action::SortInvert, "i", &[Char('i')], "", "invert the order"),
    key(
        Everywhere,
        Action::Freeze,
        "Space",
        &[Char(' ')],
        "freeze",
        "freeze the screen, and let it flow again",
    ),
    key(
        Everywhere,
        Action::Palette,
        ":",
        &[Char(':')],
        "command",
        "run a command, or find an id",
    ),
    key(
        Everywhere,
        Action::Help,
        "?",
        &[Char('?'), KeyCode::F(1)],
        "help",
        "search all keys, and run one",
    ),
    key(
        Everywhere,
        Action::Browse,
        "o",
        &[Char('o')],
        "browser",
        "the same view in the browser",
    ),
    key(
        Everywhere,
        Action::Copy,
        "y",
        &[Char('y')],
        "copy id",
        "copy the full id",
    ),
    key(Everywhere, Action::Down, "j ↓", &[Char('j'), KeyCode::Down], "", "down"),
    key(Everywhere, Action::Up, "k ↑", &[Char('k'), KeyCode::Up], "", "up"),
    with_ctrl(
        key(
            Everywhere,
            Action::PageDown,
            "PgDn ^D",
            &[KeyCode::PageDown],
            "",
            "a page down",
        ),
        &['d'],
    ),
    with_ctrl(
        key(
            Everywhere,
            Action::PageUp,
            "PgUp ^U",
            &[KeyCode::PageUp],
            "",
            "a page up",
        ),
        &['u'],
    ),
    key(
        Everywhere,
        Action::Top,
        "g Home",
        &[Char('g'), KeyCode::Home],
        "",
        "to the top",
    ),
    key(
        Everywhere,
        Action::Bottom,
        "G End",
        &[Char('G'), KeyCode::End],
        "",
        "to the end",
    ),
    key(
        Everywhere,
        Action::Show(View::Overview),
        "1",
        &[Char('1')],
        "",
        "Overview",
    ),
    key(Everywhere, Action::Show(View::Sagas), "2", &[Char('2')], "", "Sagas"),
    key(Everywhere, Action::Show(View::Traces), "3", &[Char('3')], "", "Traces"),
    key(
        Everywhere,
        Action::Show(View::Breakers),
        "5",
        &[Char('5')],
        "",
        "Breakers",
    ),
    key(
        Everywhere,
        Action::Show(View::ReadModels),
        "6",
        &[Char('6')],
        "",
        "Read models, outboxes, dead letters",
    ),
    key(
        Everywhere,
        Action::Show(View::Chaos),
        "9",
        &[Char('9')],
        "",
        "Chaos: inject a fault",
    ),
    key(Everywhere, Action::NextView, "Tab", &[KeyCode::Tab], "", "next view"),
    key(
        Everywhere,
        Action::PreviousView,
        "Shift-Tab",
        &[KeyCode::BackTab],
        "",
        "previous view",
    ),
    key(
        Everywhere,
        Action::HistoryBack,
        "[",
        &[Char('[')],
        "",
        "back to where you were",
    ),
    key(
        Everywhere,
        Action::HistoryForward,
        "]",
        &[Char(']')],
        "",
        "forward again",
    ),
    key(
        Everywhere,
        Action::RateUp,
        "+",
        &[Char('+'), Char('=')],
        "",
        "more orders a second (demo)",
    ),
    key(
        Everywhere,
        Action::RateDown,
        "-",
        &[Char('-'), Char('_')],
        "",
        "fewer orders a second (demo)",
    ),
    key(Everywhere, Action::ClearAll, "X", &[Char('X')], "", "end every fault"),
    key(
        Everywhere,
        Action::Mouse,
        "M",
        &[Char('M')],
        "",
        "leave the mouse to the terminal, or take it back",
    ),
    key(
        Breakers,
        Action::OpenSagas,
        "s",
        &[Char('s')],
        "",
        "the sagas that wait on it",
    ),
    with_ctrl(
        key(Everywhere, Action::Quit, "q ^C", &[Char('q')], "quit", "quit"),
        &['c'],
    ),
];

/// What a key does here.
pub(crate) fn action(key: &KeyEvent, place: &Place) -> Option<Action> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    if key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    let hit = |binding: &&Binding| match key.code {
        KeyCode::Char(c) if ctrl => binding.ctrl.contains(&c.to_ascii_lowercase()),
        code => !ctrl && binding.codes.contains(&code),
    };
    here(place)
        .filter(|binding| binding.scope != Scope::Everywhere)
        .find(hit)
        .or_else(|| {
            here(place)
                .filter(|binding| binding.scope == Scope::Everywhere)
                .find(hit)
        })
        .map(|binding| binding.action)
}

/// The keys that count at a place, in the order of the table.
pub(crate) fn here(place: &Place) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.scope.covers(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SagaKey;

    fn press(code: KeyCode, place: &Place) -> Option<Action> {
        action(&KeyEvent::new(code, KeyModifiers::NONE), place)
    }

    #[test]
    fn the_narrower_meaning_of_a_key_wins() {
        let trace = Place::Trace("x".into());
        assert_eq!(press(Char('h'), &Place::Sagas), Some(Action::SortLeft));
        assert_eq!(press(Char('h'), &trace), Some(Action::Fold));
        assert_eq!(press(Char('h'), &Place::Chaos), Some(Action::ValueDown));
        assert_eq!(press(Char('h'), &Place::Overview), None);
        assert_eq!(press(Char('n'), &Place::Overview), None);
    }

    #[test]
    fn control_and_plain_keys_differ() {
        let ctrl = |c| action(&KeyEvent::new(Char(c), KeyModifiers::CONTROL), &Place::Overview);
        assert_eq!(
            (ctrl('c'), ctrl('d'), ctrl('q')),
            (Some(Action::Quit), Some(Action::PageDown), None)
        );
    }

    #[test]
    fn no_key_has_two_meanings_at_one_place() {
        let saga = Place::Saga(SagaKey {
            name: "a".into(),
            id: "b".into(),
        });
        let places = [
            Place::Overview,
            Place::Sagas,
            saga,
            Place::SagaType("a".into()),
            Place::Traces,
        ];
        let more = [
            Place::Trace("a".into()),
            Place::Breakers,
            Place::ReadModels,
            Place::Chaos,
        ];
        for place in places.iter().chain(&more) {
            for general in [true, false] {
                let mut seen = Vec::new();
                for binding in here(place).filter(|binding| (binding.scope == Everywhere) == general) {
                    for code in binding.codes {
                        assert!(!seen.contains(code), "{code:?} twice at {place:?}");
                        seen.push(*code);
                    }
                }
            }
        }
    }

    #[test]
    fn every_view_has_its_number() {
        for view in View::ALL {
            assert_eq!(press(Char(view.key()), &Place::Chaos), Some(Action::Show(view)));
        }
    }
}
