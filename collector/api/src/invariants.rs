//! What must always hold, as those who look at it tell.

use std::collections::BTreeMap;

use sagascope_conventions::InvariantState;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One invariant, as one service sees it in its own data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// `invariant.id`, such as `INV-01`.
    pub id: String,
    /// `service.name` of who looks.
    pub service: String,
    /// What must hold, in one sentence.
    pub statement: String,
    /// Whether it does.
    pub state: InvariantState,
    /// Violations found at the last look.
    pub violations: u64,
    /// Since when it holds, or does not.
    pub since: Time,
    /// The last look that was told.
    pub looked_at: Time,
    /// The last violations told, newest first; empty when it holds.
    pub evidence: Vec<Evidence>,
}

/// One violation, with ids and numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was found.
    pub at: Time,
    /// What was found.
    pub text: String,
}

impl Invariant {
    /// Unique key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.id, self.service)
    }
}

/// How many hold: an invariant that several services look at counts once, by the worst that one of them says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvariantCounts {
    /// Looked at, and nothing found.
    pub hold: u64,
    /// Violated.
    pub violated: u64,
    /// Not looked at for a while.
    pub no_data: u64,
}

impl InvariantCounts {
    /// Of these rows.
    #[must_use]
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Invariant>) -> Self {
        let mut worst: BTreeMap<&str, InvariantState> = BTreeMap::new();
        for row in rows {
            let state = worst.entry(&row.id).or_insert(row.state);
            *state = row.state.max(*state);
        }
        let count = |state| worst.values().filter(|worst| **worst == state).count() as u64;
        Self {
            hold: count(InvariantState::Holds),
            violated: count(InvariantState::Violated),
            no_data: count(InvariantState::NoData),
        }
    }

    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.hold + self.violated + self.no_data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_counts_once_by_the_worst_that_is_said_of_it() {
        let row = |id: &str, service: &str, state| Invariant {
            id: id.into(),
            service: service.into(),
            statement: String::new(),
            state,
            violations: 0,
            since: Time(0),
            looked_at: Time(0),
            evidence: Vec::new(),
        };
        use InvariantState::{Holds, NoData, Violated};
        let rows = [
            row("INV-05", "orders", Holds),
            row("INV-05", "payments", Violated),
            row("INV-05", "inventory", NoData),
            row("INV-07", "orders", NoData),
            row("INV-07", "payments", Holds),
            row("INV-08", "orders", Holds),
        ];
        let counts = InvariantCounts::of(&rows);
        assert_eq!(
            (counts.hold, counts.violated, counts.no_data, counts.all()),
            (1, 1, 1, 3)
        );
    }
}
