//! Demo shop: orders.
mod add_item;
mod cancel_order;
mod confirm_order;
mod create_order;
mod order;
mod place_order;
