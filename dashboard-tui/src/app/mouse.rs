//! Clicks and the wheel, by what the last frame drew where.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use sagascope_api::Time;

use super::list::ListId;
use super::overlay::Overlay;
use super::{App, ChaosCursor, Target};
use crate::event::Effect;

const WHEEL_ROWS: isize = 3;

impl App {
    pub(super) fn mouse(&mut self, mouse: MouseEvent, now: Time) -> Vec<Effect> {
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => self.click(Position::new(mouse.column, mouse.row), now),
            MouseEventKind::ScrollDown => {
                self.wheel(WHEEL_ROWS);
                vec![]
            }
            MouseEventKind::ScrollUp => {
                self.wheel(-WHEEL_ROWS);
                vec![]
            }
            _ => vec![],
        }
    }

    fn wheel(&mut self, by: isize) {
        match &mut self.overlay {
            Some(Overlay::Picker(picker)) => {
                let last = picker.lines(&self.place).len().saturating_sub(1);
                picker.selected = picker.selected.saturating_add_signed(by).min(last);
            }
            Some(_) => {}
            None => self.step(by),
        }
    }

    fn click(&mut self, at: Position, now: Time) -> Vec<Effect> {
        // What was drawn last lies on top.
        let Some(target) = self
            .drawn
            .hits
            .iter()
            .rev()
            .find(|(area, _)| area.contains(at))
            .map(|(_, target)| target)
        else {
            return vec![];
        };
        let target = target.clone();
        if let Some(overlay) = &self.overlay {
            let (Overlay::Picker(picker), Target::Row(ListId::Picker, row)) = (overlay, target) else {
                return vec![];
            };
            let line = row
                .parse()
                .ok()
                .and_then(|n: usize| picker.lines(&self.place).into_iter().nth(n));
            self.overlay = None;
            return line.map_or_else(Vec::new, |line| self.choose(line.choice, now));
        }
        match target {
            Target::View(view) => self.show(view),
            Target::Header(list, column) => self.sort_by(Some(list), Some(column)),
            Target::Key(action) => return self.act(action, now),
            Target::Field(field) => {
                self.form.settle();
                let again = self.chaos_cursor == ChaosCursor::Field(field);
                self.chaos_cursor = ChaosCursor::Field(field);
                if field == super::Field::Arm {
                    return self.act(super::keys::Action::Arm, now);
                }
                if again {
                    return self.act(super::keys::Action::ValueUp, now);
                }
            }
            Target::Fault(id) => self.chaos_cursor = ChaosCursor::Fault(id),
            Target::Row(id, key) => return self.click_row(id, &key, now),
        }
        vec![]
    }

    /// The first click selects, the second opens.
    fn click_row(&mut self, id: ListId, key: &str, now: Time) -> Vec<Effect> {
        let focused = self.focus() == Some(id);
        let Some(list) = self.list_mut(id) else {
            return vec![];
        };
        let again = focused && list.selected() == Some(key);
        list.select(key);
        list.touched = true;
        list.hold_if_running(id);
        if again {
            return self.enter(now);
        }
        if !focused && id == ListId::Sagas {
            // A click in the list beside a saga looks at another one.
            self.show(super::place::View::Sagas);
        }
        vec![]
    }
}

impl super::List {
    fn hold_if_running(&mut self, id: ListId) {
        if matches!(id, ListId::Sagas | ListId::Traces) {
            self.hold();
        }
    }
}
