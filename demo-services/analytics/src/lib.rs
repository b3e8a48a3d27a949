//! Demo shop: analytics.
