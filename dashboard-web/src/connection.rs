//! The live stream: one WebSocket, one picture, and an honest word about whether it still moves.

use std::time::Duration;

use leptos::prelude::*;
use sagascope_api::live::{LiveMessage, LiveRequest, Picture, Topic};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{CloseEvent, Event, MessageEvent, WebSocket};

use crate::clock::Clock;
use crate::dom;

/// Changes are gathered this long before the screen is told: ten pictures a second are plenty to follow.
const GATHER: Duration = Duration::from_millis(100);
/// Waits between attempts, seconds.
const WAITS: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];
/// A collector that says nothing for this long is taken as gone: it sends its numbers every second or so.
const SILENCE_MS: f64 = 15_000.0;
/// Topics every page needs; the others are subscribed to by the page that shows them.
const ALWAYS: &[Topic] = &[
    Topic::Overview,
    Topic::Faults,
    Topic::Services,
    Topic::Breakers,
    Topic::ReadModels,
    Topic::Outboxes,
    Topic::DeadLetters,
    Topic::Invariants,
    Topic::Canaries,
    Topic::Sagas,
];

/// How the stream stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    /// An attempt is under way; the number of failures before it.
    Connecting(usize),
    /// Messages come.
    Open,
    /// The next attempt is at this time (milliseconds since the epoch, this machine's clock).
    Waiting {
        /// Failures so far.
        failures: usize,
        /// Next attempt.
        retry_at_ms: f64,
    },
}

/// The stream and what is known from it.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    picture: StoredValue<Picture>,
    changed: StoredValue<Vec<(Topic, RwSignal<u32>)>>,
    dirty: StoredValue<Vec<Topic>>,
    link: RwSignal<Link>,
    heard_ms: StoredValue<f64>,
    extra: StoredValue<Vec<Topic>>,
    socket: StoredValue<Option<Socket>, LocalStorage>,
    clock: Clock,
}

/// An open WebSocket with its listeners, which live as long as it does.
struct Socket {
    socket: WebSocket,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _open: Closure<dyn FnMut(Event)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onmessage(None);
        self.socket.set_onopen(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

impl Live {
    /// Connects; once per page.
    pub(crate) fn install(clock: Clock) -> Self {
        let changed = Topic::ALL.iter().map(|topic| (*topic, RwSignal::new(0))).collect();
        let live = Self {
            picture: StoredValue::new(Picture::default()),
            changed: StoredValue::new(changed),
            dirty: StoredValue::new(Vec::new()),
            link: RwSignal::new(Link::Connecting(0)),
            heard_ms: StoredValue::new(dom::now_ms()),
            extra: StoredValue::new(Vec::new()),
            socket: StoredValue::new_local(None),
            clock,
        };
        provide_context(live);
        live.connect(0);
        Effect::new(move |_| {
            clock.now();
            live.watch();
        });
        live
    }

    /// Reads the picture; whoever does is run again when one of the topics changed.
    pub(crate) fn read<R>(self, topics: &[Topic], read: impl FnOnce(&Picture) -> R) -> R {
        self.changed.with_value(|changed| {
            for (_, signal) in changed.iter().filter(|(topic, _)| topics.contains(topic)) {
                signal.track();
            }
        });
        self.picture.with_value(read)
    }

    /// Reads the picture once.
    pub(crate) fn read_once<R>(self, read: impl FnOnce(&Picture) -> R) -> R {
        self.picture.with_value(read)
    }

    /// How the stream stands.
    pub(crate) fn link(self) -> Link {
        self.link.get()
    }

    /// Milliseconds since the last message.
    pub(crate) fn silent_ms(self) -> f64 {
        dom::now_ms() - self.heard_ms.get_value()
    }

    /// Also receives `topic` while the calling view lives.
    pub(crate) fn want(self, topic: Topic) {
        self.extra.update_value(|extra| extra.push(topic));
        self.say(&LiveRequest::Subscribe { topics: vec![topic] });
        on_cleanup(move || {
            self.extra
                .try_update_value(|extra| extra.retain(|known| *known != topic));
            self.say(&LiveRequest::Unsubscribe { topics: vec![topic] });
        });
    }

    /// Attempts now instead of at the end of the wait.
    pub(crate) fn retry_now(self) {
        if let Link::Waiting { failures, .. } = self.link.get_untracked() {
            self.connect(failures);
        }
    }

    fn connect(self, failures: usize) {
        self.link.set(Link::Connecting(failures));
        self.heard_ms.set_value(dom::now_ms());
        let socket = WebSocket::new(&self.url())
            .ok()
            .map(|socket| self.listen(socket, failures));
        let failed = socket.is_none();
        self.socket.set_value(socket);
        if failed {
            self.wait(failures);
        }
    }

    fn listen(self, socket: WebSocket, failures: usize) -> Socket {
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(text) = event.data().as_string() {
                self.heard(&text);
            }
        });
        let asked = self.extra.get_value();
        let open = Closure::<dyn FnMut(Event)>::new(move |_| {
            self.heard_ms.set_value(dom::now_ms());
            self.link.set(Link::Open);
            // Topics that a page began to want while the connection was made.
            let missing: Vec<Topic> = self
                .extra
                .get_value()
                .into_iter()
                .filter(|topic| !asked.contains(topic))
                .collect();
            if !missing.is_empty() {
                self.say(&LiveRequest::Subscribe { topics: missing });
            }
        });
        let close = Closure::<dyn FnMut(CloseEvent)>::new(move |_| {
            let failures = if self.link.get_untracked() == Link::Open {
                0
            } else {
                failures
            };
            self.wait(failures);
        });
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onopen(Some(open.as_ref().unchecked_ref()));
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        Socket {
            socket,
            _message: message,
            _open: open,
            _close: close,
        }
    }

    fn url(self) -> String {
        let location = window().location();
        let scheme = if location.protocol().is_ok_and(|protocol| protocol == "https:") {
            "wss"
        } else {
            "ws"
        };
        let extra = self.extra.get_value();
        let topics: Vec<&str> = ALWAYS.iter().chain(&extra).map(|topic| topic.as_str()).collect();
        let resume = self.picture.with_value(|picture| picture.last_id.clone());
        let resume = resume.map_or_else(String::new, |id| {
            format!("&last_id={}", crate::route::encode(&id.to_string()))
        });
        let host = location.host().unwrap_or_default();
        format!("{scheme}://{host}/api/v1/live?topics={}{resume}", topics.join(","))
    }

    fn say(self, request: &LiveRequest) {
        let Ok(json) = serde_json::to_string(request) else {
            return;
        };
        // While not connected nothing is lost: the next connection asks for every topic wanted then.
        self.socket.try_with_value(|socket| {
            if let Some(socket) = socket
                .as_ref()
                .filter(|open| open.socket.ready_state() == WebSocket::OPEN)
            {
                let _ = socket.socket.send_with_str(&json);
            }
        });
    }

    fn heard(self, text: &str) {
        self.heard_ms.set_value(dom::now_ms());
        // A message of a newer collector that this page does not know is passed over.
        let Ok(message) = serde_json::from_str::<LiveMessage>(text) else {
            return;
        };
        let topic = match &message {
            LiveMessage::Snapshot { data, .. } | LiveMessage::Update { data, .. } => Some(data.topic()),
            LiveMessage::Lagged { .. } => None,
        };
        self.picture.update_value(|picture| picture.apply(message));
        if topic == Some(Topic::Overview) {
            let now = self
                .picture
                .with_value(|picture| picture.overview.as_ref().map(|overview| overview.now));
            now.into_iter().for_each(|now| self.clock.heard(now));
        }
        topic.into_iter().for_each(|topic| self.mark(topic));
    }

    fn mark(self, topic: Topic) {
        let first = self.dirty.with_value(Vec::is_empty);
        self.dirty.update_value(|dirty| {
            if !dirty.contains(&topic) {
                dirty.push(topic);
            }
        });
        if first {
            set_timeout(move || self.tell(), GATHER);
        }
    }

    fn tell(self) {
        let mut dirty = Vec::new();
        self.dirty.update_value(|waiting| std::mem::swap(waiting, &mut dirty));
        let changed = self.changed.get_value();
        for (_, signal) in changed.iter().filter(|(topic, _)| dirty.contains(topic)) {
            signal.update(|version| *version = version.wrapping_add(1));
        }
    }

    fn wait(self, failures: usize) {
        let seconds = WAITS[failures.min(WAITS.len() - 1)];
        self.link.set(Link::Waiting {
            failures: failures + 1,
            retry_at_ms: dom::now_ms() + seconds * 1e3,
        });
    }

    /// Run at each tick: ends a wait, and a silence.
    fn watch(self) {
        match self.link.get_untracked() {
            Link::Waiting { failures, retry_at_ms } if dom::now_ms() >= retry_at_ms => self.connect(failures),
            Link::Open | Link::Connecting(_) if self.silent_ms() > SILENCE_MS => {
                self.socket.set_value(None);
                self.wait(0);
            }
            _ => {}
        }
    }
}

/// The stream of this page.
pub(crate) fn use_live() -> Live {
    expect_context()
}
