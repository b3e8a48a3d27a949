//! Take a product out of a cart.

use crate::cart::{Cart, Refusal};

/// The cart without it.
pub(crate) fn remove_item(mut cart: Cart, product_id: &str) -> Result<Cart, Refusal> {
    match cart.lines.remove(product_id) {
        Some(_) => Ok(cart),
        None => Err(Refusal::NotInIt(product_id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add_item::add_item;

    #[test]
    fn removing() {
        let cart = add_item(Cart::default(), "mug", 2).expect("room");
        assert_eq!(remove_item(cart.clone(), "mug"), Ok(Cart::default()));
        assert_eq!(remove_item(cart, "pen"), Err(Refusal::NotInIt("pen".into())));
    }
}
