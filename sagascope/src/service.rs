//! The demo's services by name.

/// Every service, in the order of their ports.
pub(crate) use shop_kit::topology::SERVICES as NAMES;

/// Runs one of them in this process until it is told to stop.
pub(crate) async fn run(name: String) -> anyhow::Result<()> {
    crate::logging::start("warn");
    match name.as_str() {
        "gateway" => shop_gateway::run().await,
        "catalog" => shop_catalog::run().await,
        "inventory" => shop_inventory::run().await,
        "orders" => shop_orders::run().await,
        "payments" => shop_payments::run().await,
        "shipping" => shop_shipping::run().await,
        "notifications" => shop_notifications::run().await,
        "analytics" => shop_analytics::run().await,
        "broker" => shop_broker::run().await,
        "traffic" => shop_traffic::run().await,
        "users" => shop_users::run().await,
        "booking" => shop_booking::run().await,
        "hotels" => shop_hotels::run().await,
        "cars" => shop_cars::run().await,
        "registry" => shop_registry::run().await,
        "cart" => shop_cart::run().await,
        _ => Err(crate::exit::usage(format!("there is no service {name}"))),
    }
}
