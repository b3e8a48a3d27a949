//! What can be injected where: the catalogue of the services connected now, and the check of a request against it.

use std::collections::{BTreeMap, BTreeSet};

use sagascope_api::faults::{FaultKindOption, FaultRequest, FaultTargetOption};
use sagascope_conventions::fault::FaultCapability;
use sagascope_conventions::{FaultKind, FaultTarget};

use super::board::{Board, Instance};
use super::kinds;
use crate::problem::Refusal;

/// Faults in force at a time.
pub(super) const ACTIVE: usize = 100;
/// Longest fault.
const DURATION_MAX_SECONDS: u64 = 3_600;

impl Board {
    /// What can be injected where, now.
    pub(crate) fn catalogue(&self) -> Vec<FaultTargetOption> {
        self.service_names()
            .into_iter()
            .map(|service| self.option(service))
            .collect()
    }

    /// Names the first field that cannot be honoured.
    pub(super) fn check(&self, request: &FaultRequest) -> Result<(), Refusal> {
        let FaultTarget {
            service,
            operation,
            instance,
        } = &request.target;
        let offers: Vec<&FaultCapability> = self.offers(service, instance.as_deref());
        if !self.connected.iter().any(|known| known.service == *service) {
            let known = self.service_names().join(", ");
            let detail = if known.is_empty() {
                "No service is connected that can take faults.".into()
            } else {
                format!("No such service is connected; there are: {known}.")
            };
            return Err(Refusal::field("unknown_service", "target.service", detail));
        }
        if let Some(instance) = instance
            && !self
                .connected
                .iter()
                .any(|known| known.service == *service && known.instance == *instance)
        {
            let detail = format!("{service} has no such instance connected.");
            return Err(Refusal::field("unknown_instance", "target.instance", detail));
        }
        let of_kind: Vec<_> = offers.iter().filter(|offer| offer.kind == request.kind).collect();
        if of_kind.is_empty() {
            let kinds: BTreeSet<&str> = offers.iter().map(|offer| offer.kind.as_str()).collect();
            let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Refusal::field(
                "unsupported_kind",
                "kind",
                format!("{service} can honour: {kinds}."),
            ));
        }
        if let Some(operation) = operation
            && !of_kind.iter().any(|offer| offer.operations.contains(operation))
        {
            let detail = format!("{} on {service} cannot be narrowed to that operation.", request.kind);
            return Err(Refusal::field("unknown_operation", "target.operation", detail));
        }
        kinds::check(request.kind, &request.strength)
            .map_err(|(field, detail)| Refusal::field("invalid_strength", &format!("strength.{field}"), detail))?;
        if !(1..=DURATION_MAX_SECONDS).contains(&request.duration_seconds) {
            let detail = format!("Give 1 to {DURATION_MAX_SECONDS}.");
            return Err(Refusal::field("invalid_duration", "duration_seconds", detail));
        }
        if self.active().count() >= ACTIVE {
            return Err(Refusal::new(
                http::StatusCode::TOO_MANY_REQUESTS,
                "too_many_faults",
                "Too many faults",
                format!("{ACTIVE} faults are in force; clear some first."),
            ));
        }
        Ok(())
    }

    fn option(&self, service: &str) -> FaultTargetOption {
        let mut operations: BTreeMap<FaultKind, BTreeSet<String>> = BTreeMap::new();
        for offer in self.offers(service, None) {
            operations
                .entry(offer.kind)
                .or_default()
                .extend(offer.operations.iter().cloned());
        }
        let kinds = operations.into_iter().map(|(kind, operations)| FaultKindOption {
            capability: FaultCapability {
                kind,
                operations: operations.into_iter().collect(),
            },
            strength: kind
                .required_strength()
                .iter()
                .map(|field| (*field).to_owned())
                .collect(),
            description: kinds::description(kind).into(),
        });
        let instances = self.connected.iter().filter(|instance| instance.service == service);
        FaultTargetOption {
            service: service.into(),
            instances: instances.map(|instance| instance.instance.clone()).collect(),
            kinds: kinds.collect(),
        }
    }

    fn offers(&self, service: &str, instance: Option<&str>) -> Vec<&FaultCapability> {
        let wanted = |known: &Instance| known.service == service && instance.is_none_or(|only| known.instance == only);
        let connected = self.connected.iter().filter(|known| wanted(known));
        connected
            .filter_map(|known| self.registered.get(known))
            .flatten()
            .collect()
    }

    fn service_names(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self
            .connected
            .iter()
            .map(|instance| instance.service.as_str())
            .collect();
        names.into_iter().collect()
    }
}
