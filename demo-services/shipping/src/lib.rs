//! Demo shop: shipping.
mod shipment;
