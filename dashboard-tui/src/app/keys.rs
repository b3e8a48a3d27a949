//! Every key and what it does: the one table that input, hint bar, help and palette read.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub(crate) use super::bindings::BINDINGS;
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
    Inspect,
    Replay,
    Purge,
    Rebuild,
    RetrySaga,
    CancelSaga,
    CommitInDoubt,
    AbortInDoubt,
    RunExperiment,
    CancelExperiment,
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
    /// The list of experiments.
    Lab,
    /// One experiment, open.
    Experiment,
    /// Either.
    Experiments,
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
            Self::Lab | Self::Experiment | Self::Experiments => "lab",
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
            Self::Lab => matches!(place, Place::Lab),
            Self::Experiment => matches!(place, Place::Experiment(_)),
            Self::Experiments => matches!(place, Place::Lab | Place::Experiment(_)),
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
    pub(super) codes: &'static [KeyCode],
    pub(super) ctrl: &'static [char],
}

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
    use KeyCode::Char;
    use Scope::Everywhere;

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
            Place::Lab,
            Place::Experiment("a".into()),
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
            assert_eq!(press(Char(view.key()), &Place::Lab), Some(Action::Show(view)));
        }
    }
}
