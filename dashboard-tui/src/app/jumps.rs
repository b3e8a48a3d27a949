//! From one thing to the next: saga, trace, breaker, correlation, explanation.

use sagascope_api::Time;
use sagascope_api::text::Tone;

use super::App;
use super::overlay::Overlay;
use super::place::{Link, Place};
use crate::event::SagaKey;
use crate::state::lookup::Found;

impl App {
    pub(super) fn explain(&mut self, now: Time) {
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

    pub(super) fn open_trace(&mut self, now: Time) {
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

    pub(super) fn open_breaker(&mut self, now: Time) {
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

    pub(super) fn open_correlation(&mut self, now: Time) {
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

    pub(super) fn open_waiting_sagas(&mut self, now: Time) {
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

    pub(super) fn open_saga_of_trace(&mut self, now: Time) {
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

    pub(super) fn open_flow_graph(&mut self, now: Time) {
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

    pub(super) fn jump_to_error(&mut self, forward: bool, now: Time) {
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

    pub(super) fn fold(&mut self, fold: bool) {
        if let Some(id) = self.spans.selected().map(str::to_owned) {
            if fold {
                self.folded.insert(id);
            } else {
                self.folded.remove(&id);
            }
        }
    }
}
