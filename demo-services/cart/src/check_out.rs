//! Order what is in a cart: settle it, then order, then take what was ordered out.

use crate::cart::{Cart, Checkout, Refusal};

/// Settles what is ordered under `id`; a checkout under way goes on as it was.
pub(crate) fn begin(mut cart: Cart, id: &str, flow: Option<String>) -> Result<(Cart, Checkout), Refusal> {
    if let Some(under_way) = cart.checkout.clone() {
        return Ok((cart, under_way));
    }
    if cart.lines.is_empty() {
        return Err(Refusal::Empty);
    }
    let checkout = Checkout {
        id: id.to_owned(),
        lines: cart.lines.clone(),
        flow,
    };
    cart.checkout = Some(checkout.clone());
    Ok((cart, checkout))
}

/// The order was accepted: what it holds leaves the cart, and what was added meanwhile stays.
pub(crate) fn accepted(mut cart: Cart, id: &str) -> Cart {
    let Some(checkout) = cart.checkout.take_if(|checkout| checkout.id == id) else {
        return cart;
    };
    for (product_id, ordered) in checkout.lines {
        if let Some(pieces) = cart.lines.remove(&product_id)
            && pieces > ordered
        {
            cart.lines.insert(product_id, pieces - ordered);
        }
    }
    cart
}

/// The order was refused: the cart is as it was, to be changed.
pub(crate) fn refused(mut cart: Cart, id: &str) -> Cart {
    cart.checkout.take_if(|checkout| checkout.id == id);
    cart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add_item::add_item;

    fn filled() -> Cart {
        add_item(Cart::default(), "mug", 2).expect("room")
    }

    #[test]
    fn an_empty_cart_cannot_be_ordered() {
        assert_eq!(begin(Cart::default(), "c-1", None), Err(Refusal::Empty));
    }

    #[test]
    fn a_repeat_orders_what_was_settled_first() {
        let (cart, first) = begin(filled(), "c-1", None).expect("filled");
        let cart = add_item(cart, "pen", 1).expect("room");
        let (_, again) = begin(cart, "c-2", Some("order".into())).expect("under way");
        assert_eq!(first, again);
    }

    #[test]
    fn what_was_ordered_leaves_and_what_came_meanwhile_stays() {
        let (cart, _) = begin(filled(), "c-1", None).expect("filled");
        let cart = add_item(add_item(cart, "mug", 1).expect("room"), "pen", 1).expect("room");
        let cart = accepted(cart, "c-1");
        assert_eq!(cart.lines, [("mug".to_owned(), 1), ("pen".to_owned(), 1)].into());
        assert_eq!(accepted(cart.clone(), "c-1"), cart, "once");
    }

    #[test]
    fn a_refused_order_leaves_the_cart() {
        let (cart, _) = begin(filled(), "c-1", None).expect("filled");
        assert_eq!(refused(cart.clone(), "c-0"), cart, "of another checkout");
        assert_eq!(refused(cart, "c-1"), filled());
    }
}
