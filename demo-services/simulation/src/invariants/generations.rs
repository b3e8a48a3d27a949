//! The two oldest generations of an order: what they keep, and what they do not.
//!
//! The first one writes nothing down before its end, the second one loses messages; neither recognises a repeat. So an
//! order of theirs may vanish, stand still or come twice. What they keep: a completed order is paid and sold, and nobody
//! is told that an order has ended otherwise than it has.

use std::collections::{BTreeMap, BTreeSet};

use sagascope_api::Time;
use sagascope_conventions::{OrderFlow, SagaState};
use shop_kit::saga::Instance;

use super::money::total_minor;
use super::picture::differences;
use crate::evidence::Evidence;
use crate::shoppers::WHOLE;

/// A promise of the later generations that the two oldest do not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// An order stands still, or waits for a person, for ever.
    Stranded,
    /// Goods or money moved for an order that nobody knows.
    Vanished,
    /// Money is kept for an order that is not completed, or that nobody knows.
    MoneyKept,
    /// Goods are held, or sold, for such an order.
    GoodsHeld,
    /// One wish became more than one order.
    Doubled,
}

/// Is each of these ways one that keeps all promises?
pub(crate) fn are_whole(flows: &[OrderFlow]) -> bool {
    flows.iter().all(|flow| WHOLE.contains(flow))
}

/// What the two oldest generations have done that the others must not do. Without them: nothing.
pub(crate) fn breaches(evidence: &Evidence) -> anyhow::Result<BTreeMap<Breach, usize>> {
    let sagas = evidence.sagas()?;
    let is_over = |saga: &&Instance| matches!(saga.state, SagaState::Completed | SagaState::Compensated);
    let known: BTreeSet<&str> = sagas.iter().map(|saga| saga.id.as_str()).collect();
    let completed = sagas.iter().filter(|saga| saga.state == SagaState::Completed);
    let completed: BTreeSet<&str> = completed.map(|saga| saga.id.as_str()).collect();
    let bookings = evidence.bookings()?;
    let trips: BTreeSet<&str> = bookings.iter().map(|booking| booking.id.as_str()).collect();
    let is_of_no_trip = |id: &&String| !trips.contains(id.as_str());
    let (paid, goods) = (paid(evidence)?, goods(evidence)?);
    let moved: BTreeSet<&String> = paid.keys().chain(goods.keys()).filter(is_of_no_trip).collect();
    let kept = paid.iter().filter(|(id, minor)| **minor != 0 && is_of_no_trip(id));
    let held = goods.iter().filter(|(_, state)| *state != "released");
    let is_doubled = |ids: BTreeSet<&str>| ids.len() > 1;
    let wishes = evidence.purchases.iter();
    let counts = [
        (Breach::Stranded, sagas.len() - sagas.iter().filter(is_over).count()),
        (
            Breach::Vanished,
            moved.iter().filter(|id| !known.contains(id.as_str())).count(),
        ),
        (
            Breach::MoneyKept,
            kept.filter(|(id, _)| !completed.contains(id.as_str())).count(),
        ),
        (
            Breach::GoodsHeld,
            held.filter(|(id, _)| !completed.contains(id.as_str())).count(),
        ),
        (
            Breach::Doubled,
            wishes.filter(|wish| is_doubled(wish.ids().collect())).count(),
        ),
    ];
    Ok(counts.into_iter().filter(|(_, count)| *count > 0).collect())
}

/// A completed order is paid, and its goods are sold.
pub(super) fn completed_orders_are_paid_and_sold(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let (paid, goods) = (paid(evidence)?, goods(evidence)?);
    let mut found = Vec::new();
    let sagas = evidence.sagas()?;
    for saga in sagas.iter().filter(|saga| saga.state == SagaState::Completed) {
        let (id, due) = (&saga.id, total_minor(&saga.data.input));
        let (kept, state) = (paid.get(id).copied().unwrap_or(0), goods.get(id).map(String::as_str));
        if kept != due || state != Some("confirmed") {
            found.push(format!(
                "order {id} is completed, paid {kept} of {due}, and its goods are {state:?}"
            ));
        }
    }
    Ok(found)
}

/// An order that the collector shows as ended has ended so. What the second generation tells is told in the transaction
/// that does it; the first one tells from memory, and may die before it has told all.
pub(super) fn the_picture_does_not_lie(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let picture = &evidence.collector.lock().picture;
    let mut found = Vec::new();
    let sagas: BTreeMap<_, _> = evidence
        .sagas()?
        .into_iter()
        .map(|saga| (saga.id.clone(), saga))
        .collect();
    for saga in sagas.values().filter(|saga| saga.name != OrderFlow::Sync.saga_name()) {
        match picture.saga(&saga.id, Some(&saga.name), Time(0)) {
            Some(shown) => found.extend(differences(saga, &shown)),
            None => found.push(format!("saga {} is not shown", saga.id)),
        }
    }
    for shown in picture.sagas(|saga| saga.name == OrderFlow::Sync.saga_name() && saga.state.is_final()) {
        let stored = sagas.get(&shown.id).map(|saga| saga.state);
        if stored != Some(shown.state) {
            found.push(format!(
                "order {} is shown as {} and is {stored:?}",
                shown.id,
                shown.state.as_str()
            ));
        }
    }
    Ok(found)
}

/// What each order was charged and not given back.
fn paid(evidence: &Evidence) -> anyhow::Result<BTreeMap<String, i64>> {
    let rows = evidence.rows(
        "payments",
        "SELECT order_id, sum(iif(kind = 'CHARGE', amount_minor, -amount_minor)) FROM transactions GROUP BY order_id",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(rows.into_iter().collect())
}

/// How the goods of each order stand.
fn goods(evidence: &Evidence) -> anyhow::Result<BTreeMap<String, String>> {
    let rows = evidence.pairs("inventory", "SELECT reservation_id, state FROM reservations")?;
    Ok(rows.into_iter().collect())
}
