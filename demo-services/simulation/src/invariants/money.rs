//! INV-01.

use std::collections::BTreeMap;

use sagascope_conventions::SagaState;

use crate::evidence::Evidence;

/// For each order and booking, captured − refunded is its total when it is completed and nothing otherwise; the sum over all accounts
/// is zero, in entries and in balances.
pub(super) fn inv_01_money(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let booked = evidence.rows(
        "payments",
        "SELECT order_id, sum(iif(kind = 'CHARGE', amount_minor, -amount_minor)) FROM transactions GROUP BY order_id",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut kept: BTreeMap<String, i64> = booked.into_iter().collect();
    for saga in evidence.sagas()? {
        let kept = kept.remove(&saga.id).unwrap_or(0);
        let due = match saga.state {
            SagaState::Completed => total_minor(&saga.data.input),
            _ => 0,
        };
        if kept != due {
            found.push(format!(
                "order {} is {} and paid {kept} of {due}",
                saga.id,
                saga.state.as_str()
            ));
        }
    }
    for booking in evidence.bookings()? {
        let (kept, due) = (kept.remove(&booking.id).unwrap_or(0), booking.total_minor.unwrap_or(0));
        if kept != due {
            found.push(format!(
                "booking {} is {} and paid {kept} of {due}",
                booking.id, booking.status
            ));
        }
    }
    found.extend(
        kept.iter()
            .map(|(id, minor)| format!("{minor} were paid for {id}, which is no order and no booking")),
    );
    found.extend(sums_are_zero(evidence)?);
    Ok(found)
}

/// The part of it that holds at every moment.
pub(super) fn sums_are_zero(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for sum in [
        "SELECT coalesce(sum(balance_minor), 0) FROM accounts",
        "SELECT coalesce(sum(amount_minor), 0) FROM entries",
    ] {
        let sum_minor = evidence.number("payments", sum)?;
        if sum_minor != 0 {
            found.push(format!("{sum} answers {sum_minor}"));
        }
    }
    Ok(found)
}

/// What an order costs, from what its saga started with.
pub(super) fn total_minor(input: &serde_json::Value) -> i64 {
    let items = input["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let price = |item: &serde_json::Value| {
        item["quantity"]
            .as_i64()?
            .checked_mul(item["unit_price_minor"].as_i64()?)
    };
    items.iter().filter_map(price).sum()
}
