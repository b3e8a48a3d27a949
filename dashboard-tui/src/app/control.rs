//! What changes the world: faults, the rate of orders; and leaving it.

use sagascope_api::Time;
use sagascope_api::faults::Traffic;
use sagascope_api::text::{self, Tone};

use super::form::Field;
use super::overlay::{Confirm, Overlay, Then};
use super::{App, ChaosCursor};
use crate::event::{Effect, Question};
use crate::state::lookup::Found;

impl App {
    pub(super) fn quit(&mut self, now: Time) -> Vec<Effect> {
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

    /// The lines of the view the cursor can stand on, in order.
    pub(crate) fn chaos_lines(&self) -> Vec<ChaosCursor> {
        let fields = self.form.fields(self.catalogue()).into_iter().map(ChaosCursor::Field);
        let active = self.known.picture().active_faults();
        let faults = active
            .into_iter()
            .map(|fault| ChaosCursor::Fault(fault.fault.id.clone()));
        fields.chain(faults).collect()
    }

    pub(super) fn step_in_chaos(&mut self, by: isize) {
        self.form.settle();
        let lines = self.chaos_lines();
        let at = lines.iter().position(|line| *line == self.chaos_cursor).unwrap_or(0);
        let last = lines.len().saturating_sub(1);
        if let Some(line) = lines.get(at.saturating_add_signed(by).min(last)) {
            self.chaos_cursor = line.clone();
        }
    }

    pub(super) fn enter_chaos(&mut self, now: Time) -> Vec<Effect> {
        match self.chaos_cursor {
            ChaosCursor::Field(Field::Arm) => self.arm(now),
            ChaosCursor::Field(_) => self.step_in_chaos(1),
            ChaosCursor::Fault(_) => return self.clear_fault(now),
        }
        vec![]
    }

    pub(super) fn change_value(&mut self, forward: bool) {
        if let ChaosCursor::Field(field) = self.chaos_cursor {
            let catalogue = match self.known.catalogue.get(&()) {
                Found::Here(catalogue) => catalogue.as_slice(),
                _ => &[],
            };
            self.form.change(field, catalogue, forward);
        }
    }

    pub(super) fn arm(&mut self, now: Time) {
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

    pub(super) fn clear_fault(&mut self, now: Time) -> Vec<Effect> {
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

    pub(super) fn clear_all(&mut self, now: Time) -> Vec<Effect> {
        if self.refuse_control(now) {
            return vec![];
        }
        vec![Effect::Ask(Question::ClearAll)]
    }

    pub(super) fn change_rate(&mut self, up: bool, now: Time) -> Vec<Effect> {
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
            flows: None,
        }))]
    }

    /// True, with the reason said, when nothing may be changed from here.
    pub(super) fn refuse_control(&mut self, now: Time) -> bool {
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
