//! What each action does.

use sagascope_api::Time;
use sagascope_api::faults::Traffic;
use sagascope_api::text::{self, Tone};

use super::form::Field;
use super::keys::Action;
use super::list::{ListId, Sort};
use super::overlay::{Confirm, Overlay, Picker, Then};
use super::place::{Link, Place, View};
use super::settle::attention_key;
use super::{App, ChaosCursor};
use crate::event::{Effect, Question, SagaKey};
use crate::state::lookup::Found;

/// Rows a wheel notch moves, and rows of a page before the first frame told its height.
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

    fn quit(&mut self, now: Time) -> Vec<Effect> {
        let active = self.known.live().active_faults();
        let Some(first) = active.first() else {
            return vec![Effect::Quit];
        };
        let left = text::duration(first.ends_at.seconds_since(self.known.clock(now)).max(0.0));
        let more = if active.len() > 1 {
            format!(", and {} more", active.len() - 1)
        } else {
            String::new()
        };
        self.overlay = Some(Overlay::Confirm(Confirm {
            title: "Quit while a fault is active?".into(),
            effect: format!(
                "{}{more} stays active for {left}; it ends by itself. X ends it now.",
                text::fault_line(first)
            ),
            yes: "quit",
            then: Then::Quit,
        }));
        vec![]
    }

    // --- moving about

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
            Place::Trace(_) => {
                self.spans = super::List::new();
                self.folded.clear();
            }
            _ => {}
        }
        self.place = place;
    }

    /// One thing at a time: the filter, then the detail.
    fn back(&mut self) {
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
            Place::Saga(_) | Place::SagaType(_) | Place::Trace(_) => {}
        }
        vec![]
    }

    fn enter_overview(&mut self) {
        let Some(row) = self.overview.selected() else {
            return;
        };
        let attention = self.digest.attention.iter().find(|line| attention_key(line) == row);
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

    // --- lists

    fn begin_filter(&mut self, now: Time) {
        match self.place {
            Place::Sagas => self.saga_filter.begin(),
            Place::Traces => self.trace_search.begin(),
            Place::Saga(_) => {
                self.back();
                self.saga_filter.begin();
            }
            _ => self.say(Tone::Info, "nothing to filter here: 2 sagas, 3 traces", now),
        }
    }

    fn follow(&mut self, now: Time) {
        let Some(list) = self.focus().and_then(|id| self.list_mut(id)) else {
            return;
        };
        list.following = !list.following;
        list.touched = false;
        let line = if list.following {
            "following the newest"
        } else {
            "held still: f follows again"
        };
        self.say(Tone::Info, line, now);
    }

    fn sort_by_neighbour(&mut self, right: bool) {
        let columns = match self.focus() {
            Some(ListId::Breakers | ListId::Sagas | ListId::Traces) => 6,
            _ => return,
        };
        let now = self.focus().and_then(|id| self.list(id)).and_then(|list| list.sort);
        let column = match now {
            None => Some(if right { 0 } else { columns - 1 }),
            Some(sort) if right => Some(sort.column + 1).filter(|column| *column < columns),
            Some(sort) => sort.column.checked_sub(1),
        };
        self.sort_by(self.focus(), column);
    }

    /// Sorts by a column; by none, the list's own order is back.
    pub(super) fn sort_by(&mut self, id: Option<ListId>, column: Option<usize>) {
        if let Some(list) = id.and_then(|id| self.list_mut(id)) {
            list.sort = column.map(|column| Sort {
                column,
                inverted: list.sort.is_some_and(|sort| sort.column == column && !sort.inverted),
            });
        }
        self.reorder();
    }

    fn invert_sort(&mut self) {
        if let Some(sort) = self
            .focus()
            .and_then(|id| self.list_mut(id))
            .and_then(|list| list.sort.as_mut())
        {
            sort.inverted = !sort.inverted;
        }
        self.reorder();
    }

    /// Another order or filter takes effect at once, also in a list that is held.
    fn reorder(&mut self) {
        self.sagas.replace(vec![]);
        self.traces.replace(vec![]);
    }

    fn copy(&mut self, now: Time) -> Vec<Effect> {
        let id = match &self.place {
            Place::Overview => self.overview.selected().map(str::to_owned),
            Place::Sagas | Place::Saga(_) => self.shown_saga().map(|key| key.id),
            Place::SagaType(name) => Some(name.clone()),
            Place::Traces => self.traces.selected().map(str::to_owned),
            Place::Trace(id) => Some(id.clone()),
            Place::Breakers => self.breakers.selected().map(str::to_owned),
            Place::ReadModels => self
                .read_models
                .selected()
                .and_then(|row| row.split_once('/'))
                .map(|(_, key)| key.to_owned()),
            Place::Chaos => match &self.chaos_cursor {
                ChaosCursor::Fault(id) => Some(id.clone()),
                ChaosCursor::Field(_) => None,
            },
        };
        let Some(id) = id else {
            self.say(Tone::Info, "nothing selected to copy", now);
            return vec![];
        };
        self.say(Tone::Good, format!("copied {id}"), now);
        vec![Effect::Copy(id)]
    }

    // --- from one thing to the next

    fn explain(&mut self, now: Time) {
        let id = match &self.place {
            Place::Sagas | Place::Saga(_) => self.shown_saga().map(|key| key.id),
            Place::Traces => self.traces.selected().map(str::to_owned),
            Place::Trace(id) => Some(id.clone()),
            _ => None,
        };
        match id {
            Some(id) => self.overlay = Some(Overlay::Explanation { id, selected: 0 }),
            None => self.say(Tone::Info, "nothing selected to explain", now),
        }
    }

    fn open_trace(&mut self, now: Time) {
        let picture = self.known.picture();
        let trace = match &self.place {
            Place::Sagas | Place::Saga(_) => self.shown_saga().and_then(|key| {
                let row = picture.sagas.get(&key.text()).and_then(|saga| saga.trace_id.clone());
                row.or_else(|| match self.known.saga.get(&key) {
                    Found::Here(detail) => detail.saga.trace_id.clone(),
                    _ => None,
                })
            }),
            Place::ReadModels => {
                let id = self.read_models.selected().and_then(|row| row.strip_prefix("letter/"));
                id.and_then(|id| picture.dead_letters.get(id))
                    .and_then(|letter| letter.trace_id.clone())
            }
            _ => None,
        };
        match trace {
            Some(id) => self.go(Link::to(Place::Trace(id))),
            None => self.say(Tone::Info, "no trace is known for it", now),
        }
    }

    fn open_breaker(&mut self, now: Time) {
        let picture = self.known.picture();
        let id = self.shown_saga().and_then(|key| {
            let waits_on = picture
                .sagas
                .get(&key.text())
                .and_then(|saga| saga.waiting.as_ref()?.on.clone());
            let named = waits_on.and_then(|name| {
                picture
                    .breakers
                    .values()
                    .find(|breaker| breaker.name == name)
                    .map(|breaker| breaker.id.clone())
            });
            named.or_else(|| match self.known.saga.get(&key) {
                Found::Here(detail) => detail.breakers.first().cloned(),
                _ => None,
            })
        });
        match id {
            Some(_) => self.go(Link {
                selected: id,
                ..Link::to(Place::Breakers)
            }),
            None => self.say(Tone::Info, "every breaker of its services is closed", now),
        }
    }

    fn open_correlation(&mut self, now: Time) {
        let saga = self
            .shown_saga()
            .and_then(|key| self.known.picture().sagas.get(&key.text()));
        match saga.and_then(|saga| saga.correlation_id.clone()) {
            Some(id) => self.go(Link {
                filter: Some(format!("correlation.id:\"{id}\"")),
                ..Link::to(Place::Traces)
            }),
            None => self.say(Tone::Info, "no correlation id is known for it", now),
        }
    }

    fn open_waiting_sagas(&mut self, now: Time) {
        let breaker = self
            .breakers
            .selected()
            .and_then(|id| self.known.picture().breakers.get(id));
        match breaker.map(|breaker| (breaker.name.clone(), breaker.waiting_sagas.values().sum::<u64>())) {
            Some((name, waiting)) if waiting > 0 => self.go(Link {
                filter: Some(format!("waiting:breaker on:\"{name}\"")),
                ..Link::to(Place::Sagas)
            }),
            Some(_) => self.say(Tone::Good, "no saga waits on it", now),
            None => {}
        }
    }

    fn open_saga_of_trace(&mut self, now: Time) {
        let Place::Trace(id) = &self.place else {
            return;
        };
        let saga = match self.known.trace.get(id) {
            Found::Here(trace) => trace.sagas.first().and_then(|key| key.split_once('/')),
            _ => None,
        };
        match saga {
            Some((name, id)) => {
                let key = SagaKey {
                    name: name.to_owned(),
                    id: id.to_owned(),
                };
                self.go(Link::to(Place::Saga(key)));
            }
            None => self.say(Tone::Info, "it belongs to no saga", now),
        }
    }

    fn open_flow_graph(&mut self, now: Time) {
        let selected = self.shown_saga().map(|key| key.name);
        let first = || {
            self.known
                .picture()
                .overview
                .as_ref()?
                .saga_types
                .first()
                .map(|kind| kind.name.clone())
        };
        match selected.or_else(first) {
            Some(name) => self.go(Link::to(Place::SagaType(name))),
            None => self.say(Tone::Info, "no saga has been heard of yet", now),
        }
    }

    fn jump_to_error(&mut self, forward: bool, now: Time) {
        let Place::Trace(id) = &self.place else {
            return;
        };
        let Found::Here(trace) = self.known.trace.get(id) else {
            return;
        };
        let at = self
            .spans
            .selected()
            .and_then(|id| trace.spans.iter().position(|span| span.span_id == id));
        let at = at.unwrap_or(0);
        let count = trace.spans.len();
        let around = (1..=count).map(|n| {
            if forward {
                (at + n) % count
            } else {
                (at + count - n) % count
            }
        });
        let found = around
            .map(|n| &trace.spans[n])
            .find(|span| span.status == "error")
            .map(|span| span.span_id.clone());
        match found {
            Some(id) => {
                self.folded.clear();
                self.spans.select(&id);
                self.spans.touched = true;
            }
            None => self.say(Tone::Good, "no span failed", now),
        }
    }

    fn fold(&mut self, fold: bool) {
        if let Some(id) = self.spans.selected().map(str::to_owned) {
            if fold {
                self.folded.insert(id);
            } else {
                self.folded.remove(&id);
            }
        }
    }

    // --- chaos

    /// The lines of the view the cursor can stand on, in order.
    pub(crate) fn chaos_lines(&self) -> Vec<ChaosCursor> {
        let fields = self.form.fields(self.catalogue()).into_iter().map(ChaosCursor::Field);
        let active = self.known.picture().active_faults();
        let faults = active
            .into_iter()
            .map(|fault| ChaosCursor::Fault(fault.fault.id.clone()));
        fields.chain(faults).collect()
    }

    fn step_in_chaos(&mut self, by: isize) {
        self.form.settle();
        let lines = self.chaos_lines();
        let at = lines.iter().position(|line| *line == self.chaos_cursor).unwrap_or(0);
        let last = lines.len().saturating_sub(1);
        if let Some(line) = lines.get(at.saturating_add_signed(by).min(last)) {
            self.chaos_cursor = line.clone();
        }
    }

    fn enter_chaos(&mut self, now: Time) -> Vec<Effect> {
        match self.chaos_cursor {
            ChaosCursor::Field(Field::Arm) => self.arm(now),
            ChaosCursor::Field(_) => self.step_in_chaos(1),
            ChaosCursor::Fault(_) => return self.clear_fault(now),
        }
        vec![]
    }

    fn change_value(&mut self, forward: bool) {
        if let ChaosCursor::Field(field) = self.chaos_cursor {
            let catalogue = match self.known.catalogue.get(&()) {
                Found::Here(catalogue) => catalogue.as_slice(),
                _ => &[],
            };
            self.form.change(field, catalogue, forward);
        }
    }

    fn arm(&mut self, now: Time) {
        if self.refuse_control(now) {
            return;
        }
        self.form.settle();
        let Some(request) = self.form.request(self.catalogue()) else {
            self.say(Tone::Notice, "no service is connected that could honour a fault", now);
            return;
        };
        let title = format!(
            "Arm {} on {} for {}?",
            text::words(request.kind.as_str()),
            request.target.service,
            text::duration(request.duration_seconds as f64)
        );
        self.overlay = Some(Overlay::Confirm(Confirm {
            title,
            effect: text::fault_effect(request.kind).to_owned(),
            yes: "arm",
            then: Then::Ask(Question::Arm(request)),
        }));
    }

    fn clear_fault(&mut self, now: Time) -> Vec<Effect> {
        if self.refuse_control(now) {
            return vec![];
        }
        let active = self.known.live().active_faults();
        let chosen = match &self.chaos_cursor {
            ChaosCursor::Fault(id) => active.iter().find(|fault| fault.fault.id == *id),
            ChaosCursor::Field(_) => None,
        };
        match chosen.or(active.first()).map(|fault| fault.fault.id.clone()) {
            Some(id) => vec![Effect::Ask(Question::Clear(id))],
            None => {
                self.say(Tone::Info, "no fault is active", now);
                vec![]
            }
        }
    }

    fn clear_all(&mut self, now: Time) -> Vec<Effect> {
        if self.refuse_control(now) {
            return vec![];
        }
        vec![Effect::Ask(Question::ClearAll)]
    }

    fn change_rate(&mut self, up: bool, now: Time) -> Vec<Effect> {
        if self.refuse_control(now) {
            return vec![];
        }
        let demo = self
            .known
            .live()
            .overview
            .as_ref()
            .and_then(|overview| overview.demo.as_ref());
        let Some(rate) = demo.map(|demo| demo.orders_per_second) else {
            self.say(Tone::Info, "no demo runs beside this collector", now);
            return vec![];
        };
        let step = if rate < 10.0 || (rate == 10.0 && !up) { 1.0 } else { 5.0 };
        let next = if up { rate + step } else { rate - step };
        vec![Effect::Ask(Question::Traffic(Traffic {
            orders_per_second: next.clamp(0.0, 1_000.0).round(),
        }))]
    }

    /// True, with the reason said, when nothing may be changed from here.
    fn refuse_control(&mut self, now: Time) -> bool {
        let reason = if self.setup.read_only {
            "read-only: nothing is changed from here"
        } else if !self.setup.has_token {
            "no token: give the collector's token by --token or SAGASCOPE_TOKEN"
        } else {
            return false;
        };
        self.say(Tone::Notice, reason, now);
        true
    }
}
