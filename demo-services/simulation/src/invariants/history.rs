//! INV-08, INV-09 and INV-10.

use std::collections::BTreeMap;

use crate::evidence::Evidence;

/// Services with an event store that is used here.
const STORES: [&str; 2] = ["orders", "payments"];

/// The versions of each aggregate are 1, 2, 3 … without gap or repeat.
pub(super) fn inv_08_versions(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for service in STORES {
        let off = evidence.pairs(
            service,
            "SELECT aggregate_id, group_concat(event_version) FROM events GROUP BY aggregate_id
             HAVING min(event_version) <> 1 OR max(event_version) <> count(*) OR count(DISTINCT event_version) <> count(*)",
        )?;
        found.extend(
            off.iter()
                .map(|(id, versions)| format!("{service}: {id} has the versions {versions}")),
        );
    }
    Ok(found)
}

/// The read models are the fold of the events: compared with an own fold, and with themselves after a rebuild, which
/// tells nobody anything.
pub(super) fn inv_09_read_models(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let happened = evidence.pairs(
        "orders",
        "SELECT aggregate_id, max(CASE event_type WHEN 'OrderCancelled' THEN 'cancelled' WHEN 'OrderConfirmed' THEN 'confirmed'
            ELSE 'created' END) FROM (SELECT aggregate_id, event_type, max(position) FROM events
         WHERE event_type IN ('OrderCreated', 'OrderConfirmed', 'OrderCancelled') GROUP BY aggregate_id) GROUP BY aggregate_id",
    )?;
    for table in ["order_summary", "customer_orders", "statistics_orders"] {
        let shown = evidence.pairs("orders", &format!("SELECT order_id, status FROM {table}"))?;
        if shown != happened {
            found.push(format!(
                "{table} shows {} orders, {} happened, or another state",
                shown.len(),
                happened.len()
            ));
        }
    }
    if evidence.before_rebuild != evidence.after_rebuild {
        let (before, after) = (&evidence.before_rebuild, &evidence.after_rebuild);
        for (table, rows) in before {
            if after.get(table) != Some(rows) {
                found.push(format!(
                    "{table} was {rows:?} and is {:?} after a rebuild",
                    after.get(table)
                ));
            }
        }
    }
    Ok(found)
}

/// Tables that a rebuild makes again, and tables that it must not touch.
const DUMPED: [(&str, &str); 9] = [
    ("orders", "order_summary"),
    ("orders", "customer_orders"),
    ("orders", "statistics_orders"),
    ("orders", "order_statistics"),
    ("orders", "order_texts"),
    ("orders", "outbox"),
    ("orders", "events"),
    ("notifications", "letters"),
    ("analytics", "daily_sales"),
];

/// Every row as text, sorted.
pub(crate) fn dump(evidence: &Evidence) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut tables = BTreeMap::new();
    for (service, table) in DUMPED {
        let mut rows = evidence.rows(service, &format!("SELECT * FROM {table}"), |row| {
            let mut text = String::new();
            for column in 0..row.as_ref().column_count() {
                text.push_str(&format!("{:?}|", row.get_ref(column)?));
            }
            Ok(text)
        })?;
        rows.sort();
        tables.insert(format!("{service}.{table}"), rows);
    }
    Ok(tables)
}

/// Positions of the read models over local events.
pub(super) fn positions(evidence: &Evidence) -> anyhow::Result<BTreeMap<String, i64>> {
    let rows = evidence.rows(
        "orders",
        "SELECT name, position FROM projections WHERE rebuilding = 0",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(rows.into_iter().collect())
}

/// Read models beyond the last event.
pub(super) fn beyond_the_last_event(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let last = evidence.number("orders", "SELECT coalesce(max(position), 0) FROM events")?;
    let positions = positions(evidence)?;
    let beyond = positions.iter().filter(|(_, position)| **position > last);
    Ok(beyond
        .map(|(name, position)| format!("{name} is at {position} of {last} events"))
        .collect())
}
