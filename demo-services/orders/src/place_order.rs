//! The command that starts it all: what a client may ask for, checked before anything happens.

use std::collections::BTreeMap;

use sagascope_conventions::OrderFlow;
use serde::{Deserialize, Serialize};
use shop_kit::{problem::Problem, request::check_id};

/// Most lines of one order.
pub(crate) const MAX_LINES: usize = 20;
/// Most pieces of one line.
pub(crate) const MAX_QUANTITY: u32 = 100;

/// Body of `POST /api/v1/orders`. Prices are not the client's to choose: they come from the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceOrder {
    /// Who orders.
    pub(crate) customer_id: String,
    /// What.
    pub(crate) items: Vec<Line>,
    /// In which way it is carried out.
    #[serde(default)]
    pub(crate) flow: OrderFlow,
}

/// One line of the wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// Which product of the catalog.
    pub(crate) product_id: String,
    /// How many.
    pub(crate) quantity: u32,
}

impl PlaceOrder {
    /// Checks every limit, and joins lines of the same product so that each product is reserved once.
    pub(crate) fn checked(self) -> Result<Self, Problem> {
        check_id("customer_id", &self.customer_id)?;
        if self.items.is_empty() || self.items.len() > MAX_LINES {
            return Err(Problem::bad_field("items", format!("give 1 to {MAX_LINES} items")));
        }
        let mut joined: BTreeMap<String, u32> = BTreeMap::new();
        for (index, line) in self.items.into_iter().enumerate() {
            check_id(&format!("items[{index}].product_id"), &line.product_id)?;
            let quantity = joined.entry(line.product_id).or_default();
            *quantity = quantity.saturating_add(line.quantity);
            if line.quantity == 0 || *quantity > MAX_QUANTITY {
                let detail = format!("give 1 to {MAX_QUANTITY} pieces of a product");
                return Err(Problem::bad_field(&format!("items[{index}].quantity"), detail));
            }
        }
        let items = joined
            .into_iter()
            .map(|(product_id, quantity)| Line { product_id, quantity })
            .collect();
        Ok(Self {
            customer_id: self.customer_id,
            items,
            flow: self.flow,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(customer_id: &str, items: &[(&str, u32)]) -> PlaceOrder {
        let line = |&(product_id, quantity): &(&str, u32)| Line {
            product_id: product_id.into(),
            quantity,
        };
        PlaceOrder {
            customer_id: customer_id.into(),
            items: items.iter().map(line).collect(),
            flow: OrderFlow::default(),
        }
    }

    fn refused_field(command: PlaceOrder) -> String {
        command
            .checked()
            .expect_err("should be refused")
            .field
            .expect("names a field")
    }

    #[test]
    fn lines_of_one_product_are_joined() {
        let checked = order("c-1", &[("b", 1), ("a", 2), ("b", 3)]).checked().unwrap();
        assert_eq!(checked, order("c-1", &[("a", 2), ("b", 4)]));
    }

    #[test]
    fn each_wrong_field_is_named() {
        assert_eq!(refused_field(order("", &[("a", 1)])), "customer_id");
        assert_eq!(refused_field(order("c\u{1b}[2J", &[("a", 1)])), "customer_id");
        assert_eq!(refused_field(order(&"c".repeat(65), &[("a", 1)])), "customer_id");
        assert_eq!(refused_field(order("c", &[])), "items");
        assert_eq!(refused_field(order("c", &vec![("a", 1); 21])), "items");
        assert_eq!(
            refused_field(order("c", &[("a", 1), ("b/../c", 1)])),
            "items[1].product_id"
        );
        assert_eq!(refused_field(order("c", &[("a", 0)])), "items[0].quantity");
        assert_eq!(refused_field(order("c", &[("a", 60), ("a", 60)])), "items[1].quantity");
        assert_eq!(
            refused_field(order("c", &[("a", u32::MAX), ("a", u32::MAX)])),
            "items[0].quantity"
        );
    }
}
