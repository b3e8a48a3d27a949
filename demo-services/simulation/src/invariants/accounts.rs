//! INV-14.

use crate::evidence::Evidence;

/// At the collector's door: what arrived was stored, refused or sent back, and what was stored is in the rows.
pub(super) fn inv_14_accounting(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let counts = evidence.collector.lock().counts;
    let accounted = counts.stored + counts.rejected + counts.shed;
    let mut found = Vec::new();
    if counts.sent != accounted {
        found.push(format!(
            "{} records were sent, {accounted} are accounted for: {counts:?}",
            counts.sent
        ));
    }
    if counts.rejected > 0 {
        found.push(format!(
            "{} records were refused, and all of them were ours",
            counts.rejected
        ));
    }
    Ok(found)
}
