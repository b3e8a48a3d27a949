//! The collector's own account (INV-14): every record that a sender was told is stored is among the rows.

use sagascope_conventions::Invariant;
use sagascope_conventions::invariants::MOST_VIOLATIONS;
use sagascope_core::projections::Look;
use sagascope_store::Signal;

/// Under which service the collector tells of itself.
const SELF: &str = "sagascope";

/// Requests of which not every acknowledged record became a row, since the start.
#[derive(Debug, Default)]
pub(super) struct Account {
    off: Vec<String>,
}

impl Account {
    /// Compares what a sender was told with what came of it. What the log held at start was told by an earlier run.
    pub(super) fn folded(&mut self, signal: Signal, acknowledged: Option<u64>, rows: usize) {
        let Some(acknowledged) = acknowledged.filter(|acknowledged| *acknowledged != rows as u64) else {
            return;
        };
        if self.off.len() < MOST_VIOLATIONS {
            let what = match signal {
                Signal::Traces => "spans",
                Signal::Logs => "log records",
                Signal::Metrics => "metric points",
            };
            self.off.push(format!(
                "{acknowledged} {what} of a request were acknowledged, and {rows} are in the rows"
            ));
        }
    }

    /// What there is to tell.
    pub(super) fn look(&self) -> Look<'_> {
        Look {
            service: SELF,
            invariant: Invariant::Accounting,
            found: &self.off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_14_a_record_that_was_acknowledged_and_is_not_there_is_found() {
        let mut account = Account::default();
        account.folded(Signal::Traces, Some(3), 3);
        account.folded(Signal::Logs, None, 7);
        assert_eq!(account.look().found, [] as [String; 0]);
        account.folded(Signal::Logs, Some(3), 2);
        assert_eq!(
            account.look().found,
            ["3 log records of a request were acknowledged, and 2 are in the rows"]
        );
        for _ in 0..1_000 {
            account.folded(Signal::Metrics, Some(1), 0);
        }
        assert_eq!(account.look().found.len(), MOST_VIOLATIONS);
    }
}
