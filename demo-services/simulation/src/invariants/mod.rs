//! The promises of the shop, each as a function over what is left when a run is over. Nothing in here is known to the
//! services.

mod effects;
mod money;
mod picture;
mod sagas;
mod stock;

use crate::evidence::Evidence;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Such as `INV-01`.
    pub invariant: &'static str,
    /// How it shows.
    pub what: String,
}

type Check = fn(&Evidence) -> anyhow::Result<Vec<String>>;

/// Every promise with its checker.
const CHECKS: &[(&str, Check)] = &[
    ("INV-01", money::inv_01_money),
    ("INV-02", stock::inv_02_stock),
    ("INV-03", sagas::inv_03_ends),
    ("INV-04", sagas::inv_04_compensations),
    ("INV-05", effects::inv_05_exactly_once),
    ("PICTURE", picture::picture_equals_the_logs),
];

/// Looks at everything.
pub(crate) fn check_all(evidence: &Evidence) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (invariant, check) in CHECKS {
        let found = check(evidence).unwrap_or_else(|error| vec![format!("cannot be checked: {error:#}")]);
        violations.extend(found.into_iter().map(|what| Violation { invariant, what }));
    }
    violations
}

/// Names of all promises that are checked.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(name, _)| *name)
}

/// Looks at what must hold at every moment of a run.
#[derive(Default)]
pub(crate) struct Watch {
    violations: Vec<Violation>,
}

impl Watch {
    /// One look; of the same kind only the first is kept.
    pub(crate) fn look(&mut self, evidence: &Evidence) {
        let found = stock::pieces_are_somewhere(evidence);
        self.keep("INV-02", found);
    }

    /// What was seen.
    pub(crate) fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    fn keep(&mut self, invariant: &'static str, found: anyhow::Result<Vec<String>>) {
        let found = found.unwrap_or_else(|error| vec![format!("cannot be checked: {error:#}")]);
        if !found.is_empty() && self.violations.iter().all(|known| known.invariant != invariant) {
            self.violations
                .extend(found.into_iter().map(|what| Violation { invariant, what }));
        }
    }
}
