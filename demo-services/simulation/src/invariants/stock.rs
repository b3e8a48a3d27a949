//! INV-02.

use std::collections::BTreeMap;

use sagascope_conventions::SagaState;

use crate::evidence::Evidence;

struct Shelf {
    product: String,
    all: i64,
    on_hand: i64,
    reserved: i64,
    sold: i64,
}

/// Every piece is on hand, reserved or sold, and none of these is negative. When all is over nothing is reserved, and
/// exactly the pieces of the completed orders are sold.
pub(super) fn inv_02_stock(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let mut found = pieces_are_somewhere(evidence)?;
    let mut due: BTreeMap<String, i64> = BTreeMap::new();
    for saga in evidence
        .sagas()?
        .iter()
        .filter(|saga| saga.state == SagaState::Completed)
    {
        for item in saga.data.input["items"].as_array().into_iter().flatten() {
            let product = item["product_id"].as_str().unwrap_or_default();
            *due.entry(product.to_owned()).or_default() += item["quantity"].as_i64().unwrap_or(0);
        }
    }
    for Shelf {
        product,
        reserved,
        sold,
        ..
    } in shelves(evidence)?
    {
        let due = due.remove(&product).unwrap_or(0);
        if reserved != 0 {
            let holders = held_for(evidence, &product)?.join(", ");
            found.push(format!("{reserved} of {product} are reserved for nobody: {holders}"));
        }
        if sold != due {
            found.push(format!(
                "{sold} of {product} are sold, and {due} are in completed orders"
            ));
        }
    }
    Ok(found)
}

/// The part of INV-02 that holds at every moment.
pub(crate) fn pieces_are_somewhere(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    let is_off = |shelf: &Shelf| {
        shelf.on_hand + shelf.reserved + shelf.sold != shelf.all
            || shelf.on_hand.min(shelf.reserved).min(shelf.sold) < 0
    };
    let tell = |shelf: Shelf| {
        let Shelf {
            product,
            all,
            on_hand,
            reserved,
            sold,
        } = shelf;
        format!("{product}: {on_hand} on hand, {reserved} reserved and {sold} sold are not {all}")
    };
    Ok(shelves(evidence)?.into_iter().filter(is_off).map(tell).collect())
}

/// Reservations that hold pieces of a product.
fn held_for(evidence: &Evidence, product: &str) -> anyhow::Result<Vec<String>> {
    let held = evidence.pairs(
        "inventory",
        "SELECT reservation_id, lines FROM reservations WHERE state = 'reserved'",
    )?;
    let of_product = held.into_iter().filter(|(_, lines)| lines.contains(product));
    Ok(of_product.map(|(id, _)| id).collect())
}

fn shelves(evidence: &Evidence) -> anyhow::Result<Vec<Shelf>> {
    evidence.rows(
        "inventory",
        "SELECT product_id, initial + restocked, on_hand, reserved, sold FROM shelves",
        |row| {
            Ok(Shelf {
                product: row.get(0)?,
                all: row.get(1)?,
                on_hand: row.get(2)?,
                reserved: row.get(3)?,
                sold: row.get(4)?,
            })
        },
    )
}
