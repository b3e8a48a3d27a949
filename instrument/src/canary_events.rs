//! `canary.changed` and `canary.removed`: the share of a service's requests that a new version gets, and why.

use sagascope_conventions::{CanaryState, attributes as key, events};

use crate::event::{Event, Severity};

/// Another share.
#[derive(Clone, Copy, Debug)]
pub struct CanaryChange<'a> {
    /// The service.
    pub peer: &'a str,
    /// Its new version.
    pub version: &'a str,
    /// Where it stands now.
    pub state: CanaryState,
    /// Its share.
    pub percent: u8,
    /// Why.
    pub reason: &'a str,
    /// Nobody but the numbers decided it.
    pub by_itself: bool,
}

/// The share has changed.
#[must_use]
pub fn changed(at: u64, change: CanaryChange<'_>) -> Event {
    let CanaryChange {
        peer, version, percent, ..
    } = change;
    let mut event = Event::new(events::CANARY_CHANGED, at)
        .with(key::SERVICE_PEER_NAME, peer)
        .with(key::CANARY_VERSION, version)
        .with(key::CANARY_STATE, change.state.as_str())
        .with(key::CANARY_SHARE, u64::from(percent))
        .with(key::CANARY_REASON, change.reason)
        .with(
            key::CANARY_DECIDED_BY,
            if change.by_itself { "numbers" } else { "person" },
        );
    event.body = Some(match change.state {
        CanaryState::RolledBack => format!("{peer} {version} is rolled back: {}", change.reason),
        CanaryState::Running | CanaryState::Promoted => {
            format!("{peer} {version} gets {percent} % of the requests: {}", change.reason)
        }
    });
    if change.state == CanaryState::RolledBack {
        event = event.severity(Severity::Warn);
    }
    event
}

/// All goes to the stable version, for good.
#[must_use]
pub fn removed(at: u64, peer: &str) -> Event {
    let mut event = Event::new(events::CANARY_REMOVED, at).with(key::SERVICE_PEER_NAME, peer);
    event.body = Some(format!("{peer} has no canary any more"));
    event
}
