//! Demo shop: orders.
