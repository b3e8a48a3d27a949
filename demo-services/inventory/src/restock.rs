//! The restock rule that lets the shop run for days: a shelf that falls to a fifth gets a delivery as large as its
//! first filling. It is decided right after a sale, in the same transaction, and is seen as a `restocked` movement.

use crate::stock::{Movement, MovementKind, Shelf};

/// A delivery comes when `on_hand` is at most this share of `initial`.
const REORDER_SHARE: u32 = 5;

/// The delivery that the shelf needs now, if any.
pub(crate) fn restock(shelf: &Shelf) -> Option<Movement> {
    let low = shelf.on_hand.saturating_mul(REORDER_SHARE) <= shelf.initial;
    (low && shelf.initial > 0).then(|| Movement {
        product_id: shelf.product_id.clone(),
        kind: MovementKind::Restocked,
        quantity: shelf.initial,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(initial: u32, on_hand: u32) -> Option<u32> {
        let shelf = Shelf {
            on_hand,
            ..Shelf::new("a", initial)
        };
        restock(&shelf).map(|movement| movement.quantity)
    }

    #[test]
    fn a_delivery_comes_at_a_fifth() {
        assert_eq!(delivery(100, 21), None);
        assert_eq!(delivery(100, 20), Some(100));
        assert_eq!(delivery(100, 0), Some(100));
        assert_eq!(delivery(0, 0), None);
    }
}
