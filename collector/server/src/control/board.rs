//! The fault board: which services listen, which faults stand, what is to be delivered to whom.
//!
//! Pure: wall time and monotonic time come in as arguments; what should be sent is handed out as [`Delivery`]s and changed
//! rows. A fault ends by the monotonic clock. Nothing here outlives the process: after a restart the services are told
//! that no fault is in force.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sagascope_api::Time;
use sagascope_api::faults::{FaultRequest, FaultStatus, Traffic};
use sagascope_conventions::fault::{
    ArmedFault, FaultAcknowledgement, FaultCapability, FaultCommand, FaultRegistration,
};
use sagascope_conventions::{Fault, FaultKind, FaultState, FlowMix};

use crate::problem::Refusal;

/// Faults remembered, ended ones among them.
const HISTORY: usize = 1_000;
/// Service instances that may be registered.
const INSTANCES: usize = 1_000;
/// Hits are counted for this long after a fault's end: its last spans are still on their way.
const COUNT_AFTER_END: Duration = Duration::from_secs(60);
/// The demo's shoppers.
const TRAFFIC: &str = "traffic";

/// One process of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instance {
    pub(crate) service: String,
    pub(crate) instance: String,
}

/// A command for one process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) to: Instance,
    pub(crate) command: FaultCommand,
}

struct Entry {
    status: FaultStatus,
    /// Monotonic.
    ends: Duration,
    /// Processes it was sent to; a crash is sent once to each and never again.
    sent: BTreeSet<Instance>,
}

impl Entry {
    fn hits(&self, instance: &Instance) -> bool {
        let target = &self.status.fault.target;
        target.service == instance.service && target.instance.as_ref().is_none_or(|only| *only == instance.instance)
    }
}

/// See the module.
pub(crate) struct Board {
    pub(super) registered: BTreeMap<Instance, Vec<FaultCapability>>,
    pub(super) connected: BTreeSet<Instance>,
    /// Oldest first.
    faults: VecDeque<Entry>,
    changed: BTreeSet<String>,
    removed: Vec<String>,
    deliveries: Vec<Delivery>,
    traffic: Option<(f64, FlowMix)>,
}

impl Board {
    /// Without faults; `traffic` is the demo's rate and mix, absent without a demo.
    pub(crate) const fn new(traffic: Option<(f64, FlowMix)>) -> Self {
        Self {
            registered: BTreeMap::new(),
            connected: BTreeSet::new(),
            faults: VecDeque::new(),
            changed: BTreeSet::new(),
            removed: Vec::new(),
            deliveries: Vec::new(),
            traffic,
        }
    }

    /// A process tells what it can honour, before it opens its stream.
    pub(crate) fn register(&mut self, registration: FaultRegistration) -> Result<(), Refusal> {
        let FaultRegistration {
            service,
            instance,
            capabilities,
        } = registration;
        for (field, value) in [("service", &service), ("instance", &instance)] {
            if value.is_empty() || value.len() > 200 {
                return Err(Refusal::field("invalid_value", field, "Give 1 to 200 bytes."));
            }
        }
        let instance = Instance { service, instance };
        if self.registered.len() >= INSTANCES && !self.registered.contains_key(&instance) {
            let unconnected = self
                .registered
                .keys()
                .find(|known| !self.connected.contains(known))
                .cloned();
            match unconnected {
                Some(unconnected) => drop(self.registered.remove(&unconnected)),
                None => {
                    return Err(Refusal::new(
                        http::StatusCode::TOO_MANY_REQUESTS,
                        "too_many_instances",
                        "Too many instances",
                        format!("At most {INSTANCES} processes can take faults."),
                    ));
                }
            }
        }
        self.registered.insert(instance, capabilities);
        Ok(())
    }

    /// A process opened its stream: it is told first what is in force. False when it has not registered.
    pub(crate) fn connect(&mut self, instance: Instance, elapsed: Duration) -> bool {
        if !self.registered.contains_key(&instance) {
            return false;
        }
        let mut faults = Vec::new();
        for entry in self
            .faults
            .iter_mut()
            .filter(|entry| entry.status.is_active() && entry.hits(&instance))
        {
            let again = entry.sent.contains(&instance);
            if entry.status.fault.kind != FaultKind::Crash {
                entry.sent.insert(instance.clone());
                faults.push(armed(entry, elapsed));
            } else if again {
                // The same process is back, so it never took the order to end; it is not given twice.
                tracing::debug!(service = %instance.service, "a crash was ordered and the process is back");
            }
        }
        self.deliveries.push(Delivery {
            to: instance.clone(),
            command: FaultCommand::Sync { faults },
        });
        if instance.service == TRAFFIC
            && let Some((orders_per_second, flows)) = self.traffic
        {
            let command = FaultCommand::Traffic {
                orders_per_second,
                flows,
            };
            self.deliveries.push(Delivery {
                to: instance.clone(),
                command,
            });
        }
        self.connected.insert(instance);
        true
    }

    /// A stream has ended. A crash that this process took is over.
    pub(crate) fn disconnect(&mut self, instance: &Instance, now: Time) {
        self.connected.remove(instance);
        for entry in &mut self.faults {
            let crashed = entry.status.fault.kind == FaultKind::Crash && entry.sent.contains(instance);
            if crashed && entry.status.is_active() {
                end(entry, FaultState::Expired, Some(now), &mut self.changed);
            }
        }
    }

    /// Checks a request and arms the fault.
    pub(crate) fn arm(
        &mut self,
        id: String,
        request: FaultRequest,
        now: Time,
        elapsed: Duration,
    ) -> Result<FaultStatus, Refusal> {
        self.check(&request)?;
        let FaultRequest {
            target,
            kind,
            strength,
            duration_seconds,
            seed,
        } = request;
        let fault = Fault {
            id: id.clone(),
            target,
            kind,
            strength,
            duration_seconds,
            seed: seed.unwrap_or(1),
        };
        let status = FaultStatus {
            fault,
            state: FaultState::Pending,
            started_at: now,
            ends_at: now.plus_seconds(duration_seconds as f64),
            hits: 0,
            instances: Vec::new(),
        };
        let ends = elapsed + Duration::from_secs(duration_seconds);
        let mut entry = Entry {
            status: status.clone(),
            ends,
            sent: BTreeSet::new(),
        };
        for to in self
            .connected
            .iter()
            .filter(|instance| entry.hits(instance))
            .cloned()
            .collect::<Vec<_>>()
        {
            let command = FaultCommand::Arm {
                fault: armed(&entry, elapsed),
            };
            self.deliveries.push(Delivery {
                to: to.clone(),
                command,
            });
            entry.sent.insert(to);
        }
        self.faults.push_back(entry);
        self.changed.insert(id);
        self.forget_oldest();
        Ok(status)
    }

    /// A process tells what became of a fault. False for one that is not known.
    pub(crate) fn acknowledge(&mut self, acknowledgement: &FaultAcknowledgement) -> bool {
        let Some(entry) = self
            .faults
            .iter_mut()
            .find(|entry| entry.status.fault.id == acknowledgement.id)
        else {
            return false;
        };
        let status = &mut entry.status;
        if acknowledgement.state == FaultState::Active
            && status.is_active()
            && status.fault.target.service == acknowledgement.service
        {
            status.state = FaultState::Active;
            if status.instances.len() < INSTANCES && !status.instances.contains(&acknowledgement.instance) {
                status.instances.push(acknowledgement.instance.clone());
            }
            self.changed.insert(acknowledgement.id.clone());
        }
        true
    }

    /// Ends one fault; one that has ended stays as it is.
    pub(crate) fn clear(&mut self, id: &str, now: Time) -> Option<FaultStatus> {
        let entry = self.faults.iter_mut().find(|entry| entry.status.fault.id == id)?;
        if entry.status.is_active() {
            end(entry, FaultState::Cleared, Some(now), &mut self.changed);
            let entry = &*entry;
            for to in self.connected.iter().filter(|instance| entry.hits(instance)) {
                let command = FaultCommand::Clear { id: id.to_owned() };
                self.deliveries.push(Delivery {
                    to: to.clone(),
                    command,
                });
            }
        }
        Some(entry.status.clone())
    }

    /// Ends every fault in force.
    pub(crate) fn clear_all(&mut self, now: Time) -> Vec<FaultStatus> {
        let ids: Vec<String> = self.active().map(|status| status.fault.id.clone()).collect();
        ids.iter().filter_map(|id| self.clear(id, now)).collect()
    }

    /// Ends what has reached its time. Services do so by their own clocks.
    pub(crate) fn expire(&mut self, elapsed: Duration) {
        for entry in self
            .faults
            .iter_mut()
            .filter(|entry| entry.status.is_active() && entry.ends <= elapsed)
        {
            end(entry, FaultState::Expired, None, &mut self.changed);
        }
        let settled = |entry: &Entry| !entry.status.is_active() && entry.ends + COUNT_AFTER_END < elapsed;
        for entry in self.faults.iter_mut().filter(|entry| settled(entry)) {
            entry.sent.clear();
        }
    }

    /// Takes over how many spans carry each fault's id, while spans may still come.
    pub(crate) fn count_hits(&mut self, hits_of: impl Fn(&str) -> u64) {
        for entry in self.faults.iter_mut().filter(|entry| !entry.sent.is_empty()) {
            let hits = hits_of(&entry.status.fault.id);
            if hits > entry.status.hits {
                entry.status.hits = hits;
                self.changed.insert(entry.status.fault.id.clone());
            }
        }
    }

    /// What the shoppers are asked to do; `None` without a demo.
    pub(crate) const fn traffic(&self) -> Option<(f64, FlowMix)> {
        self.traffic
    }

    /// Asks the shoppers for another rate, and another mix when it names one; answers what holds now. `None` without a
    /// demo.
    pub(crate) fn set_traffic(&mut self, wanted: Traffic) -> Option<Traffic> {
        let (_, before) = self.traffic?;
        let (orders_per_second, flows) = (wanted.orders_per_second, wanted.flows.unwrap_or(before));
        self.traffic = Some((orders_per_second, flows));
        for to in self.connected.iter().filter(|instance| instance.service == TRAFFIC) {
            let command = FaultCommand::Traffic {
                orders_per_second,
                flows,
            };
            self.deliveries.push(Delivery {
                to: to.clone(),
                command,
            });
        }
        Some(Traffic {
            orders_per_second,
            flows: Some(flows),
        })
    }

    /// Faults in force or about to be.
    pub(crate) fn active(&self) -> impl Iterator<Item = &FaultStatus> {
        self.faults
            .iter()
            .map(|entry| &entry.status)
            .filter(|status| status.is_active())
    }

    /// `(id, service)` of those.
    pub(crate) fn active_targets(&self) -> Vec<(String, String)> {
        self.active()
            .map(|status| (status.fault.id.clone(), status.fault.target.service.clone()))
            .collect()
    }

    /// Newest first.
    pub(crate) fn list(&self) -> Vec<FaultStatus> {
        self.faults.iter().rev().map(|entry| entry.status.clone()).collect()
    }

    /// Rows that changed since the last call, and ids no longer remembered.
    pub(crate) fn take_changes(&mut self) -> Option<(Vec<FaultStatus>, Vec<String>)> {
        if self.changed.is_empty() && self.removed.is_empty() {
            return None;
        }
        let changed = std::mem::take(&mut self.changed);
        let rows = self
            .faults
            .iter()
            .filter(|entry| changed.contains(&entry.status.fault.id));
        Some((
            rows.map(|entry| entry.status.clone()).collect(),
            std::mem::take(&mut self.removed),
        ))
    }

    /// What is to be sent since the last call, in order.
    pub(crate) fn take_deliveries(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }

    fn forget_oldest(&mut self) {
        while self.faults.len() > HISTORY {
            let Some(oldest) = self.faults.iter().position(|entry| !entry.status.is_active()) else {
                return;
            };
            if let Some(entry) = self.faults.remove(oldest) {
                self.removed.push(entry.status.fault.id);
            }
        }
    }
}

fn armed(entry: &Entry, elapsed: Duration) -> ArmedFault {
    let remaining = entry.ends.saturating_sub(elapsed);
    ArmedFault {
        fault: entry.status.fault.clone(),
        remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
    }
}

fn end(entry: &mut Entry, state: FaultState, now: Option<Time>, changed: &mut BTreeSet<String>) {
    entry.status.state = state;
    if let Some(now) = now {
        entry.status.ends_at = now;
    }
    changed.insert(entry.status.fault.id.clone());
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
