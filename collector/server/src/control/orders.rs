//! Actions of a person on their way to services: who was told, who has answered.
//!
//! Held by the loop; who asked waits with the other end of a channel, and takes what was not answered in time as that.

use std::collections::{BTreeMap, HashMap};

use sagascope_conventions::action::{Action, ActionReport};
use sagascope_conventions::fault::FaultCommand;
use tokio::sync::mpsc;

use super::board::Instance;
use crate::problem::{Answer, Refusal};

/// Orders under way at a time.
const UNDER_WAY: usize = 64;

/// Reports that one order may bring: one from each process that was told.
const REPORTS: usize = 16;

/// Orders that wait for reports, by id.
#[derive(Default)]
pub(crate) struct Orders {
    waiting: BTreeMap<String, mpsc::Sender<ActionReport>>,
}

/// An order that was given.
pub(crate) struct Given {
    /// Processes that were told.
    pub(crate) told: Vec<Instance>,
    /// What they answer.
    pub(crate) reports: mpsc::Receiver<ActionReport>,
}

impl Orders {
    /// Tells every connected process of a service.
    pub(crate) fn give(
        &mut self,
        id: String,
        service: &str,
        action: &Action,
        streams: &HashMap<Instance, mpsc::Sender<FaultCommand>>,
    ) -> Answer<Given> {
        self.waiting.retain(|_, reports| !reports.is_closed());
        if self.waiting.len() >= UNDER_WAY {
            let detail = format!("{UNDER_WAY} actions are under way; try again in a moment.");
            return Err(busy(detail));
        }
        let mut told: Vec<Instance> = Vec::new();
        let listening = streams
            .iter()
            .filter(|(instance, stream)| instance.service == service && !stream.is_closed());
        for (instance, stream) in listening.take(REPORTS) {
            let command = FaultCommand::Act {
                id: id.clone(),
                action: action.clone(),
            };
            if stream.try_send(command).is_err() {
                return Err(busy(format!("{service} has not taken earlier commands yet.")));
            }
            told.push(instance.clone());
        }
        if told.is_empty() {
            return Err(Refusal::new(
                http::StatusCode::SERVICE_UNAVAILABLE,
                "not_connected",
                "The service does not listen",
                format!("No process of {service} is connected, so it cannot be told; nothing was done."),
            )
            .retry_after(2));
        }
        told.sort();
        let (sender, reports) = mpsc::channel(REPORTS);
        self.waiting.insert(id, sender);
        Ok(Given { told, reports })
    }

    /// A process answers. False when nobody waits for it any more.
    pub(crate) fn report(&mut self, report: ActionReport) -> bool {
        self.waiting
            .get(&report.id)
            .is_some_and(|waiting| waiting.try_send(report).is_ok())
    }
}

fn busy(detail: String) -> Refusal {
    let status = http::StatusCode::SERVICE_UNAVAILABLE;
    Refusal::new(status, "busy", "Too much at once", detail).retry_after(1)
}
