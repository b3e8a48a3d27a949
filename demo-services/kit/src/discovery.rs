//! Where the instances of a service are: those that the registry calls well, in turn; where the topology says when the
//! registry is away or knows nobody. The shop starts, and goes on, without it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::service::Service;
use crate::transport::Transport;

/// The service that is asked.
pub const REGISTRY: &str = "registry";
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// What it said is believed for so long while it is away.
const BELIEVED: Duration = Duration::from_secs(15);
/// An address that could not be reached is passed over for so long.
const PASSED_OVER: Duration = Duration::from_secs(3);
/// How often a service says that it is alive, and how long that is good for.
const HEARTBEAT: Duration = Duration::from_secs(3);
const TTL_SECONDS: u64 = 10;
/// Longest the registry may take to answer.
const LIMIT: Duration = Duration::from_secs(1);
/// A service that stops does not wait longer to say so.
const FAREWELL: Duration = Duration::from_millis(200);
/// Longest answer read.
const MAX_ANSWER: usize = 256 * 1024;

/// What a process knows of the others' whereabouts; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Healthy addresses by service, and when they were heard of.
    heard: Option<(BTreeMap<String, Vec<String>>, Instant)>,
    /// Addresses that could not be reached, and when.
    failed: BTreeMap<String, Instant>,
    turn: usize,
}

impl Discovery {
    /// Where to send the next request for `target`; `fixed` is where the topology has it.
    #[must_use]
    pub fn address(&self, target: &str, fixed: &str, now: Instant) -> String {
        let mut known = self.lock();
        known.failed.retain(|_, at| now.duration_since(*at) < PASSED_OVER);
        known.turn = known.turn.wrapping_add(1);
        let healthy: Vec<&String> = known
            .heard
            .iter()
            .filter(|(_, at)| now.duration_since(*at) < BELIEVED)
            .filter_map(|(services, _)| services.get(target))
            .flatten()
            .filter(|address| !known.failed.contains_key(*address))
            .collect();
        match healthy.len() {
            0 => fixed.to_owned(),
            count => healthy[known.turn % count].clone(),
        }
    }

    /// Nobody was reached there: for a while requests go elsewhere, when there is an elsewhere.
    pub fn failed(&self, address: &str, now: Instant) {
        self.lock().failed.insert(address.to_owned(), now);
    }

    /// What the registry said.
    fn heard(&self, services: BTreeMap<String, Vec<String>>, now: Instant) {
        self.lock().heard = Some((services, now));
    }

    /// For tests: as if the registry had said so.
    #[cfg(test)]
    pub(crate) fn heard_of(&self, target: &str, addresses: &[&str], now: Instant) {
        let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
        self.heard([(target.to_owned(), addresses)].into(), now);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the registry again and again.
pub(crate) async fn follow(discovery: Discovery, service: Service) {
    let Some(url) = service.topology.url(REGISTRY) else {
        return;
    };
    let transport = service.transport();
    loop {
        if let Some(services) = ask(&transport, &url).await {
            discovery.heard(services, Instant::now());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Says again and again that this process is there, until it stops; then that it leaves.
pub(crate) async fn announce(service: Service) {
    let topology = service.topology;
    let (Some(registry), Some(address)) = (topology.url(REGISTRY), topology.url(service.name)) else {
        return;
    };
    let path = format!("{registry}/api/v1/registry/{}/{}", service.name, service.instance);
    let body = json!({
        "address": address, "version": env!("CARGO_PKG_VERSION"), "ttl_seconds": TTL_SECONDS,
    });
    let transport = service.transport();
    let mut stopping = std::pin::pin!(service.stopping());
    loop {
        // A registry that is away hears it the next time.
        let _ = send(&transport, Method::PUT, &path, body.to_string(), LIMIT).await;
        tokio::select! {
            () = &mut stopping => break,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
    }
    let _ = send(&transport, Method::DELETE, &path, String::new(), FAREWELL).await;
}

#[derive(Deserialize)]
struct Answer {
    services: BTreeMap<String, Vec<Instance>>,
}

#[derive(Deserialize)]
struct Instance {
    address: String,
    health: String,
}

async fn ask(transport: &Transport, registry: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let path = format!("{registry}/api/v1/registry");
    let body = send(transport, Method::GET, &path, String::new(), LIMIT).await?;
    let answer: Answer = serde_json::from_slice(&body).ok()?;
    let healthy = |instances: Vec<Instance>| {
        let well = instances.into_iter().filter(|instance| instance.health == "healthy");
        well.map(|instance| instance.address).collect()
    };
    let services = answer.services.into_iter();
    Some(services.map(|(name, instances)| (name, healthy(instances))).collect())
}

async fn send(transport: &Transport, method: Method, url: &str, body: String, limit: Duration) -> Option<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(body))
        .ok()?;
    let answer = tokio::time::timeout(limit, transport.exchange(request, MAX_ANSWER)).await;
    let answer = answer.ok()?.ok()?;
    answer.status().is_success().then(|| answer.into_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: &str = "http://fixed";

    fn heard(addresses: &[&str], now: Instant) -> Discovery {
        let discovery = Discovery::default();
        discovery.heard_of("payments", addresses, now);
        discovery
    }

    fn next(discovery: &Discovery, count: usize, now: Instant) -> Vec<String> {
        let mut all: Vec<_> = (0..count).map(|_| discovery.address("payments", FIXED, now)).collect();
        all.sort();
        all
    }

    #[test]
    fn without_a_registry_everything_is_where_the_topology_says() {
        let now = Instant::now();
        assert_eq!(next(&Discovery::default(), 2, now), [FIXED, FIXED]);
        assert_eq!(next(&heard(&[], now), 1, now), [FIXED], "it knows nobody");
        assert_eq!(heard(&["http://a"], now).address("orders", FIXED, now), FIXED);
    }

    #[test]
    fn healthy_instances_take_turns() {
        let now = Instant::now();
        let discovery = heard(&["http://a", "http://b"], now);
        assert_eq!(
            next(&discovery, 4, now),
            ["http://a", "http://a", "http://b", "http://b"]
        );
    }

    #[test]
    fn what_was_heard_is_believed_for_a_while() {
        let now = Instant::now();
        let discovery = heard(&["http://a"], now);
        assert_eq!(next(&discovery, 1, now + BELIEVED / 2), ["http://a"]);
        assert_eq!(next(&discovery, 1, now + BELIEVED), [FIXED]);
    }

    #[test]
    fn who_cannot_be_reached_is_passed_over() {
        let now = Instant::now();
        let discovery = heard(&["http://a", "http://b"], now);
        discovery.failed("http://a", now);
        assert_eq!(next(&discovery, 2, now), ["http://b", "http://b"]);
        discovery.failed("http://b", now);
        assert_eq!(next(&discovery, 1, now), [FIXED], "never worse than without a registry");
        assert_eq!(next(&discovery, 2, now + PASSED_OVER), ["http://a", "http://b"]);
    }
}
