//! What of a look is news: violations that were not there at the look before, and invariants that hold again.

use std::collections::{BTreeMap, BTreeSet};

use sagascope_conventions::Invariant;
use sagascope_instrument::Event;
use sagascope_instrument::invariant_events::{restored, violated};

/// Violations of one invariant that are told at once, each with its evidence; the others are counted.
const TOLD: usize = 5;

/// What was found at the last look, by invariant.
#[derive(Debug, Default)]
pub(super) struct Telling(BTreeMap<Invariant, BTreeSet<String>>);

impl Telling {
    /// Takes what a look found, and answers the events that tell what is new.
    pub(super) fn looked(&mut self, invariant: Invariant, found: Vec<String>, now: u64) -> Vec<Event> {
        let count = found.len();
        let found: BTreeSet<String> = found.into_iter().collect();
        let before = self.0.entry(invariant).or_default();
        let holds_again = found.is_empty() && !before.is_empty();
        let new = found.difference(before).take(TOLD);
        let mut events: Vec<Event> = new.map(|what| violated(now, invariant, what, count)).collect();
        if holds_again {
            events.push(restored(now, invariant));
        }
        *before = found;
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_violation_is_told_once_and_its_end_once() {
        let mut telling = Telling::default();
        let mut look = |found: &[&str]| {
            let found = found.iter().map(|&what| what.to_owned()).collect();
            let events = telling.looked(Invariant::Stock, found, 7);
            events.into_iter().filter_map(|event| event.body).collect::<Vec<_>>()
        };
        assert_eq!(look(&[]), [] as [&str; 0]);
        assert_eq!(look(&["a"]), ["INV-02 is broken: a"]);
        assert_eq!(look(&["a", "b"]), ["INV-02 is broken: b"]);
        assert_eq!(look(&["b"]), [] as [&str; 0]);
        assert_eq!(look(&[]), ["INV-02 holds again"]);
        assert_eq!(look(&[]), [] as [&str; 0]);
        assert_eq!(look(&["1", "2", "3", "4", "5", "6", "7"]).len(), TOLD);
    }
}
