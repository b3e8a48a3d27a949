//! Acts on the list at hand: filter, follow, sort, copy.

use sagascope_api::Time;
use sagascope_api::text::Tone;

use super::list::{ListId, Sort};
use super::place::Place;
use super::{App, ChaosCursor};
use crate::event::Effect;

impl App {
    pub(super) fn begin_filter(&mut self, now: Time) {
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

    pub(super) fn follow(&mut self, now: Time) {
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

    pub(super) fn sort_by_neighbour(&mut self, right: bool) {
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

    pub(super) fn invert_sort(&mut self) {
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
    pub(super) fn reorder(&mut self) {
        self.sagas.replace(vec![]);
        self.traces.replace(vec![]);
    }

    pub(super) fn copy(&mut self, now: Time) -> Vec<Effect> {
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
            Place::Lab => self.lab.selected().map(str::to_owned),
            Place::Experiment(name) => Some(name.clone()),
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
}
