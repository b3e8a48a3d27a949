//! Which action does what, and moving about.

use sagascope_api::Time;
use sagascope_api::actions::{LetterAction, SagaAction};
use sagascope_api::attention::INVARIANT;
use sagascope_api::text::Tone;

use super::App;
use super::keys::Action;
use super::list::ListId;
use super::overlay::{Overlay, Picker};
use super::place::{Link, Place, View};
use super::settle::attention_key;
use crate::event::Effect;

/// Rows of a page before the first frame told its height.
const PAGE_ROWS: usize = 10;

impl App {
    pub(super) fn act(&mut self, action: Action, now: Time) -> Vec<Effect> {
        match action {
            Action::Show(view) => self.show(view),
            Action::NextView => self.show(self.place.view().step(true)),
            Action::PreviousView => self.show(self.place.view().step(false)),
            Action::Down => self.step(1),
            Action::Up => self.step(-1),
            Action::PageDown => self.step(self.page_rows()),
            Action::PageUp => self.step(-self.page_rows()),
            Action::Top => self.step(isize::MIN),
            Action::Bottom => self.step(isize::MAX),
            Action::Enter => return self.enter(now),
            Action::Back => self.back(),
            Action::HistoryBack => {
                if let Some(place) = self.trail.back(&self.place) {
                    self.arrive(place);
                }
            }
            Action::HistoryForward => {
                if let Some(place) = self.trail.forward(&self.place) {
                    self.arrive(place);
                }
            }
            Action::Filter => self.begin_filter(now),
            Action::Follow => self.follow(now),
            Action::SortLeft => self.sort_by_neighbour(false),
            Action::SortRight => self.sort_by_neighbour(true),
            Action::SortInvert => self.invert_sort(),
            Action::Freeze => self.known.toggle_freeze(now),
            Action::Copy => return self.copy(now),
            Action::Browse => return vec![Effect::Browse(format!("{}{}", self.setup.url, self.link().path()))],
            Action::Explain => self.explain(now),
            Action::OpenTrace => self.open_trace(now),
            Action::OpenBreaker => self.open_breaker(now),
            Action::OpenCorrelation => self.open_correlation(now),
            Action::OpenSagas => self.open_saga_of_trace(now),
            Action::FlowGraph => self.open_flow_graph(now),
            Action::NextError => self.jump_to_error(true, now),
            Action::PreviousError => self.jump_to_error(false, now),
            Action::Fold => self.fold(true),
            Action::Unfold => self.fold(false),
            Action::ValueUp => self.change_value(true),
            Action::ValueDown => self.change_value(false),
            Action::Arm => self.arm(now),
            Action::ClearFault => return self.clear_fault(now),
            Action::ClearAll => return self.clear_all(now),
            Action::Inspect => self.inspect(now),
            Action::Replay => self.settle_letter(LetterAction::Replay, now),
            Action::Purge => self.settle_letter(LetterAction::Purge, now),
            Action::Rebuild => self.rebuild(now),
            Action::RetrySaga => self.act_on_saga(SagaAction::Retry, now),
            Action::CancelSaga => self.act_on_saga(SagaAction::Cancel, now),
            Action::CommitInDoubt => self.act_on_saga(SagaAction::CommitInDoubt, now),
            Action::AbortInDoubt => self.act_on_saga(SagaAction::AbortInDoubt, now),
            Action::RunExperiment => self.run_experiment(now),
            Action::CancelExperiment => self.cancel_experiment(now),
            Action::RateUp => return self.change_rate(true, now),
            Action::RateDown => return self.change_rate(false, now),
            Action::Mouse => {
                self.mouse_captured = !self.mouse_captured;
                let line = if self.mouse_captured {
                    "mouse taken back"
                } else {
                    "mouse left to the terminal: select text, M takes it back"
                };
                self.say(Tone::Info, line, now);
                return vec![Effect::CaptureMouse(self.mouse_captured)];
            }
            Action::Palette | Action::Help => {
                self.overlay = Some(Overlay::Picker(Picker {
                    help: action == Action::Help,
                    ..Picker::default()
                }));
            }
            Action::Quit => return self.quit(now),
        }
        vec![]
    }

    pub(super) fn show(&mut self, view: View) {
        self.go(Link::to(view.front()));
    }

    /// Goes somewhere, remembering the way.
    pub(super) fn go(&mut self, link: Link) {
        if let Some(filter) = link.filter {
            match link.place {
                Place::Sagas => self.saga_filter.text = filter,
                Place::Traces => self.trace_search.text = filter,
                _ => {}
            }
            self.reorder();
        }
        if let Some(id) = link.selected {
            self.breakers.select(&id);
        }
        if link.place != self.place {
            let left = std::mem::replace(&mut self.place, Place::Overview);
            self.trail.leave(left);
            self.arrive(link.place);
        }
    }

    fn arrive(&mut self, place: Place) {
        match &place {
            Place::Saga(key) => {
                self.sagas.select(&key.text());
                self.sagas.hold();
                self.saga_events = super::List::new();
            }
            Place::Experiment(name) => {
                self.lab.select(name);
                self.experiment = super::List::new();
            }
            Place::Trace(_) => {
                self.spans = super::List::new();
                self.folded.clear();
            }
            _ => {}
        }
        self.place = place;
    }

    /// One thing at a time: the filter, then the detail.
    pub(super) fn back(&mut self) {
        let cleared = match self.place {
            Place::Sagas => self.saga_filter.clear(),
            Place::Traces => self.trace_search.clear(),
            _ => false,
        };
        if cleared {
            self.reorder();
        } else if let Some(parent) = self.place.parent() {
            self.go(Link::to(parent));
        }
    }

    pub(super) fn step(&mut self, by: isize) {
        match self.focus() {
            // As far as there are lines, which the frame knows.
            Some(ListId::Experiment) => self.experiment.offset = self.experiment.offset.saturating_add_signed(by),
            Some(id) => {
                if let Some(list) = self.list_mut(id) {
                    list.step(by);
                    // Lists of instances run; the others keep their rows in place anyway.
                    if matches!(id, ListId::Sagas | ListId::Traces) {
                        list.hold();
                    }
                }
            }
            None if self.place == Place::Chaos => self.step_in_chaos(by),
            None => {}
        }
    }

    fn page_rows(&self) -> isize {
        let height = self
            .focus()
            .and_then(|focus| self.drawn.lists.iter().find(|(id, ..)| *id == focus));
        height.map_or(PAGE_ROWS, |(_, _, height)| height.saturating_sub(1).max(1)) as isize
    }

    pub(super) fn enter(&mut self, now: Time) -> Vec<Effect> {
        match &self.place {
            Place::Overview => self.enter_overview(),
            Place::Sagas => {
                if let Some(key) = self.shown_saga() {
                    self.go(Link::to(Place::Saga(key)));
                }
            }
            Place::Traces => {
                if let Some(id) = self.traces.selected().map(str::to_owned) {
                    self.go(Link::to(Place::Trace(id)));
                }
            }
            Place::Breakers => self.open_waiting_sagas(now),
            Place::ReadModels => self.open_trace(now),
            Place::Chaos => return self.enter_chaos(now),
            Place::Lab => {
                if let Some(name) = self.lab.selected().map(str::to_owned) {
                    self.go(Link::to(Place::Experiment(name)));
                }
            }
            Place::Experiment(_) => self.run_experiment(now),
            Place::Saga(_) | Place::SagaType(_) | Place::Trace(_) => {}
        }
        vec![]
    }

    fn enter_overview(&mut self) {
        let Some(row) = self.overview.selected() else {
            return;
        };
        let attention = self.digest.attention.iter().find(|line| attention_key(line) == row);
        if attention.is_some_and(|line| line.kind == INVARIANT) {
            self.overlay = Some(Overlay::Invariants { top: 0 });
            return;
        }
        let link = match (attention, row.strip_prefix("service/")) {
            (Some(line), _) => Link::parse(&line.link),
            (None, Some(name)) => Some(Link {
                filter: Some(format!("service:{name}")),
                ..Link::to(Place::Traces)
            }),
            (None, None) => None,
        };
        if let Some(link) = link {
            self.go(link);
        }
    }

    /// Where a person is, as a link.
    fn link(&self) -> Link {
        Link {
            place: self.place.clone(),
            filter: match self.place {
                Place::Sagas => Some(self.saga_filter.text.clone()),
                Place::Traces => Some(self.trace_query()),
                _ => None,
            },
            selected: self
                .breakers
                .selected()
                .filter(|_| self.place == Place::Breakers)
                .map(str::to_owned),
        }
    }
}
