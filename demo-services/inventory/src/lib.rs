//! Demo shop: inventory.
