//! The world outside the shop: a bank, a carrier, a warehouse. Each takes its time, as a client span shows.

use std::time::Duration;

use opentelemetry::KeyValue;
use sagascope_conventions::attributes;

use crate::random;
use crate::telemetry::{SpanKind, span};

/// Somebody outside who is asked and answers after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Who, for `service.peer.name`.
    name: &'static str,
    fastest: Duration,
    slowest: Duration,
}

impl Outside {
    /// Answers within `fastest` and `slowest`, mostly near the first.
    #[must_use]
    pub const fn new(name: &'static str, fastest: Duration, slowest: Duration) -> Self {
        Self { name, fastest, slowest }
    }

    /// Answers at once and leaves no span. For tests.
    #[must_use]
    pub const fn instant(name: &'static str) -> Self {
        Self::new(name, Duration::ZERO, Duration::ZERO)
    }

    /// Waits for the answer to `operation`.
    pub async fn ask(&self, operation: &str) {
        let took = self.takes(random::f64());
        if took.is_zero() {
            return;
        }
        let peer = KeyValue::new(attributes::SERVICE_PEER_NAME, self.name);
        let asked = span(format!("{} {operation}", self.name), SpanKind::Client, vec![peer]);
        asked.run(tokio::time::sleep(took)).await;
    }

    /// The time for a `dice` from 0 to 1; squared, so that long answers are the rare ones.
    fn takes(&self, dice: f64) -> Duration {
        self.fastest
            + self
                .slowest
                .saturating_sub(self.fastest)
                .mul_f64(dice.clamp(0.0, 1.0).powi(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_within_their_bounds_and_are_mostly_quick() {
        let bank = Outside::new("bank", Duration::from_millis(40), Duration::from_millis(300));
        assert_eq!(bank.takes(0.0), Duration::from_millis(40));
        assert_eq!(bank.takes(1.0), Duration::from_millis(300));
        assert_eq!(bank.takes(0.5), Duration::from_millis(105));
        assert_eq!(Outside::instant("bank").takes(1.0), Duration::ZERO);
    }
}
