//! INV-05.

use std::collections::BTreeMap;

use crate::evidence::Evidence;

/// Queries that list what was done more than once.
const DONE_TWICE: [(&str, &str); 5] = [
    (
        "payments",
        "SELECT order_id || ' ' || kind FROM transactions GROUP BY order_id, kind HAVING count(*) > 1",
    ),
    (
        "payments",
        "SELECT aggregate_id || ' ' || event_type FROM events GROUP BY aggregate_id, event_type HAVING count(*) > 1",
    ),
    (
        "inventory",
        "SELECT reservation_id || ' ' || product_id || ' ' || kind FROM movements WHERE reservation_id IS NOT NULL
         GROUP BY reservation_id, product_id, kind HAVING count(*) > 1",
    ),
    (
        "notifications",
        "SELECT order_id || ' ' || state FROM letters GROUP BY order_id, state HAVING count(*) > 1",
    ),
    (
        "orders",
        "SELECT aggregate_id || ' ' || event_type FROM events WHERE event_type IN ('OrderCreated', 'OrderConfirmed', 'OrderCancelled')
         GROUP BY aggregate_id, event_type HAVING count(*) > 1",
    ),
];

/// No effect was taken twice, however often it was asked for; each acknowledged command was taken once; and what others
/// count of an order was counted once.
pub(super) fn inv_05_exactly_once(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = done_and_counted_once(evidence)?;
    let mut promised: BTreeMap<&str, usize> = BTreeMap::new();
    for purchase in &evidence.purchases {
        match purchase.id() {
            Some(id) => *promised.entry(id).or_default() += 1,
            None => found.push(format!("{} was not taken: {:?}", purchase.key, purchase.answers)),
        }
    }
    let shared = promised.iter().filter(|(_, purchases)| **purchases > 1);
    found.extend(shared.map(|(id, purchases)| format!("{id} was promised to {purchases} customers")));
    let taken = evidence.all_sagas()?.len() + evidence.transactions()?.len();
    if taken != promised.len() {
        found.push(format!("{} were promised, and {taken} were taken", promised.len()));
    }
    Ok(found)
}

/// The part of it that does not ask what customers were told.
pub(super) fn done_and_counted_once(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for (service, sql) in DONE_TWICE {
        let twice: Vec<String> = evidence.rows(service, sql, |row| row.get(0))?;
        found.extend(twice.iter().map(|what| format!("{service} did it twice: {what}")));
    }
    for (event_type, column) in [
        ("OrderCreated", "created"),
        ("OrderConfirmed", "confirmed"),
        ("OrderCancelled", "cancelled"),
    ] {
        let happened = evidence.number(
            "orders",
            &format!("SELECT count(*) FROM events WHERE event_type = '{event_type}'"),
        )?;
        let counted = evidence.number(
            "analytics",
            &format!("SELECT coalesce(sum({column}), 0) FROM daily_sales"),
        )?;
        if happened != counted {
            found.push(format!(
                "{event_type} happened {happened} times and was counted {counted} times"
            ));
        }
    }
    Ok(found)
}
