//! Demo shop: broker.
