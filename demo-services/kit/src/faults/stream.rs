//! The line between a service and the collector's fault control: commands come in, acknowledgements go out.
//!
//! When the collector is gone, the service tries again and again, and the faults it holds end in time all the same.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sagascope_conventions::action::{Action, ActionReport};
use sagascope_conventions::fault::{
    ArmedFault, FaultAcknowledgement, FaultCapability, FaultCommand, FaultRegistration, FaultState,
};
use sagascope_conventions::{Fault, FaultKind, FlowMix};
use sagascope_instrument::fault_events;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Switchboard;
use super::sse::Events;
use crate::actions::Actions;
use crate::clock::unix_nanos_now;
use crate::events::StateEvents;
use crate::random;

/// First and longest wait before the next attempt to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));
/// Limit of a short request.
const LIMIT: Duration = Duration::from_secs(3);
/// A stream that is silent for so long is taken for dead; the collector sends a keep-alive more often.
const SILENCE: Duration = Duration::from_secs(60);
/// How often ended faults are collected.
const EXPIRY_CHECK: Duration = Duration::from_millis(250);
/// What a crash waits for: its own announcement.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One end of the line: the service that listens.
#[derive(Debug)]
pub(crate) struct Station {
    /// `service.name`.
    pub(crate) service: &'static str,
    /// `service.instance.id`.
    pub(crate) instance: String,
    /// What it can honour.
    pub(crate) capabilities: Vec<FaultCapability>,
    /// Base URL of the collector's API.
    pub(crate) api: String,
    /// Its control token.
    pub(crate) token: Option<String>,
    /// HTTP client without a limit of its own.
    pub(crate) http: reqwest::Client,
    /// Where faults are put into force.
    pub(crate) board: Switchboard,
    /// What a person may have the service do.
    pub(crate) actions: Actions,
    /// Where they are told.
    pub(crate) events: StateEvents,
    /// Orders per second that a person asked for.
    pub(crate) rate: watch::Sender<f64>,
    /// In which shares it asks for each flow.
    pub(crate) flows: watch::Sender<FlowMix>,
    /// Remembers the crash that was carried out, so that a restarted service does not die of it again.
    pub(crate) crash_mark: PathBuf,
}

/// Listens until the process ends.
pub(crate) async fn listen(station: Station) {
    tokio::join!(stay_connected(&station), expire(&station), die(&station));
}

async fn stay_connected(station: &Station) {
    let mut wait = BACKOFF.0;
    loop {
        let started = Instant::now();
        if let Err(error) = session(station).await {
            tracing::debug!("fault stream: {error:#}");
        }
        if started.elapsed() > BACKOFF.1 {
            wait = BACKOFF.0;
        }
        tokio::time::sleep(wait.mul_f64(0.8 + 0.4 * random::f64())).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

async fn session(station: &Station) -> anyhow::Result<()> {
    let registration = FaultRegistration {
        service: station.service.to_owned(),
        instance: station.instance.clone(),
        capabilities: station.capabilities.clone(),
    };
    station.post("register", &registration).await?;
    let stream = format!("{}/api/v1/faults/stream", station.api);
    let query = [("service", station.service), ("instance", &station.instance)];
    let request = station.authorised(station.http.get(with_query(&stream, &query)));
    let request = request.header("accept", "text/event-stream");
    let mut answer = tokio::time::timeout(LIMIT, request.send()).await??.error_for_status()?;
    let mut events = Events::default();
    while let Some(chunk) = tokio::time::timeout(SILENCE, answer.chunk())
        .await
        .context("the stream is silent")??
    {
        for data in events.push(&chunk)? {
            match serde_json::from_str(&data) {
                Ok(command) => station.obey(command).await,
                // A newer collector may know commands that we do not.
                Err(error) => tracing::warn!("fault stream: a command was not understood: {error}"),
            }
        }
    }
    Ok(())
}

/// Ends the process when its work reaches the point that a crash was armed for.
async fn die(station: &Station) {
    station.crash(&station.board.dying().await).await;
}

async fn expire(station: &Station) {
    loop {
        tokio::time::sleep(EXPIRY_CHECK).await;
        for fault in station.board.expire(Instant::now()) {
            station.events.emit(fault_events::expired(&fault, unix_nanos_now()));
            station.acknowledge(&fault.id, FaultState::Expired).await;
        }
    }
}

impl Station {
    async fn obey(&self, command: FaultCommand) {
        match command {
            FaultCommand::Sync { faults } => {
                let ids: Vec<&str> = faults.iter().map(|armed| armed.fault.id.as_str()).collect();
                for fault in self.board.keep_only(&ids) {
                    self.cleared(&fault).await;
                }
                for fault in faults {
                    self.arm(fault).await;
                }
            }
            FaultCommand::Arm { fault } => self.arm(fault).await,
            FaultCommand::Clear { id } => {
                if let Some(fault) = self.board.clear(&id) {
                    self.cleared(&fault).await;
                }
            }
            FaultCommand::Act { id, action } => self.act(id, action),
            FaultCommand::Traffic {
                orders_per_second,
                flows,
            } => {
                self.rate.send_replace(orders_per_second);
                self.flows.send_replace(flows);
            }
        }
    }

    /// Does what a person asks, beside the stream, and reports what came of it.
    fn act(&self, id: String, action: Action) {
        let (actions, service, instance) = (self.actions.clone(), self.service.to_owned(), self.instance.clone());
        let report = self.authorised(self.http.post(format!("{}/api/v1/actions/reports", self.api)));
        tokio::spawn(async move {
            tracing::info!(id, ?action, "a person asked for this");
            let outcome = actions.carry_out(action).await;
            let body = ActionReport {
                id,
                service,
                instance,
                outcome,
            };
            // Who asked is told then that there was no answer.
            if let Err(error) = report.timeout(LIMIT).json(&body).send().await {
                tracing::warn!(id = body.id, %error, "what came of an action could not be reported");
            }
        });
    }

    async fn arm(&self, armed: ArmedFault) {
        let fault = armed.fault.clone();
        if !self.is_target(&fault) || (fault.kind == FaultKind::Crash && self.has_crashed(&fault)) {
            return;
        }
        let known = self.board.holds(&fault.id);
        if !self.board.arm(armed) {
            tracing::warn!("fault {} is one too many, not taken", fault.id);
            return;
        }
        if !known {
            self.events.emit(fault_events::armed(&fault, unix_nanos_now()));
        }
        self.acknowledge(&fault.id, FaultState::Active).await;
        if fault.kind == FaultKind::Crash && fault.target.operation.is_none() {
            self.crash(&fault.id).await;
        }
    }

    async fn cleared(&self, fault: &Fault) {
        self.events.emit(fault_events::cleared(fault, unix_nanos_now()));
        self.acknowledge(&fault.id, FaultState::Cleared).await;
    }

    fn is_target(&self, fault: &Fault) -> bool {
        let instance = fault.target.instance.as_deref();
        fault.target.service == self.service && instance.is_none_or(|instance| instance == self.instance)
    }

    fn has_crashed(&self, fault: &Fault) -> bool {
        std::fs::read_to_string(&self.crash_mark).is_ok_and(|id| id == fault.id)
    }

    /// Ends the process as a defect would: no destructor runs, nothing is flushed but the word that it was on purpose.
    async fn crash(&self, id: &str) {
        let marked = self.crash_mark.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = marked.and_then(|()| std::fs::write(&self.crash_mark, id)) {
            // Without the mark the restarted service would crash again and again.
            tracing::error!("crash fault not carried out, its mark cannot be written: {error}");
            return;
        }
        self.events.flush(LAST_WORDS).await;
        std::process::abort();
    }

    async fn acknowledge(&self, id: &str, state: FaultState) {
        let acknowledgement = FaultAcknowledgement {
            id: id.to_owned(),
            service: self.service.to_owned(),
            instance: self.instance.clone(),
            state,
        };
        if let Err(error) = self.post("acknowledgements", &acknowledgement).await {
            // The collector learns it from the next connection: each begins with what is in force.
            tracing::debug!("fault {id} not acknowledged: {error:#}");
        }
    }

    async fn post(&self, what: &str, body: &impl serde::Serialize) -> anyhow::Result<()> {
        let request = self
            .http
            .post(format!("{}/api/v1/faults/{what}", self.api))
            .timeout(LIMIT)
            .json(body);
        let status = self.authorised(request).send().await?.status();
        ensure!(status.is_success(), "{what}: answered {status}");
        Ok(())
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// Names of services and instances are plain words: nothing in them needs escaping in a URL.
fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{url}?{}", pairs.join("&"))
}
