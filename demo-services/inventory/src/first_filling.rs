//! What stands on the shelves when the shop opens for the first time.

use crate::stock::Shelf;

/// Products of the catalog: `product-1` to `product-24`.
const PRODUCTS: u32 = 24;
/// Pieces of each; popular products are the first ones and get more.
const PIECES: u32 = 400;
const PIECES_OF_POPULAR: u32 = 1_200;
const POPULAR: u32 = 6;

/// One full shelf a product.
pub(crate) fn shelves() -> impl Iterator<Item = Shelf> {
    (1..=PRODUCTS).map(|number| {
        let pieces = if number <= POPULAR { PIECES_OF_POPULAR } else { PIECES };
        Shelf::new(format!("product-{number}"), pieces)
    })
}
