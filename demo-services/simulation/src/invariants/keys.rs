//! INV-06.

use crate::evidence::Evidence;

/// The same key with the same body has the same answer, however often it is asked; with another body it is refused.
pub(super) fn inv_06_idempotency_keys(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for purchase in &evidence.purchases {
        let differs = |pair: &[(u16, serde_json::Value)]| pair[0] != pair[1];
        if purchase.answers.windows(2).any(differs) {
            found.push(format!(
                "{} was answered differently: {:?}",
                purchase.key, purchase.answers
            ));
        }
        let refused = |status: &u16| matches!(status, 409 | 422);
        if !purchase.answers_to_another.iter().all(refused) {
            let answers = &purchase.answers_to_another;
            found.push(format!("{} was taken for another order: {answers:?}", purchase.key));
        }
    }
    Ok(found)
}
