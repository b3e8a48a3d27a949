//! Put pieces of a product into a cart.

use crate::cart::{Cart, MAX_LINES, MAX_QUANTITY, Refusal};

/// The cart with them.
pub(crate) fn add_item(mut cart: Cart, product_id: &str, quantity: u32) -> Result<Cart, Refusal> {
    if cart.lines.len() >= MAX_LINES && !cart.lines.contains_key(product_id) {
        return Err(Refusal::TooManyLines);
    }
    let pieces = cart.lines.entry(product_id.to_owned()).or_default();
    *pieces = pieces.saturating_add(quantity);
    if *pieces > MAX_QUANTITY {
        return Err(Refusal::TooManyPieces);
    }
    Ok(cart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding() {
        let cart = add_item(Cart::default(), "mug", 2).expect("room");
        let cart = add_item(cart, "mug", 98).expect("room");
        assert_eq!(cart.lines, [("mug".to_owned(), 100)].into());
        assert_eq!(add_item(cart.clone(), "mug", 1), Err(Refusal::TooManyPieces));
        assert_eq!(add_item(cart.clone(), "mug", u32::MAX), Err(Refusal::TooManyPieces));
        let full = (1..MAX_LINES).fold(cart, |cart, n| add_item(cart, &format!("p-{n}"), 1).expect("room"));
        assert_eq!(add_item(full.clone(), "pen", 1), Err(Refusal::TooManyLines));
        assert!(add_item(full, "p-1", 1).is_ok());
    }
}
