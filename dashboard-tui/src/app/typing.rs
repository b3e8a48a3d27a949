//! Keys while a text is typed: filters, the search of help and palette, numbers of the form.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use sagascope_api::Time;

use super::keys::{self, Action};
use super::overlay::{Choice, Overlay, Picker, QUERY_LIMIT, Then};
use super::place::{Link, Place};
use super::{App, ChaosCursor, Input};
use crate::event::Effect;
use crate::state::lookup::Found;

impl Input {
    pub(super) fn begin(&mut self) {
        if !self.editing {
            self.before.clone_from(&self.text);
            self.editing = true;
        } else if self.text.is_empty() {
            // A second `/` brings the last one back.
            self.text.clone_from(&self.recalled);
        }
    }

    fn accept(&mut self) {
        self.editing = false;
        if !self.text.is_empty() {
            self.recalled.clone_from(&self.text);
        }
    }

    fn cancel(&mut self) {
        self.editing = false;
        self.text = std::mem::take(&mut self.before);
    }

    /// True when there was something to clear.
    pub(super) fn clear(&mut self) -> bool {
        self.editing = false;
        !std::mem::take(&mut self.text).is_empty()
    }
}

impl App {
    pub(super) fn press(&mut self, key: KeyEvent, now: Time) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return vec![];
        }
        self.notice = None;
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if ctrl && key.code == KeyCode::Char('c') {
            return vec![Effect::Quit];
        }
        match self.overlay.take() {
            Some(Overlay::Picker(picker)) => return self.press_in_picker(picker, key, now),
            Some(Overlay::Confirm(confirm)) => {
                match key.code {
                    KeyCode::Char('y' | 'Y') => {
                        return match confirm.then {
                            Then::Ask(question) => vec![Effect::Ask(question)],
                            Then::Quit => vec![Effect::Quit],
                        };
                    }
                    KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {}
                    _ => self.overlay = Some(Overlay::Confirm(confirm)),
                }
                return vec![];
            }
            Some(Overlay::Letter(id)) => return self.press_in_letter(id, key, now),
            Some(Overlay::Invariants { top }) => return self.press_in_invariants(top, key),
            Some(Overlay::Explanation { id, selected }) => return self.press_in_explanation(id, selected, key, now),
            None => {}
        }
        if self.press_in_input(key) || self.press_digit(key) {
            return vec![];
        }
        match keys::action(&key, &self.place) {
            Some(action) => self.act(action, now),
            None => vec![],
        }
    }

    fn press_in_letter(&mut self, id: String, key: KeyEvent, now: Time) -> Vec<Effect> {
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => vec![],
            KeyCode::Enter => self.act(Action::Enter, now),
            KeyCode::Char('R') => self.act(Action::Replay, now),
            KeyCode::Char('P') => self.act(Action::Purge, now),
            KeyCode::Char('y') => self.act(Action::Copy, now),
            _ => {
                self.overlay = Some(Overlay::Letter(id));
                vec![]
            }
        }
    }

    fn input_mut(&mut self) -> Option<&mut Input> {
        match self.place {
            Place::Sagas => Some(&mut self.saga_filter),
            Place::Traces => Some(&mut self.trace_search),
            _ => None,
        }
    }

    /// True when the key belonged to the filter.
    fn press_in_input(&mut self, key: KeyEvent) -> bool {
        let Some(input) = self.input_mut().filter(|input| input.editing) else {
            return false;
        };
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => input.accept(),
            KeyCode::Esc => input.cancel(),
            KeyCode::Backspace => {
                input.text.pop();
            }
            KeyCode::Char('u') if ctrl => input.text.clear(),
            KeyCode::Char('/') if input.text.is_empty() => input.begin(),
            KeyCode::Char(c) if !ctrl && input.text.len() < QUERY_LIMIT => input.text.push(c),
            // Rows can be looked at while typing.
            KeyCode::Up | KeyCode::Down => return false,
            _ => {}
        }
        true
    }

    fn press_digit(&mut self, key: KeyEvent) -> bool {
        let ChaosCursor::Field(field) = self.chaos_cursor else {
            return false;
        };
        if self.place != Place::Chaos || !field.is_number() || key.modifiers.contains(KeyModifiers::CONTROL) {
            return false;
        }
        match key.code {
            KeyCode::Char(digit @ '0'..='9') => self.form.digit(field, digit),
            KeyCode::Backspace => self.form.backspace(field),
            _ => return false,
        }
        true
    }

    pub(super) fn paste(&mut self, text: &str) {
        let text = sagascope_api::text::scrub(text.trim(), QUERY_LIMIT);
        match &mut self.overlay {
            Some(Overlay::Picker(picker)) => picker.query.push_str(&text),
            Some(_) => {}
            None => match self.input_mut().filter(|input| input.editing) {
                Some(input) => input.text.push_str(&text),
                // A pasted id is looked for, wherever it is pasted.
                None => {
                    self.overlay = Some(Overlay::Picker(Picker {
                        query: text,
                        ..Picker::default()
                    }));
                }
            },
        }
    }

    fn press_in_picker(&mut self, mut picker: Picker, key: KeyEvent, now: Time) -> Vec<Effect> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let count = picker.lines(&self.place).len();
        match key.code {
            KeyCode::Esc => return vec![],
            KeyCode::Enter => {
                let chosen = picker.lines(&self.place).into_iter().nth(picker.selected);
                return chosen.map_or_else(Vec::new, |line| self.choose(line.choice, now));
            }
            KeyCode::Down | KeyCode::Tab => picker.selected = (picker.selected + 1).min(count.saturating_sub(1)),
            KeyCode::Up | KeyCode::BackTab => picker.selected = picker.selected.saturating_sub(1),
            KeyCode::Backspace => {
                picker.query.pop();
                picker.selected = 0;
            }
            KeyCode::Char('u') if ctrl => picker.query.clear(),
            KeyCode::Char(c) if !ctrl && picker.query.len() < QUERY_LIMIT => {
                picker.query.push(c);
                picker.selected = 0;
            }
            _ => {}
        }
        self.overlay = Some(Overlay::Picker(picker));
        vec![]
    }

    pub(super) fn choose(&mut self, choice: Choice, now: Time) -> Vec<Effect> {
        match choice {
            Choice::Key(action) => return self.act(action, now),
            Choice::Open(link) => self.go(link),
            Choice::Explain(id) => self.overlay = Some(Overlay::Explanation { id, selected: 0 }),
        }
        vec![]
    }

    fn press_in_invariants(&mut self, top: usize, key: KeyEvent) -> Vec<Effect> {
        let last = self.known.picture().invariants.len().saturating_sub(1);
        let top = match keys::action(&key, &Place::Overview) {
            Some(Action::Back | Action::Quit | Action::Inspect | Action::Enter) => return vec![],
            Some(Action::Down) => (top + 1).min(last),
            Some(Action::Up) => top.saturating_sub(1),
            Some(Action::PageDown) => (top + 10).min(last),
            Some(Action::PageUp) => top.saturating_sub(10),
            Some(Action::Top) => 0,
            Some(Action::Bottom) => last,
            _ => top,
        };
        self.overlay = Some(Overlay::Invariants { top });
        vec![]
    }

    fn press_in_explanation(&mut self, id: String, selected: usize, key: KeyEvent, now: Time) -> Vec<Effect> {
        let links: Vec<Option<String>> = match self.known.explanation.get(&id) {
            Found::Here(explanation) => explanation.evidence.iter().map(|piece| piece.link.clone()).collect(),
            _ => vec![],
        };
        let last = links.len().saturating_sub(1);
        let selected = match keys::action(&key, &Place::Overview) {
            Some(Action::Back | Action::Quit | Action::Explain) => return vec![],
            Some(Action::Down) => (selected + 1).min(last),
            Some(Action::Up) => selected.saturating_sub(1),
            Some(Action::Enter) => {
                let link = links.get(selected).and_then(Option::as_deref).and_then(Link::parse);
                if let Some(link) = link {
                    self.go(link);
                    return vec![];
                }
                selected
            }
            Some(Action::Copy) => {
                self.say(sagascope_api::text::Tone::Good, format!("copied {id}"), now);
                let copy = vec![Effect::Copy(id.clone())];
                self.overlay = Some(Overlay::Explanation { id, selected });
                return copy;
            }
            _ => selected,
        };
        self.overlay = Some(Overlay::Explanation { id, selected });
        vec![]
    }
}
