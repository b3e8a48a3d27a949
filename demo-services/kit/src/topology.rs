//! Who lives where: every address follows from one port base.

/// The processes of the shop, in port order.
pub const SERVICES: [&str; 16] = [
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
    "users",
    "booking",
    "hotels",
    "cars",
    "registry",
    "cart",
];

/// Distance from the port base to the first service.
const FIRST_SERVICE: u16 = 13;

/// Addresses of the collector and of all services, on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    base: u16,
}

impl Topology {
    /// Everything is counted from `port_base`.
    #[must_use]
    pub const fn new(port_base: u16) -> Self {
        Self { base: port_base }
    }

    /// The base itself.
    #[must_use]
    pub const fn port_base(self) -> u16 {
        self.base
    }

    /// Port of a service; `None` when there is no such service, or no such port.
    #[must_use]
    pub fn port(self, service: &str) -> Option<u16> {
        let place = SERVICES.iter().position(|&name| name == service)?;
        self.base
            .checked_add(FIRST_SERVICE)?
            .checked_add(u16::try_from(place).ok()?)
    }

    /// Port of a second version of a service, beside the first.
    #[must_use]
    pub fn canary_port(self, service: &str) -> Option<u16> {
        self.port(service)?.checked_add(u16::try_from(SERVICES.len()).ok()?)
    }

    /// Base URL of a service, without a slash at the end.
    #[must_use]
    pub fn url(self, service: &str) -> Option<String> {
        self.port(service).map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// OTLP over gRPC.
    #[must_use]
    pub fn otlp_grpc(self) -> String {
        self.loopback(0)
    }

    /// OTLP over HTTP.
    #[must_use]
    pub fn otlp_http(self) -> String {
        self.loopback(1)
    }

    /// API, live stream and control.
    #[must_use]
    pub fn api(self) -> String {
        self.loopback(2)
    }

    fn loopback(self, offset: u16) -> String {
        format!("http://127.0.0.1:{}", self.base.saturating_add(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_first_and_the_others_follow() {
        let topology = Topology::new(4317);
        assert_eq!(topology.url("gateway").as_deref(), Some("http://127.0.0.1:4330"));
        assert_eq!(topology.port("traffic"), Some(4339));
        assert_eq!(topology.port("cars"), Some(4343));
        assert_eq!(
            topology.canary_port("payments"),
            Some(4350),
            "behind the last of the first versions"
        );
        assert_eq!(topology.otlp_http(), "http://127.0.0.1:4318");
        assert_eq!(topology.api(), "http://127.0.0.1:4319");
    }

    #[test]
    fn what_does_not_exist_has_no_address() {
        assert_eq!(Topology::new(4317).port("bakery"), None);
        assert_eq!(Topology::new(65530).port("gateway"), None);
    }
}
