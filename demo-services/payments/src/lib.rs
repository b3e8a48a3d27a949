//! Demo shop: payments.
