//! Demo shop: notifications.
