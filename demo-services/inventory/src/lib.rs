//! Demo shop: inventory.
mod confirm;
mod first_filling;
mod release;
mod reservation;
mod reserve;
mod restock;
mod stock;
