//! INV-07 and INV-11.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::SERVICES;
use crate::evidence::Evidence;

/// Every event that others must hear of has its row in the outbox; every row is a message of the broker; and the broker
/// has no message that nobody committed, but for those of the second generation, which has no outbox.
pub(super) fn inv_07_outbox(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let told = evidence.pairs(
        "orders",
        "SELECT key, event_type FROM outbox WHERE topic = 'orders.events'",
    )?;
    let happened = evidence.pairs(
        "orders",
        "SELECT aggregate_id, event_type FROM events
         WHERE aggregate_type = 'order' AND event_type IN ('OrderCreated', 'OrderConfirmed', 'OrderCancelled')",
    )?;
    found.extend(differences("orders", &happened, &told));
    let told = evidence.pairs(
        "payments",
        "SELECT key, event_type FROM outbox WHERE topic = 'payments.events'",
    )?;
    let happened = evidence.pairs("payments", "SELECT aggregate_id, event_type FROM events")?;
    found.extend(differences("payments", &happened, &told));
    let mut committed = Vec::new();
    for service in SERVICES {
        if !evidence.has(service, "outbox")? {
            continue;
        }
        committed.extend(evidence.pairs(service, "SELECT topic, id FROM outbox")?);
    }
    committed.sort();
    let published = evidence.pairs(
        "broker",
        "SELECT DISTINCT topic, id FROM messages WHERE only_group IS NULL AND topic NOT LIKE 'order-broker.%'",
    )?;
    found.extend(differences("broker", &committed, &published));
    Ok(found)
}

fn differences(service: &str, committed: &[(String, String)], told: &[(String, String)]) -> Vec<String> {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (committed.iter().collect(), told.iter().collect());
    let lost = one
        .difference(&other)
        .map(|what| format!("{service}: {what:?} is committed and not published"));
    let made_up = other
        .difference(&one)
        .map(|what| format!("{service}: {what:?} is published and not committed"));
    let mut found: Vec<String> = lost.chain(made_up).collect();
    if committed.len() != told.len() {
        found.push(format!(
            "{service}: {} are committed, {} published",
            committed.len(),
            told.len()
        ));
    }
    found
}

/// Each message is done by each group that reads its topic, once; none is left among the dead letters after they were
/// put back.
pub(super) fn inv_11_every_message_is_done(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let left = evidence.number("broker", "SELECT count(*) FROM dead_letters")?;
    if left > 0 {
        found.push(format!("{left} dead letters are left"));
    }
    for (group, service) in GROUPS {
        let sent = format!(
            "SELECT DISTINCT m.topic, m.id FROM messages m JOIN positions p ON p.topic = m.topic AND p.partition = m.partition
             WHERE p.consumer_group = '{group}' AND (m.only_group IS NULL OR m.only_group = '{group}')"
        );
        let sent: BTreeSet<String> = evidence.pairs("broker", &sent)?.into_iter().map(|(_, id)| id).collect();
        let done = format!("SELECT message_id, consumer FROM inbox WHERE consumer = '{group}'");
        let done = evidence.pairs(service, &done)?;
        let once: BTreeSet<String> = done.iter().map(|(id, _)| id.clone()).collect();
        found.extend(sent.difference(&once).map(|id| format!("{group} never did {id}")));
        found.extend(
            once.difference(&sent)
                .map(|id| format!("{group} did {id}, which was never sent")),
        );
    }
    Ok(found)
}

/// Groups whose effects stand in one transaction with the inbox.
const GROUPS: [(&str, &str); 3] = [
    ("notifications", "notifications"),
    ("analytics.daily_sales", "analytics"),
    ("analytics.revenue", "analytics"),
];

/// The part of INV-11 that holds at every moment: what is a dead letter is done for its group.
pub(super) fn dead_letters_are_settled(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let both = evidence.pairs(
        "broker",
        "SELECT l.consumer_group, l.topic || '/' || l.partition || '/' || l.offset FROM dead_letters l
         LEFT JOIN positions p ON p.consumer_group = l.consumer_group AND p.topic = l.topic AND p.partition = l.partition
         LEFT JOIN done d ON d.consumer_group = l.consumer_group AND d.topic = l.topic AND d.partition = l.partition
            AND d.offset = l.offset
         WHERE d.offset IS NULL AND l.offset >= coalesce(p.committed, 0)",
    )?;
    Ok(both
        .iter()
        .map(|(group, place)| format!("{place} is a dead letter of {group} and under way too"))
        .collect())
}

/// Committed positions by group and partition.
pub(super) fn committed(evidence: &Evidence) -> anyhow::Result<BTreeMap<String, i64>> {
    let rows = evidence.rows(
        "broker",
        "SELECT consumer_group || ' ' || topic || '/' || partition, committed FROM positions",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(rows.into_iter().collect())
}

/// Positions beyond what there is.
pub(super) fn beyond_the_head(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let beyond = evidence.pairs(
        "broker",
        "SELECT p.consumer_group, p.topic FROM positions p LEFT JOIN partitions h ON h.topic = p.topic AND h.partition = p.partition
         WHERE p.committed > coalesce(h.next_offset, 0)",
    )?;
    Ok(beyond
        .iter()
        .map(|(group, topic)| format!("{group} is beyond the end of {topic}"))
        .collect())
}
