//! The demo's services by name.

/// Every service, in the order of their ports.
pub(crate) use shop_kit::topology::SERVICES as NAMES;

/// Those that can run in a second version beside the first.
pub(crate) const WITH_CANARY: [&str; 1] = ["payments"];

/// Runs one of them in this process until it is told to stop; with a version, as a canary beside its first process.
pub(crate) async fn run(name: String, canary: Option<String>) -> anyhow::Result<()> {
    if canary.is_some() && !WITH_CANARY.contains(&name.as_str()) {
        let known = WITH_CANARY.join(", ");
        return Err(crate::exit::usage(format!(
            "{name} runs in one version only; --version is for {known}"
        )));
    }
    crate::logging::start("warn");
    match name.as_str() {
        "gateway" => shop_gateway::run().await,
        "catalog" => shop_catalog::run().await,
        "inventory" => shop_inventory::run().await,
        "orders" => shop_orders::run().await,
        "payments" => shop_payments::run(canary).await,
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
