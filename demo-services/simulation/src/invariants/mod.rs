//! The promises of the shop, each as a function over what is left when a run is over. Nothing in here is known to the
//! services, but for `live`: what they check themselves is checked here too, and must find nothing either.

mod accounts;
mod effects;
mod generations;
mod history;
mod keys;
mod live;
mod messages;
mod money;
mod picture;
mod sagas;
mod stock;
mod traces;
mod trips;
mod two_phase;

use std::collections::BTreeMap;

use sagascope_conventions::Invariant;

use self::live::Live;
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
    ("INV-02", trips::inv_02_rooms_and_cars),
    ("INV-03", sagas::inv_03_ends),
    ("INV-04", sagas::inv_04_compensations),
    ("INV-05", effects::inv_05_exactly_once),
    ("INV-06", keys::inv_06_idempotency_keys),
    ("INV-07", messages::inv_07_outbox),
    ("INV-08", history::inv_08_versions),
    ("INV-09", history::inv_09_read_models),
    ("INV-10", inv_10_positions_at_rest),
    ("INV-11", messages::inv_11_every_message_is_done),
    ("INV-12", traces::inv_12_traces),
    ("INV-14", accounts::inv_14_accounting),
    ("2PC", two_phase::all_or_nothing),
    ("PICTURE", picture::picture_equals_the_logs),
];

/// Promises about trips alone, in a cluster without orders.
const OF_TRIPS: &[(&str, Check)] = &[
    ("INV-01", money::inv_01_money),
    ("INV-02", trips::inv_02_rooms_and_cars),
    ("INV-03", sagas::inv_03_ends),
    ("2PC", two_phase::all_or_nothing),
    ("PICTURE", picture::picture_equals_the_logs),
];

/// What orders of the two oldest generations keep too.
const OF_THE_OLDEST: &[(&str, Check)] = &[
    ("INV-01", money::sums_are_zero),
    ("INV-01", generations::completed_orders_are_paid_and_sold),
    ("INV-02", stock::pieces_are_somewhere),
    ("INV-05", effects::done_and_counted_once),
    ("INV-07", messages::inv_07_outbox),
    ("INV-08", history::inv_08_versions),
    ("INV-09", history::inv_09_read_models),
    ("INV-10", inv_10_positions_at_rest),
    ("INV-11", messages::inv_11_every_message_is_done),
    ("INV-14", accounts::inv_14_accounting),
    ("PICTURE", generations::the_picture_does_not_lie),
];

/// Looks at what every generation keeps.
pub(crate) fn check_oldest(evidence: &Evidence) -> Vec<Violation> {
    let own = OF_THE_OLDEST.iter();
    judge(own.map(|(invariant, check)| (*invariant, check(evidence))))
}

/// Looks at what concerns trips.
pub(crate) fn check_trips(evidence: &Evidence) -> Vec<Violation> {
    judge(OF_TRIPS.iter().map(|(invariant, check)| (*invariant, check(evidence))))
}

/// Looks at everything.
pub(crate) fn check_all(evidence: &Evidence) -> Vec<Violation> {
    let own = CHECKS.iter().map(|(invariant, check)| (*invariant, check(evidence)));
    let live = Live::new().map_or_else(
        |error| vec![("LIVE", Err(error))],
        |mut live| live.look(evidence, |_| true),
    );
    judge(own.chain(live))
}

fn judge(found: impl Iterator<Item = (&'static str, anyhow::Result<Vec<String>>)>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (invariant, found) in found {
        let found = found.unwrap_or_else(|error| vec![format!("cannot be checked: {error:#}")]);
        violations.extend(found.into_iter().map(|what| Violation { invariant, what }));
    }
    violations
}

pub use generations::Breach;
pub(crate) use generations::{are_whole, breaches};
pub(crate) use history::dump;
pub use traces::Traces;
pub(crate) use traces::traces;
pub use trips::Scene;
pub(crate) use trips::scenes;
pub(crate) use two_phase::all_or_nothing;

/// The part of INV-10 that needs no history: no position is beyond what there is.
fn inv_10_positions_at_rest(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = history::beyond_the_last_event(evidence)?;
    found.extend(messages::beyond_the_head(evidence)?);
    Ok(found)
}

/// Names of all promises that are checked.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(name, _)| *name)
}

/// Looks at what must hold at every moment of a run.
#[derive(Default)]
pub(crate) struct Watch {
    violations: Vec<Violation>,
    /// Positions at the last look.
    positions: BTreeMap<String, i64>,
    live: Option<Live>,
}

impl Watch {
    /// One look; of the same kind only the first is kept.
    pub(crate) fn look(&mut self, evidence: &Evidence) {
        self.keep("INV-02", stock::pieces_are_somewhere(evidence));
        self.keep("INV-02", trips::nothing_is_promised_twice(evidence));
        self.keep("2PC", two_phase::all_or_nothing(evidence));
        self.keep("INV-10", inv_10_positions_at_rest(evidence));
        self.keep("INV-11", messages::dead_letters_are_settled(evidence));
        let found = self.went_back(evidence);
        self.keep("INV-10", found);
        self.look_live(evidence);
    }

    /// What the services find themselves. Folding read models again takes long; that is done at the end.
    fn look_live(&mut self, evidence: &Evidence) {
        if self.live.is_none() {
            self.live = Live::new().ok();
        }
        let is_cheap = |invariant| invariant != Invariant::ReadModels;
        let live = self.live.as_mut().map(|live| live.look(evidence, is_cheap));
        for (invariant, found) in live.into_iter().flatten() {
            self.keep(invariant, found);
        }
    }

    /// INV-10: positions that are behind where they were.
    fn went_back(&mut self, evidence: &Evidence) -> anyhow::Result<Vec<String>> {
        let mut positions = history::positions(evidence)?;
        positions.extend(messages::committed(evidence)?);
        let mut found = Vec::new();
        for (name, before) in std::mem::replace(&mut self.positions, positions) {
            if self.positions.get(&name).is_some_and(|now| *now < before) {
                found.push(format!("{name} went back from {before} to {}", self.positions[&name]));
            }
        }
        Ok(found)
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
