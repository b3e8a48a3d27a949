//! The shelf of one product, and the movements that change it.
//!
//! Every piece is at one place: on hand (on the shelf, promised to nobody), reserved (promised to an order) or sold.
//! A movement takes pieces from one place to another; only a delivery brings new ones in. So at any time
//! `on_hand + reserved + sold = initial + restocked`, and none of them is below zero: nothing is ever oversold.

use serde::{Deserialize, Serialize};

/// Pieces of one product and where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shelf {
    /// Which product.
    pub(crate) product_id: String,
    /// Pieces at the very start.
    pub(crate) initial: u32,
    /// Pieces that deliveries brought since.
    pub(crate) restocked: u32,
    /// Pieces that can be promised.
    pub(crate) on_hand: u32,
    /// Pieces promised to orders under way.
    pub(crate) reserved: u32,
    /// Pieces gone.
    pub(crate) sold: u32,
}

/// What a movement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MovementKind {
    /// On hand → reserved.
    Reserved,
    /// Reserved → on hand.
    Released,
    /// Reserved → sold.
    Sold,
    /// Sold → on hand: the order was undone after its goods were counted as sold.
    Returned,
    /// Supplier → on hand.
    Restocked,
}

impl MovementKind {
    /// The word in the audit trail.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Sold => "sold",
            Self::Returned => "returned",
            Self::Restocked => "restocked",
        }
    }
}

/// `quantity` pieces of a product change place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Movement {
    /// Which product.
    pub(crate) product_id: String,
    /// From where to where.
    pub(crate) kind: MovementKind,
    /// How many.
    pub(crate) quantity: u32,
}

impl Shelf {
    /// A full shelf.
    pub(crate) fn new(product_id: impl Into<String>, initial: u32) -> Self {
        Self {
            product_id: product_id.into(),
            initial,
            restocked: 0,
            on_hand: initial,
            reserved: 0,
            sold: 0,
        }
    }

    /// The shelf after the movement, or `None` when there are not enough pieces where it takes them from.
    pub(crate) fn after(&self, kind: MovementKind, quantity: u32) -> Option<Self> {
        let mut shelf = self.clone();
        let (from, to) = match kind {
            MovementKind::Reserved => (&mut shelf.on_hand, &mut shelf.reserved),
            MovementKind::Released => (&mut shelf.reserved, &mut shelf.on_hand),
            MovementKind::Sold => (&mut shelf.reserved, &mut shelf.sold),
            MovementKind::Returned => (&mut shelf.sold, &mut shelf.on_hand),
            MovementKind::Restocked => {
                shelf.restocked = shelf.restocked.checked_add(quantity)?;
                shelf.on_hand = shelf.on_hand.checked_add(quantity)?;
                return Some(shelf);
            }
        };
        *from = from.checked_sub(quantity)?;
        *to = to.checked_add(quantity)?;
        Some(shelf)
    }

    /// True when every piece is accounted for.
    pub(crate) fn agrees(&self) -> bool {
        let sum = |pieces: &[u32]| pieces.iter().copied().map(u64::from).sum::<u64>();
        sum(&[self.on_hand, self.reserved, self.sold]) == sum(&[self.initial, self.restocked])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MovementKind::{Released, Reserved, Restocked, Returned, Sold};

    #[test]
    fn pieces_move_and_never_vanish() {
        let mut shelf = Shelf::new("product-1", 10);
        for (kind, quantity, on_hand, reserved, sold) in [
            (Reserved, 7, 3, 7, 0),
            (Sold, 4, 3, 3, 4),
            (Released, 3, 6, 0, 4),
            (Returned, 1, 7, 0, 3),
            (Restocked, 5, 12, 0, 3),
        ] {
            shelf = shelf.after(kind, quantity).expect("enough pieces");
            assert_eq!(
                (shelf.on_hand, shelf.reserved, shelf.sold),
                (on_hand, reserved, sold),
                "after {kind:?}"
            );
            assert!(shelf.agrees(), "after {kind:?}");
        }
    }

    #[test]
    fn nothing_is_taken_from_where_it_is_not() {
        let shelf = Shelf::new("product-1", 2);
        assert_eq!(shelf.after(Reserved, 3), None);
        assert_eq!(shelf.after(Released, 1), None);
        assert_eq!(shelf.after(Sold, 1), None);
        assert_eq!(shelf.after(Returned, 1), None);
        assert_eq!(shelf.after(Restocked, u32::MAX), None);
    }
}
