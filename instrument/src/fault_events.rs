//! `fault.armed`, `fault.cleared`, `fault.expired`: the practised failures, on the same time line as their effects.

use sagascope_conventions::{Fault, events};

use crate::event::{Event, Severity};

/// A service took the fault.
#[must_use]
pub fn armed(fault: &Fault, at_unix_nanos: u64) -> Event {
    event(events::FAULT_ARMED, fault, at_unix_nanos).severity(Severity::Warn)
}

/// A person ended it.
#[must_use]
pub fn cleared(fault: &Fault, at_unix_nanos: u64) -> Event {
    event(events::FAULT_CLEARED, fault, at_unix_nanos)
}

/// It reached its end.
#[must_use]
pub fn expired(fault: &Fault, at_unix_nanos: u64) -> Event {
    event(events::FAULT_EXPIRED, fault, at_unix_nanos)
}

fn event(name: &'static str, fault: &Fault, at_unix_nanos: u64) -> Event {
    Event::new(name, at_unix_nanos).touched_by(&fault.id, fault.kind.as_str())
}
