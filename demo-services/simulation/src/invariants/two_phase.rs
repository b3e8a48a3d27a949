//! Two-phase commit: all or nothing, at every moment.
//!
//! All databases are looked at between two steps of the one thread, so this is one moment for all of them.

use std::collections::BTreeMap;

use crate::evidence::Evidence;

/// What a participant has for a transaction, with the words in its database.
const PARTICIPANTS: [(&str, &str, Words); 3] = [
    ("hotels", "SELECT reservation_id, state FROM reservations", WORDS),
    ("cars", "SELECT reservation_id, state FROM reservations", WORDS),
    (
        "payments",
        "SELECT order_id, 'held' FROM holds UNION ALL
         SELECT aggregate_id, event_type FROM (SELECT aggregate_id, event_type, max(event_version) FROM events GROUP BY aggregate_id)",
        Words {
            locked: "held",
            done: "PaymentCaptured",
            undone: ["PaymentRefunded", "PaymentVoided"],
        },
    ),
];
const WORDS: Words = Words {
    locked: "prepared",
    done: "confirmed",
    undone: ["released", "released"],
};

#[derive(Clone, Copy)]
struct Words {
    /// It has voted yes, and waits.
    locked: &'static str,
    /// It has committed.
    done: &'static str,
    /// It has aborted.
    undone: [&'static str; 2],
}

/// Nobody has committed before the decision, or but for a commit; nobody who said yes has given up before, or but for an
/// abort; and whoever waits for the decision knows that it does.
pub(crate) fn all_or_nothing(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let transactions = evidence.transactions()?;
    let mut found = Vec::new();
    if transactions.is_empty() {
        return Ok(found);
    }
    for (service, sql, words) in PARTICIPANTS {
        let states: BTreeMap<String, String> = evidence.pairs(service, sql)?.into_iter().collect();
        let doubts = evidence.rows(service, "SELECT id FROM in_doubt", |row| row.get::<_, String>(0))?;
        for transaction in &transactions {
            let (id, decision) = (&transaction.id, transaction.decision.as_deref());
            let state = states.get(id).map(String::as_str);
            let has = |word| state == Some(word);
            let breaks = match decision {
                Some("commit") => words.undone.into_iter().any(has),
                Some(_) => has(words.done),
                None => has(words.done) || words.undone.into_iter().any(has),
            };
            if breaks {
                found.push(format!("{service} has {state:?} for {id}, which is {decision:?}"));
            }
            if has(words.locked) != doubts.contains(id) {
                found.push(format!(
                    "{service} has {state:?} for {id}, and among its doubts it is: {}",
                    doubts.contains(id)
                ));
            }
        }
    }
    Ok(found)
}
