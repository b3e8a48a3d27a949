//! Where the instances of a service are: those that the registry calls well, in turn; where the topology says when the
//! registry is away or knows nobody. The shop starts, and goes on, without it.
//!
//! Instances on the canary track get the share of requests that the registry's rule for their version says, and nothing
//! without one. Which requests those are follows from what is asked for (an order's id), so that its repeats go the same
//! way; what became of them is told to the registry, which decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::random;
use crate::service::Service;
use crate::transport::Transport;

/// The service that is asked.
pub const REGISTRY: &str = "registry";
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// The same while requests of this process are shared out between versions: a roll-back must not wait.
const ASK_SOON: Duration = Duration::from_millis(500);
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
/// Seed of the places of routes.
const ROUTES: u64 = 0x0063_616e_6172_7921;
/// Longest answer read.
const MAX_ANSWER: usize = 256 * 1024;

/// What a process knows of the others' whereabouts; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// What the registry said, and when.
    heard: Option<(Heard, Instant)>,
    /// Addresses that could not be reached, and when.
    failed: BTreeMap<String, Instant>,
    /// What became of requests to services with a canary, not told yet.
    outcomes: BTreeMap<String, Outcomes>,
    turn: usize,
}

/// Instances that are well, and canary rules, by service.
#[derive(Debug, Default)]
struct Heard {
    services: BTreeMap<String, Vec<Instance>>,
    canaries: BTreeMap<String, Canary>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Base URL.
    pub address: String,
    /// The version, when it is a canary.
    pub canary: Option<String>,
    /// The canary that its outcome is compared with, or counts for.
    rule: Option<String>,
}

/// Requests to one service since the registry was told last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Outcomes {
    /// The canary's version at the time.
    version: String,
    stable: Tally,
    canary: Tally,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Tally {
    calls: u64,
    errors: u64,
}

impl Discovery {
    /// Where to send the next request for `target`; `fixed` is where the topology has it. All requests under one `route`
    /// go to the same version while the canary's share does not shrink.
    #[must_use]
    pub fn place(&self, target: &str, fixed: &str, route: &str, now: Instant) -> Place {
        let mut known = self.lock();
        known.failed.retain(|_, at| now.duration_since(*at) < PASSED_OVER);
        known.turn = known.turn.wrapping_add(1);
        let heard = known.heard.as_ref();
        let heard = heard
            .filter(|(_, at)| now.duration_since(*at) < BELIEVED)
            .map(|(heard, _)| heard);
        let rule = heard.and_then(|heard| heard.canaries.get(target));
        let wanted = rule.filter(|rule| is_of_share(target, route, known.turn, rule.percent));
        let well = |canary: Option<&str>| -> Vec<&String> {
            let all = heard.and_then(|heard| heard.services.get(target)).into_iter().flatten();
            all.filter(|instance| instance.is_of(canary))
                .map(|instance| &instance.address)
                .filter(|address| !known.failed.contains_key(*address))
                .collect()
        };
        let new = wanted.map(|rule| well(Some(&rule.version))).unwrap_or_default();
        // A canary that is not there to answer gets nothing: the others know the same data.
        let (addresses, canary) = match (wanted, new.is_empty()) {
            (Some(rule), false) => (new, Some(rule.version.clone())),
            _ => (well(None), None),
        };
        let address = match addresses.len() {
            0 => fixed.to_owned(),
            count => addresses[known.turn % count].clone(),
        };
        Place {
            address,
            canary,
            rule: rule.map(|rule| rule.version.clone()),
        }
    }

    /// Nobody was reached there: for a while requests go elsewhere, when there is an elsewhere.
    pub fn failed(&self, address: &str, now: Instant) {
        self.lock().failed.insert(address.to_owned(), now);
    }

    /// What became of a request; counted while the service has a canary.
    pub fn came_of(&self, target: &str, place: &Place, failed: bool) {
        let Some(version) = &place.rule else { return };
        let mut known = self.lock();
        let outcomes = known.outcomes.entry(target.to_owned()).or_default();
        if outcomes.version != *version {
            *outcomes = Outcomes {
                version: version.clone(),
                ..Outcomes::default()
            };
        }
        let tally = match place.canary {
            Some(_) => &mut outcomes.canary,
            None => &mut outcomes.stable,
        };
        tally.calls += 1;
        tally.errors += u64::from(failed);
    }

    fn take_outcomes(&self) -> BTreeMap<String, Outcomes> {
        std::mem::take(&mut self.lock().outcomes)
    }

    /// What the registry said.
    fn heard(&self, heard: Heard, now: Instant) {
        self.lock().heard = Some((heard, now));
    }

    /// For tests: as if the registry had said so.
    #[cfg(test)]
    pub(crate) fn heard_of(&self, target: &str, addresses: &[&str], now: Instant) {
        self.heard_of_canary(target, addresses, None, now);
    }

    /// For tests: the same, with an instance of version 2 and its share.
    #[cfg(test)]
    pub(crate) fn heard_of_canary(&self, target: &str, stable: &[&str], canary: Option<(&str, u8)>, now: Instant) {
        let instance = |address: &str, version: &str, is_canary: bool| Instance {
            address: address.to_owned(),
            version: version.to_owned(),
            health: HEALTHY.to_owned(),
            canary: is_canary,
        };
        let mut instances: Vec<_> = stable.iter().map(|address| instance(address, "1", false)).collect();
        instances.extend(canary.map(|(address, _)| instance(address, "2", true)));
        let version = "2".to_owned();
        let rule = canary.map(|(_, percent)| (target.to_owned(), Canary { version, percent }));
        let heard = Heard {
            services: [(target.to_owned(), instances)].into(),
            canaries: rule.into_iter().collect(),
        };
        self.heard(heard, now);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is this request one of the canary's? A route has its place between 0 and 10,000 for ever, so that those that the
/// canary has stay with it as its share grows. Requests without a route are dealt out by `turn`.
fn is_of_share(target: &str, route: &str, turn: usize, percent: u8) -> bool {
    let place = match route {
        // Another seed than any dice, so that a declined card says nothing about the version.
        "" => random::steady(ROUTES, &format!("{target}/{turn}")),
        route => random::steady(ROUTES, route),
    };
    place % 10_000 < u64::from(percent) * 100
}

/// Asks the registry again and again.
pub(crate) async fn follow(discovery: Discovery, service: Service) {
    let Some(url) = service.topology.url(REGISTRY) else {
        return;
    };
    let transport = service.transport();
    loop {
        let outcomes = discovery.take_outcomes();
        let shares_out = !outcomes.is_empty();
        for (target, outcomes) in outcomes {
            // What a registry that is away does not hear is no part of its judgement.
            let path = format!("{url}/api/v1/canaries/{target}/outcomes");
            let body = json!(outcomes).to_string();
            let _ = send(&transport, Method::POST, &path, body, LIMIT).await;
        }
        if let Some(heard) = ask(&transport, &url).await {
            discovery.heard(heard, Instant::now());
        }
        tokio::time::sleep(if shares_out { ASK_SOON } else { ASK_EVERY }).await;
    }
}

/// Says again and again that this process is there, until it stops; then that it leaves.
pub(crate) async fn announce(service: Service) {
    let (Some(registry), Some(address)) = (service.topology.url(REGISTRY), service.address()) else {
        return;
    };
    let path = format!("{registry}/api/v1/registry/{}/{}", service.name, service.instance);
    let body = json!({
        "address": address,
        "version": service.version(),
        "canary": service.is_canary(),
        "ttl_seconds": TTL_SECONDS,
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
    #[serde(default)]
    canaries: BTreeMap<String, Canary>,
}

const HEALTHY: &str = "healthy";

#[derive(Debug, Deserialize)]
struct Instance {
    address: String,
    #[serde(default)]
    version: String,
    health: String,
    #[serde(default)]
    canary: bool,
}

impl Instance {
    /// One of the canary of this version, or one that is none.
    fn is_of(&self, canary: Option<&str>) -> bool {
        canary.map_or(!self.canary, |version| self.canary && self.version == version)
    }
}

/// The share that a version gets now.
#[derive(Debug, Deserialize)]
struct Canary {
    version: String,
    percent: u8,
}

async fn ask(transport: &Transport, registry: &str) -> Option<Heard> {
    let path = format!("{registry}/api/v1/registry");
    let body = send(transport, Method::GET, &path, String::new(), LIMIT).await?;
    let Answer { mut services, canaries } = serde_json::from_slice(&body).ok()?;
    for instances in services.values_mut() {
        instances.retain(|instance| instance.health == HEALTHY);
    }
    Some(Heard { services, canaries })
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

    fn place(discovery: &Discovery, route: &str, now: Instant) -> Place {
        discovery.place("payments", FIXED, route, now)
    }

    fn shared_out(percent: u8, now: Instant) -> Discovery {
        let discovery = Discovery::default();
        discovery.heard_of_canary("payments", &["http://old"], Some(("http://new", percent)), now);
        discovery
    }

    /// Which of a thousand orders go to the canary.
    fn of_canary(discovery: &Discovery, now: Instant) -> Vec<usize> {
        (0..1_000)
            .filter(|n| place(discovery, &format!("order-{n}"), now).address == "http://new")
            .collect()
    }

    fn next(discovery: &Discovery, count: usize, now: Instant) -> Vec<String> {
        let mut all: Vec<_> = (0..count).map(|_| place(discovery, "", now).address).collect();
        all.sort();
        all
    }

    #[test]
    fn without_a_registry_everything_is_where_the_topology_says() {
        let now = Instant::now();
        assert_eq!(next(&Discovery::default(), 2, now), [FIXED, FIXED]);
        assert_eq!(next(&heard(&[], now), 1, now), [FIXED], "it knows nobody");
        let other = heard(&["http://a"], now).place("orders", FIXED, "", now);
        assert_eq!((other.address.as_str(), other.canary), (FIXED, None));
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

    #[test]
    fn a_canary_gets_its_share_of_orders_and_always_the_same_ones() {
        let now = Instant::now();
        assert_eq!(of_canary(&shared_out(0, now), now), Vec::<usize>::new());
        assert_eq!(of_canary(&shared_out(100, now), now).len(), 1_000);
        let (ten, half) = (
            of_canary(&shared_out(10, now), now),
            of_canary(&shared_out(50, now), now),
        );
        assert!((70..=130).contains(&ten.len()), "{}", ten.len());
        assert_eq!(of_canary(&shared_out(10, now), now), ten, "repeats go the same way");
        assert!(ten.iter().all(|n| half.contains(n)), "as its share grows they stay");
    }

    #[test]
    fn a_version_without_a_rule_gets_nothing_and_one_that_is_not_well_neither() {
        let now = Instant::now();
        let discovery = shared_out(100, now);
        discovery.failed("http://new", now);
        let place = place(&discovery, "order-1", now);
        assert_eq!((place.address.as_str(), place.canary), ("http://old", None));
        discovery.heard_of_canary("payments", &["http://old"], Some(("http://new", 0)), now);
        assert_eq!(next(&discovery, 1, now), ["http://old"]);
        assert_eq!(
            next(&shared_out(100, now), 1, now + BELIEVED),
            [FIXED],
            "a rule of long ago"
        );
    }

    #[test]
    fn what_became_of_requests_is_told_by_version_once() {
        let now = Instant::now();
        let discovery = shared_out(100, now);
        let (new, old) = (place(&discovery, "order-1", now), {
            discovery.heard_of_canary("payments", &["http://old"], Some(("http://new", 0)), now);
            place(&discovery, "order-1", now)
        });
        for (place, failed) in [(&new, true), (&new, false), (&old, false)] {
            discovery.came_of("payments", place, failed);
        }
        let outcomes = Outcomes {
            version: "2".into(),
            stable: Tally { calls: 1, errors: 0 },
            canary: Tally { calls: 2, errors: 1 },
        };
        assert_eq!(discovery.take_outcomes(), [("payments".to_owned(), outcomes)].into());
        assert!(discovery.take_outcomes().is_empty());
        let without = heard(&["http://a"], now);
        without.came_of("payments", &place(&without, "", now), true);
        assert!(without.take_outcomes().is_empty());
    }
}
