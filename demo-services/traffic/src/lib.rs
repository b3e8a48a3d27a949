//! Demo shop: traffic.
