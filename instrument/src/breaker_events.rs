//! `circuit_breaker.state_changed`.

use sagascope_conventions::{BreakerState, attributes as key, events};

use crate::event::{Event, Severity};

/// One change of state of one breaker.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerChange<'a> {
    /// `circuit_breaker.name`.
    pub breaker: &'a str,
    /// Service it protects.
    pub peer: &'a str,
    /// State left.
    pub from: BreakerState,
    /// State entered.
    pub to: BreakerState,
    /// Counts up per breaker and instance.
    pub sequence: u64,
    /// Why.
    pub reason: &'a str,
    /// Share of failures in the window, when there were enough calls to tell.
    pub failure_rate: Option<f64>,
    /// When the next probe may pass, for an open breaker.
    pub next_probe_unix_nanos: Option<u64>,
}

impl BreakerChange<'_> {
    /// The event that tells it.
    #[must_use]
    pub fn event(&self, at_unix_nanos: u64) -> Event {
        let severity = if self.to == BreakerState::Closed {
            Severity::Info
        } else {
            Severity::Warn
        };
        Event::new(events::CIRCUIT_BREAKER_STATE_CHANGED, at_unix_nanos)
            .with(key::CIRCUIT_BREAKER_NAME, self.breaker)
            .with(key::CIRCUIT_BREAKER_STATE, self.to.as_str())
            .with(key::CIRCUIT_BREAKER_PREVIOUS_STATE, self.from.as_str())
            .with(key::CIRCUIT_BREAKER_SEQUENCE, self.sequence)
            .with(key::CIRCUIT_BREAKER_REASON, self.reason)
            .with(key::SERVICE_PEER_NAME, self.peer)
            .with_some(key::CIRCUIT_BREAKER_FAILURE_RATE, self.failure_rate)
            .with_some(key::CIRCUIT_BREAKER_NEXT_PROBE_AT, self.next_probe_unix_nanos)
            .severity(severity)
    }
}
