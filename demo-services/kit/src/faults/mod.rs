//! Faults: what a person breaks on purpose, to see what the system does about it.

mod sse;
mod stream;
mod switchboard;
#[cfg(test)]
mod tests;

use sagascope_conventions::FaultKind;
use sagascope_conventions::fault::FaultCapability;
pub(crate) use stream::{Station, listen};
pub use switchboard::{Hit, Switchboard};

/// `own`, and what the kit honours for every service.
pub(crate) fn with_common(mut own: Vec<FaultCapability>) -> Vec<FaultCapability> {
    for kind in [
        FaultKind::Latency,
        FaultKind::ErrorRate,
        FaultKind::Hang,
        FaultKind::Crash,
    ] {
        if own.iter().all(|known| known.kind != kind) {
            own.push(FaultCapability {
                kind,
                operations: Vec::new(),
            });
        }
    }
    own
}
