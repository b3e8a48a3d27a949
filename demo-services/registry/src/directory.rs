//! Who is where, until when, and how well. Pure: time comes in as an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// Instances known at once, of all services together.
const MAX_INSTANCES: usize = 512;
/// Failed probes in a row until an instance counts as unwell: one may be bad luck.
const TOLERATED: u32 = 2;

/// How an instance answers to probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Health {
    /// Not asked yet.
    Unknown,
    /// It says that it is ready.
    Healthy,
    /// It says that it is not, or nothing.
    Unhealthy,
}

/// What an instance says that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Version of the service.
    pub(crate) version: String,
    /// On trial beside the others.
    pub(crate) is_canary: bool,
}

/// One process of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    /// Base URL.
    pub(crate) address: String,
    /// Which version.
    pub(crate) kind: Kind,
    /// How it answered last.
    pub(crate) health: Health,
    /// Until when its registration is good, since the directory began.
    pub(crate) until: Duration,
    failures: u32,
}

/// There is no room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry is full")]
pub(crate) struct Full;

/// All instances by service and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    instances: BTreeMap<(String, String), Instance>,
}

impl Directory {
    /// An instance is at this address, and will say so again within `ttl`. Said again, it lives on; at another address
    /// it has to prove itself again.
    pub(crate) fn register(
        &mut self,
        (service, instance): (&str, &str),
        (address, kind): (&str, Kind),
        ttl: Duration,
        now: Duration,
    ) -> Result<(), Full> {
        self.forget_the_silent(now);
        let key = (service.to_owned(), instance.to_owned());
        if self.instances.len() >= MAX_INSTANCES && !self.instances.contains_key(&key) {
            return Err(Full);
        }
        let known = self
            .instances
            .get(&key)
            .filter(|known| known.address == address)
            .map_or((Health::Unknown, 0), |known| (known.health, known.failures));
        let entry = Instance {
            address: address.to_owned(),
            kind,
            health: known.0,
            failures: known.1,
            until: now + ttl,
        };
        self.instances.insert(key, entry);
        Ok(())
    }

    /// An instance leaves; false when it was not there.
    pub(crate) fn leave(&mut self, service: &str, instance: &str) -> bool {
        self.instances
            .remove(&(service.to_owned(), instance.to_owned()))
            .is_some()
    }

    /// Whoever said nothing within its time is gone.
    pub(crate) fn forget_the_silent(&mut self, now: Duration) {
        self.instances.retain(|_, instance| instance.until > now);
    }

    /// How an instance answered a probe of this address; its new health when that changed.
    pub(crate) fn probed(&mut self, service: &str, instance: &str, address: &str, well: bool) -> Option<Health> {
        let known = self.instances.get_mut(&(service.to_owned(), instance.to_owned()))?;
        if known.address != address {
            return None;
        }
        known.failures = if well { 0 } else { known.failures.saturating_add(1) };
        let health = match (well, known.health) {
            (true, _) => Health::Healthy,
            (false, Health::Healthy) if known.failures < TOLERATED => Health::Healthy,
            (false, _) => Health::Unhealthy,
        };
        let changed = known.health != health;
        known.health = health;
        changed.then_some(health)
    }

    /// Every instance, by service and name.
    pub(crate) fn all(&self, now: Duration) -> impl Iterator<Item = (&str, &str, &Instance)> {
        self.instances
            .iter()
            .filter(move |(_, instance)| instance.until > now)
            .map(|((service, name), instance)| (service.as_str(), name.as_str(), instance))
    }

    /// Those of a service that are well.
    pub(crate) fn healthy(&self, service: &str, now: Duration) -> Vec<(&str, &Instance)> {
        self.all(now)
            .filter(|(of, _, instance)| *of == service && instance.health == Health::Healthy)
            .map(|(_, name, instance)| (name, instance))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);
    const START: Duration = Duration::ZERO;

    fn with(instances: &[&str]) -> Directory {
        let mut directory = Directory::default();
        for name in instances {
            let place = (&*format!("http://{name}"), Kind::default());
            directory.register(("payments", name), place, TTL, START).expect("room");
        }
        directory
    }

    fn names(directory: &Directory, now: Duration) -> Vec<&str> {
        let healthy = directory.healthy("payments", now);
        healthy.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn only_those_that_are_well_are_named() {
        let mut directory = with(&["a", "b"]);
        assert_eq!(names(&directory, START), Vec::<&str>::new(), "not asked yet");
        assert_eq!(
            directory.probed("payments", "a", "http://a", true),
            Some(Health::Healthy)
        );
        assert_eq!(
            directory.probed("payments", "b", "http://b", false),
            Some(Health::Unhealthy)
        );
        assert_eq!(names(&directory, START), ["a"]);
        assert!(directory.healthy("orders", START).is_empty());
    }

    #[test]
    fn one_bad_answer_is_bad_luck_and_two_are_not() {
        let mut directory = with(&["a"]);
        directory.probed("payments", "a", "http://a", true);
        assert_eq!(directory.probed("payments", "a", "http://a", false), None);
        assert_eq!(
            directory.probed("payments", "a", "http://a", false),
            Some(Health::Unhealthy)
        );
        assert_eq!(
            directory.probed("payments", "a", "http://a", true),
            Some(Health::Healthy)
        );
    }

    #[test]
    fn the_silent_are_gone_and_heartbeats_keep() {
        let mut directory = with(&["a", "b"]);
        directory.probed("payments", "a", "http://a", true);
        directory.probed("payments", "b", "http://b", true);
        let later = Duration::from_secs(9);
        directory
            .register(("payments", "a"), ("http://a", Kind::default()), TTL, later)
            .expect("room");
        assert_eq!(names(&directory, Duration::from_secs(10)), ["a"], "its health stays");
        assert!(!directory.leave("orders", "a"));
        assert!(directory.leave("payments", "a"));
        assert!(names(&directory, Duration::from_secs(10)).is_empty());
    }

    #[test]
    fn another_address_has_to_prove_itself() {
        let mut directory = with(&["a"]);
        directory.probed("payments", "a", "http://a", true);
        directory
            .register(("payments", "a"), ("http://new", Kind::default()), TTL, START)
            .expect("room");
        assert!(names(&directory, START).is_empty());
        assert_eq!(
            directory.probed("payments", "a", "http://a", true),
            None,
            "an answer of the old address"
        );
        assert!(names(&directory, START).is_empty());
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut directory = Directory::default();
        let mut add = |n: usize, now| {
            let name = format!("i-{n}");
            directory.register(("payments", &name), ("http://a", Kind::default()), TTL, now)
        };
        for n in 0..MAX_INSTANCES {
            add(n, START).expect("room");
        }
        assert_eq!(add(MAX_INSTANCES, START), Err(Full));
        assert_eq!(add(0, START), Ok(()), "whoever is known may stay");
        assert_eq!(add(MAX_INSTANCES, TTL), Ok(()), "the silent make room");
    }
}
