//! Demo shop: catalog.
