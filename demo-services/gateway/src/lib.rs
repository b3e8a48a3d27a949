//! Demo shop: gateway.
