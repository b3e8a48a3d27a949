//! The checks that the services run on themselves in the demo, over the same databases.

use sagascope_conventions::Invariant;
use shop_kit::clock::unix_nanos_now;
use shop_kit::invariants::{Check, Moment};

use crate::cluster::SERVICES;
use crate::evidence::Evidence;

/// The checks of all services; they remember from one look to the next.
pub(super) struct Live {
    checks: Vec<(&'static str, Check)>,
    since: u64,
}

impl Live {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for service in SERVICES {
            all.extend(checks_of(service)?.into_iter().map(|check| (service, check)));
        }
        Ok(Self {
            checks: all,
            since: unix_nanos_now(),
        })
    }

    /// What the checks find that `wanted` picks.
    pub(super) fn look(
        &mut self,
        evidence: &Evidence,
        wanted: impl Fn(Invariant) -> bool,
    ) -> Vec<(&'static str, anyhow::Result<Vec<String>>)> {
        let at = Moment {
            now: unix_nanos_now(),
            since: self.since,
        };
        let wanted = self
            .checks
            .iter_mut()
            .filter(|(service, check)| wanted(check.invariant()) && evidence.runs(service));
        let look = |(service, check): &mut (&'static str, Check)| {
            let db = evidence.db(service)?;
            let found = check.look(&db, at)?;
            Ok(found
                .into_iter()
                .map(|what| format!("{service} itself: {what}"))
                .collect())
        };
        wanted.map(|one| (one.1.invariant().as_str(), look(one))).collect()
    }
}

fn checks_of(service: &str) -> anyhow::Result<Vec<Check>> {
    Ok(match service {
        "booking" => shop_booking::invariants::checks(),
        "broker" => shop_broker::invariants::checks(),
        "cars" => shop_cars::invariants::checks(),
        "hotels" => shop_hotels::invariants::checks(),
        "inventory" => shop_inventory::invariants::checks(),
        "notifications" => shop_notifications::invariants::checks(),
        "orders" => shop_orders::invariants::checks()?,
        "payments" => shop_payments::invariants::checks(),
        _ => Vec::new(),
    })
}
