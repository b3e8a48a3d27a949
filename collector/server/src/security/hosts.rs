//! Which names a request may call us by: the defence against DNS rebinding.

use std::collections::HashSet;
use std::net::IpAddr;

use http::{HeaderMap, Uri, header};

/// Exact `host:port` pairs, in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    allowed: HashSet<String>,
}

/// The name is none of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign;

impl Hosts {
    /// Loopback names, the address bound to, and those allowed besides, each with `port` unless it names its own.
    pub(crate) fn new(bind: IpAddr, port: u16, allowed: &[String]) -> Self {
        let mut hosts = HashSet::new();
        for name in ["localhost", "127.0.0.1", "[::1]"] {
            hosts.insert(format!("{name}:{port}"));
        }
        if !bind.is_unspecified() {
            hosts.insert(match bind {
                IpAddr::V4(address) => format!("{address}:{port}"),
                IpAddr::V6(address) => format!("[{address}]:{port}"),
            });
        }
        for name in allowed {
            let name = name.trim().to_ascii_lowercase();
            let has_port = name.rsplit_once(':').is_some_and(|(host, port)| {
                port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
            });
            hosts.insert(if has_port { name } else { format!("{name}:{port}") });
        }
        Self { allowed: hosts }
    }

    /// The `Host` header, which must be there once, and the authority of an absolute request target, must be ours.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let mut named = headers.get_all(header::HOST).iter();
        let host = named.next().map(|value| value.to_str().unwrap_or_default());
        if named.next().is_some() || (authority.is_none() && host.is_none()) {
            return Err(Foreign);
        }
        let ours = |name: &str| self.allowed.contains(&name.to_ascii_lowercase());
        let all_ours = [authority, host].into_iter().flatten().all(ours);
        if all_ours { Ok(()) } else { Err(Foreign) }
    }
}
