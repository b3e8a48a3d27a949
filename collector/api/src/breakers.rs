//! Circuit breakers.

use std::collections::BTreeMap;

use sagascope_conventions::BreakerState;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One breaker in one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    /// `caller~name~instance`, URL-safe.
    pub id: String,
    /// `service.name` it lives in.
    pub caller: String,
    /// `circuit_breaker.name`.
    pub name: String,
    /// What it protects.
    pub target: Option<String>,
    /// `service.instance.id` it lives in.
    pub instance: String,
    /// State in force; absent when only counters were heard.
    pub state: Option<BreakerState>,
    /// Since when.
    pub since: Option<Time>,
    /// When an open one lets a probe through.
    pub next_probe_at: Option<Time>,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// Failure share told with the last change, 0 to 1; while not closed, the last that was told since it opened.
    pub failure_rate: Option<f64>,
    /// Calls by outcome over the last minute.
    pub window: BreakerWindow,
    /// Refused per second, over the last seconds.
    pub rejected_per_second: f64,
    /// Sagas that wait on it, by saga type.
    pub waiting_sagas: BTreeMap<String, u64>,
    /// Changes, oldest first, bounded.
    pub history: Vec<BreakerChange>,
    /// Its process was heard lately.
    pub live: bool,
}

/// An instance id up to this long is shown whole.
const SHORT_INSTANCE: usize = 12;

impl Breaker {
    /// Share of calls that fail, 0 to 1. One that is not closed lets next to no calls through: there it is the share told
    /// with the last change. Otherwise it is that of the last minute; absent without calls.
    #[must_use]
    pub fn failing(&self) -> Option<f64> {
        let closed = matches!(self.state, None | Some(BreakerState::Closed));
        self.failure_rate.filter(|_| !closed).or_else(|| self.window.failing())
    }

    /// What tells its instance from others of the same caller: `orders-6e97ab12` → `6e97ab12`, `orders-1` as it is.
    #[must_use]
    pub fn short_instance(&self) -> &str {
        let whole = self.instance.as_str();
        let last = whole.rsplit('-').next().filter(|last| !last.is_empty());
        last.filter(|_| whole.len() > SHORT_INSTANCE).unwrap_or(whole)
    }
}

/// Calls by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerWindow {
    /// Went well.
    pub success: u64,
    /// Failed.
    pub failure: u64,
    /// Went well, too slowly.
    pub slow: u64,
    /// Refused while open.
    pub rejected: u64,
    /// Answered by the fallback.
    pub fallback: u64,
}

impl BreakerWindow {
    /// Failed or too slow among those let through; absent without such calls.
    #[must_use]
    pub fn failing(&self) -> Option<f64> {
        let through = self.success + self.failure + self.slow;
        (through > 0).then(|| (self.failure + self.slow) as f64 / through as f64)
    }
}

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerChange {
    /// State entered.
    pub state: BreakerState,
    /// When.
    pub at: Time,
    /// Why.
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(state: Option<BreakerState>, told: Option<f64>, instance: &str) -> Breaker {
        Breaker {
            id: "orders~payments~1".into(),
            caller: "orders".into(),
            name: "payments".into(),
            target: None,
            instance: instance.into(),
            state,
            since: None,
            next_probe_at: None,
            reason: None,
            failure_rate: told,
            window: BreakerWindow {
                success: 150,
                failure: 40,
                slow: 10,
                ..BreakerWindow::default()
            },
            rejected_per_second: 0.0,
            waiting_sagas: BTreeMap::new(),
            history: vec![],
            live: true,
        }
    }

    #[test]
    fn while_not_closed_the_share_is_the_one_that_opened_it() {
        let failing = |state, told| breaker(state, told, "").failing();
        assert_eq!(failing(Some(BreakerState::Open), Some(1.0)), Some(1.0));
        assert_eq!(failing(Some(BreakerState::HalfOpen), Some(1.0)), Some(1.0));
        assert_eq!(failing(Some(BreakerState::Open), None), Some(0.25));
        assert_eq!(failing(Some(BreakerState::Closed), Some(1.0)), Some(0.25));
        assert_eq!(failing(None, Some(1.0)), Some(0.25));
        assert_eq!(BreakerWindow::default().failing(), None);
    }

    #[test]
    fn instances_are_told_apart_by_their_end() {
        for (instance, short) in [
            ("gateway-2207b18d", "2207b18d"),
            ("gateway-1", "gateway-1"),
            ("550e8400-e29b-41d4-a716-446655440000", "446655440000"),
            ("a-name-that-ends-so-", "a-name-that-ends-so-"),
            ("onewordofsomelength", "onewordofsomelength"),
            ("", ""),
        ] {
            assert_eq!(breaker(None, None, instance).short_instance(), short);
        }
    }
}
