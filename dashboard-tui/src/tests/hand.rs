//! An app with a hand on its keyboard and an eye on its screen.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::{Backend, TestBackend};
use sagascope_api::Time;
use sagascope_api::client::live::{Connection, LiveEvent};
use sagascope_api::live::{LiveId, LiveMessage, Rows};

use super::fixture::{NOW, theme, trouble};
use crate::app::{App, Setup};
use crate::event::{Answer, Effect, Event};
use crate::view;

/// An app and its hands.
pub(crate) struct Hand {
    pub(crate) app: App,
    pub(crate) effects: Vec<Effect>,
    pub(crate) now: Time,
    sequence: u64,
}

impl Hand {
    pub(crate) fn new(setup: impl FnOnce(&mut Setup)) -> Self {
        let mut options = Setup {
            url: "http://127.0.0.1:4319".into(),
            read_only: false,
            has_token: true,
            theme: theme(),
        };
        setup(&mut options);
        Self {
            app: App::new(options),
            effects: vec![],
            now: NOW,
            sequence: 0,
        }
    }

    /// In front of a cluster in trouble.
    pub(crate) fn in_trouble() -> Self {
        let mut hand = Self::new(|_| ());
        hand.event(Event::Live(LiveEvent::Connection(Connection::Live)));
        for rows in trouble() {
            hand.hear(rows);
        }
        hand
    }

    pub(crate) fn event(&mut self, event: Event) {
        let effects = self.app.handle(event, self.now);
        self.effects.extend(effects);
        let effects = self.app.settle(self.now);
        self.effects.extend(effects);
    }

    pub(crate) fn hear(&mut self, data: Rows) {
        self.sequence += 1;
        let id = LiveId {
            run: "r".into(),
            sequence: self.sequence,
        };
        let message = LiveMessage::Update {
            id,
            data,
            removed: vec![],
        };
        self.event(Event::Live(LiveEvent::Message(Box::new(message))));
    }

    pub(crate) fn answer(&mut self, answer: Answer) {
        self.event(Event::Answer(answer));
    }

    pub(crate) fn code(&mut self, code: KeyCode) {
        self.event(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    /// Types characters, each as a key.
    pub(crate) fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.code(KeyCode::Char(key));
        }
    }

    /// The screen as text.
    /// One frame, as the loop draws it.
    pub(crate) fn frame<B: Backend<Error: std::fmt::Debug>>(&mut self, terminal: &mut Terminal<B>) {
        let effects = self.app.settle(self.now);
        self.effects.extend(effects);
        let mut drawn = None;
        terminal
            .draw(|frame| drawn = Some(view::draw(&self.app, frame, self.now)))
            .unwrap();
        self.app.drawn(drawn.unwrap());
    }

    pub(crate) fn screen(&mut self, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        self.frame(&mut terminal);
        let buffer = terminal.backend().buffer();
        let mut text = String::new();
        for y in 0..height {
            let mut x = 0;
            let mut line = String::new();
            while x < width {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += (unicode_width::UnicodeWidthStr::width(symbol).max(1)) as u16;
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
