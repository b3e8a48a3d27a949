//! `invariant.violated` and `invariant.restored`: what must hold and does not, and when it does again.

use sagascope_conventions::{Invariant, attributes as key, events};

use crate::event::{Event, Severity};

/// A violation that was not there at the look before; `violations` were found in all.
#[must_use]
pub fn violated(at: u64, invariant: Invariant, evidence: &str, violations: usize) -> Event {
    let mut event = event(events::INVARIANT_VIOLATED, at, invariant)
        .with(key::INVARIANT_EVIDENCE, evidence)
        .with(key::INVARIANT_VIOLATIONS, violations as u64)
        .severity(Severity::Warn);
    event.body = Some(format!("{invariant} is broken: {evidence}"));
    event
}

/// It holds again.
#[must_use]
pub fn restored(at: u64, invariant: Invariant) -> Event {
    let mut event = event(events::INVARIANT_RESTORED, at, invariant);
    event.body = Some(format!("{invariant} holds again"));
    event
}

fn event(name: &'static str, at: u64, invariant: Invariant) -> Event {
    Event::new(name, at)
        .with(key::INVARIANT_ID, invariant.as_str())
        .with(key::INVARIANT_STATEMENT, invariant.statement())
}
