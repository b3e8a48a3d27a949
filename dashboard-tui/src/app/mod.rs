//! The dashboard without its screen and its sockets: events go in, effects come out.

mod act;
mod actions;
mod bindings;
mod control;
pub(crate) mod filter;
pub(crate) mod form;
mod jumps;
pub(crate) mod keys;
mod lab;
pub(crate) mod list;
mod lists;
mod mouse;
pub(crate) mod overlay;
pub(crate) mod place;
mod settle;
mod typing;

pub(crate) use settle::attention_key;

use std::collections::HashSet;

use sagascope_api::Time;
use sagascope_api::attention::Attention;
use sagascope_api::client::ClientError;
use sagascope_api::faults::FaultTargetOption;
use sagascope_api::text::{self, Tone};

use crate::event::{Answer, Effect, Event};
use crate::state::Known;
use crate::state::lookup::Found;
use crate::theme::Theme;
use filter::Filter;
use form::{Field, Form};
use list::{List, ListId};
use overlay::Overlay;
use place::{Place, Trail};

/// What does not change while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) url: String,
    pub(crate) read_only: bool,
    pub(crate) has_token: bool,
    pub(crate) theme: Theme,
}

/// The whole dashboard.
pub(crate) struct App {
    pub(crate) setup: Setup,
    pub(crate) known: Known,
    pub(crate) place: Place,
    trail: Trail,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) notice: Option<Notice>,
    pub(crate) overview: List,
    pub(crate) sagas: List,
    pub(crate) saga_events: List,
    pub(crate) traces: List,
    pub(crate) spans: List,
    pub(crate) breakers: List,
    pub(crate) read_models: List,
    pub(crate) lab: List,
    pub(crate) experiment: List,
    /// Spans whose children are folded away.
    pub(crate) folded: HashSet<String>,
    pub(crate) saga_filter: Input,
    pub(crate) trace_search: Input,
    pub(crate) form: Form,
    pub(crate) chaos_cursor: ChaosCursor,
    pub(crate) mouse_captured: bool,
    pub(crate) digest: Digest,
    drawn: Drawn,
    dirty: bool,
}

/// A line of text that a person types.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) text: String,
    pub(crate) editing: bool,
    /// What stood there when editing began, for Esc.
    before: String,
    /// The text before the last, for a second `/`.
    recalled: String,
}

/// Where the cursor stands in Chaos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChaosCursor {
    Field(Field),
    /// An active fault, by id.
    Fault(String),
}

/// A line for the person, gone after a while.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) tone: Tone,
    until: Time,
}

const NOTICE_SECONDS: f64 = 6.0;

/// What is computed from the picture once for a frame, rather than by each part of it.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    pub(crate) attention: Vec<Attention>,
    pub(crate) running: u64,
    pub(crate) compensating: u64,
    pub(crate) stuck: u64,
    pub(crate) failed: u64,
    pub(crate) sagas_per_second: Option<f64>,
    pub(crate) filter: Filter,
    /// Sagas worth a look: the urgent, then the newest.
    pub(crate) latest: Vec<String>,
}

/// What the last frame looked like: what a click hits, and how many rows a list has on screen.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) hits: Vec<(ratatui::layout::Rect, Target)>,
    pub(crate) lists: Vec<(ListId, usize, usize)>,
}

/// What a click hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    View(place::View),
    Row(ListId, String),
    Header(ListId, usize),
    Field(Field),
    Fault(String),
    Key(keys::Action),
}

impl App {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            known: Known::new(),
            place: Place::Overview,
            trail: Trail::default(),
            overlay: None,
            notice: None,
            overview: List::new(),
            sagas: List::new(),
            saga_events: List::new(),
            traces: List::new(),
            spans: List::new(),
            breakers: List::new(),
            read_models: List::new(),
            lab: List::new(),
            experiment: List::new(),
            folded: HashSet::new(),
            saga_filter: Input::default(),
            trace_search: Input::default(),
            form: Form::default(),
            chaos_cursor: ChaosCursor::Field(Field::Service),
            mouse_captured: true,
            digest: Digest::default(),
            drawn: Drawn::default(),
            dirty: true,
        }
    }

    /// Takes one event; what it wants done comes back.
    pub(crate) fn handle(&mut self, event: Event, now: Time) -> Vec<Effect> {
        // A frozen screen counts what it holds back once a second, with the clock.
        let silent = matches!(event, Event::Live(_)) && self.known.held_back().is_some();
        self.dirty |= !silent;
        match event {
            Event::Key(key) => self.press(key, now),
            Event::Mouse(mouse) => self.mouse(mouse, now),
            Event::Paste(text) => {
                self.paste(&text);
                vec![]
            }
            Event::Resize => vec![],
            Event::Live(event) => {
                self.known.hear(event, now);
                vec![]
            }
            Event::Answer(answer) => {
                if let Some(answer) = self.known.learn(answer, now) {
                    self.told(answer, now);
                }
                vec![]
            }
            Event::Tick => {
                self.notice.take_if(|notice| notice.until <= now);
                vec![]
            }
            Event::Stop => vec![Effect::Quit],
        }
    }

    /// Has anything changed since the last frame?
    pub(crate) const fn needs_frame(&self) -> bool {
        self.dirty
    }

    /// Remembers what was drawn, so that clicks and pages are understood.
    pub(crate) fn drawn(&mut self, drawn: Drawn) {
        for (id, offset, _) in &drawn.lists {
            if let Some(list) = self.list_mut(*id) {
                list.offset = *offset;
            }
        }
        self.drawn = drawn;
        self.dirty = false;
    }

    pub(crate) fn catalogue(&self) -> &[FaultTargetOption] {
        match self.known.catalogue.get(&()) {
            Found::Here(catalogue) => catalogue,
            _ => &[],
        }
    }

    /// The list that the keyboard moves in.
    pub(crate) const fn focus(&self) -> Option<ListId> {
        match self.place {
            Place::Overview => Some(ListId::Overview),
            Place::Sagas => Some(ListId::Sagas),
            Place::Saga(_) => Some(ListId::SagaEvents),
            Place::SagaType(_) | Place::Chaos => None,
            Place::Traces => Some(ListId::Traces),
            Place::Trace(_) => Some(ListId::Spans),
            Place::Breakers => Some(ListId::Breakers),
            Place::ReadModels => Some(ListId::ReadModels),
            Place::Lab => Some(ListId::Lab),
            Place::Experiment(_) => Some(ListId::Experiment),
        }
    }

    pub(crate) fn list(&self, id: ListId) -> Option<&List> {
        Some(match id {
            ListId::Overview => &self.overview,
            ListId::Sagas => &self.sagas,
            ListId::SagaEvents => &self.saga_events,
            ListId::Traces => &self.traces,
            ListId::Spans => &self.spans,
            ListId::Breakers => &self.breakers,
            ListId::ReadModels => &self.read_models,
            ListId::Lab => &self.lab,
            ListId::Experiment => &self.experiment,
            ListId::Picker => return None,
        })
    }

    fn list_mut(&mut self, id: ListId) -> Option<&mut List> {
        Some(match id {
            ListId::Overview => &mut self.overview,
            ListId::Sagas => &mut self.sagas,
            ListId::SagaEvents => &mut self.saga_events,
            ListId::Traces => &mut self.traces,
            ListId::Spans => &mut self.spans,
            ListId::Breakers => &mut self.breakers,
            ListId::ReadModels => &mut self.read_models,
            ListId::Lab => &mut self.lab,
            ListId::Experiment => &mut self.experiment,
            ListId::Picker => return None,
        })
    }

    fn say(&mut self, tone: Tone, text: impl Into<String>, now: Time) {
        self.notice = Some(Notice {
            text: text::scrub(&text.into(), 300),
            tone,
            until: now.plus_seconds(NOTICE_SECONDS),
        });
    }

    /// Tells a person what became of a command.
    fn told(&mut self, answer: Answer, now: Time) {
        let outcome = match answer {
            Answer::Armed(reply) => {
                reply.map(|status| (Tone::Practice, format!("armed  {}", text::fault_line(&status))))
            }
            Answer::Cleared(reply) => reply.map(|()| (Tone::Good, "cleared".to_owned())),
            Answer::Traffic(reply) => reply.map(|traffic| {
                let rate = traffic.orders_per_second;
                (Tone::Good, format!("asked the shoppers for {rate} orders a second"))
            }),
            Answer::Acted(reply) => reply.map(|done| (Tone::Good, done.line())),
            Answer::Begun(reply) => reply.map(|run| (Tone::Info, format!("{} runs", run.summary.experiment))),
            Answer::RunEnded(reply) => {
                reply.map(|()| (Tone::Good, "the experiment was ended, and its shop with it".to_owned()))
            }
            Answer::Told(line) => Ok((Tone::Info, line)),
            // Look-ups were kept by `Known::learn`.
            _ => return,
        };
        match outcome {
            Ok((tone, line)) => self.say(tone, line, now),
            Err(error) => self.say(Tone::Bad, refusal(&error), now),
        }
    }
}

/// What a refused command says; a missing token is the usual reason, and has a remedy.
fn refusal(error: &ClientError) -> String {
    match error {
        ClientError::Refused(problem) if matches!(problem.status, 401 | 403) => {
            format!(
                "refused: {}. Give the collector's token by --token or SAGASCOPE_TOKEN",
                problem.title
            )
        }
        ClientError::Refused(problem) => match &problem.field {
            Some(field) => format!("refused ({field}): {}", problem.detail),
            None => format!("refused: {}", problem.detail),
        },
        other => other.to_string(),
    }
}
