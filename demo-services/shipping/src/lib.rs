//! Demo shop: shipping.
