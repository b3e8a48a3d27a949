//! What must always hold in the shop, and in the collector itself: one word and one sentence each.

use serde::{Deserialize, Serialize};

use crate::states::words;

words! {
    /// An invariant. Services look whether it holds in their own data; nobody waits for the answer.
    Invariant {
        /// Money.
        Money = "INV-01",
        /// Stock.
        Stock = "INV-02",
        /// Sagas end.
        SagasEnd = "INV-03",
        /// Compensations.
        Compensations = "INV-04",
        /// Effects once.
        EffectsOnce = "INV-05",
        /// Idempotency keys.
        IdempotencyKeys = "INV-06",
        /// Outbox.
        Outbox = "INV-07",
        /// Versions of streams.
        Versions = "INV-08",
        /// Read models.
        ReadModels = "INV-09",
        /// Positions.
        Positions = "INV-10",
        /// Messages.
        Messages = "INV-11",
        /// Traces.
        Traces = "INV-12",
        /// Coordination.
        Coordinations = "INV-13",
        /// Accounting.
        Accounting = "INV-14",
    }
}

impl Invariant {
    /// What must hold, in one sentence.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Self::Money => "An order pays its price once or gets it all back, and all accounts sum to zero",
            Self::Stock => "Every piece is on hand, reserved or sold, and none is promised twice",
            Self::SagasEnd => "Every orchestrated saga moves on until it has ended",
            Self::Compensations => "A compensated saga has undone what it did, last step first, and nothing else",
            Self::EffectsOnce => "Every effect happens once, however often it is asked for",
            Self::IdempotencyKeys => "A key stands for one request, and keeps its one answer",
            Self::Outbox => "What is committed is published, in order, and nothing else is",
            Self::Versions => "The versions of each stream are 1, 2, 3 … without gap or repeat",
            Self::ReadModels => "A read model is what its events fold to",
            Self::Positions => "A position never goes back, and never beyond the last event",
            Self::Messages => "A message is done, under way or a dead letter: one of the three",
            Self::Traces => "A saga is one trace in which every step has its parent",
            Self::Coordinations => "Orchestrated and choreographed, an order ends in the same business",
            Self::Accounting => "What was sent is stored, refused or shed, and counted as such",
        }
    }
}

/// Violations of one look that are counted; there may be more.
pub const MOST_VIOLATIONS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_one_line_that_fits_a_screen() {
        for (number, invariant) in Invariant::ALL.iter().enumerate() {
            assert_eq!(invariant.as_str(), format!("INV-{:02}", number + 1));
            let statement = invariant.statement();
            assert!(
                statement.chars().count() <= 80 && !statement.ends_with('.'),
                "{statement}"
            );
        }
    }
}
