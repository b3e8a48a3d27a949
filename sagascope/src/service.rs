//! The demo's services by name.

/// Every service, in the order of their ports.
pub(crate) const NAMES: [&str; 10] = [
    "gateway",
    "catalog",
    "inventory",
    "orders",
    "payments",
    "shipping",
    "notifications",
    "analytics",
    "broker",
    "traffic",
];

/// Runs one of them in this process until it is told to stop.
pub(crate) async fn run(name: String) -> anyhow::Result<()> {
    crate::logging::start("warn");
    anyhow::bail!("{name} is not part of this build")
}
