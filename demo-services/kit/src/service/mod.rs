//! A service process: settings, telemetry, faults, callers and the HTTP server, started and stopped as one.

mod assembled;
mod health;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
pub use assembled::Assembled;
use axum::Router;
use axum::routing::get;
pub use health::Readiness;
use sagascope_conventions::FlowMix;
use sagascope_conventions::fault::FaultCapability;
use sagascope_instrument::{LogExporter, Resource};
pub use settings::Settings;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::actions::Actions;
use crate::broker::HttpBroker;
use crate::caller::Caller;
use crate::discovery::{self, Discovery, REGISTRY};
use crate::events::StateEvents;
use crate::exporter::Exporter;
use crate::faults::{self, Station, Switchboard};
use crate::logging;
use crate::profile::Profile;
use crate::random;
use crate::server::{self, Requests};
use crate::telemetry::{Losses, Lost, Telemetry};
use crate::topology::Topology;
use crate::transport::Transport;

/// Longest time to send what is left when stopping, whether or not there is a collector: with the second that requests
/// under way get, a service ends within two.
const FLUSH: Duration = Duration::from_millis(700);
/// How often the state of breakers and bulkheads is recorded.
const REPORT: Duration = Duration::from_secs(1);
/// How often lost spans are told, when there are any.
const TELL_LOSSES: Duration = Duration::from_secs(60);

/// One service in one process; a cheap clone.
#[derive(Clone, Debug)]
pub struct Service {
    /// `service.name`.
    pub name: &'static str,
    /// `service.instance.id`.
    pub instance: Arc<str>,
    /// Where everything is.
    pub topology: Topology,
    /// Numbers of the reliability patterns.
    pub profile: Profile,
    /// Faults in force.
    pub faults: Switchboard,
    /// What a person may have it do.
    pub actions: Actions,
    /// State changes of things in memory.
    pub events: StateEvents,
    /// As told by the environment.
    pub settings: Arc<Settings>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    /// In the place of sockets.
    simulated: Option<Transport>,
    callers: Mutex<HashMap<&'static str, Caller>>,
    discovery: Discovery,
    telemetry: Option<Telemetry>,
    stop: watch::Sender<bool>,
    rate: watch::Sender<f64>,
    flows: watch::Sender<FlowMix>,
}

impl Service {
    /// Starts a service from its environment, inside a tokio runtime: telemetry flows and faults arrive from now on.
    ///
    /// # Errors
    /// When a setting cannot be understood. A collector that is not there is no error.
    pub fn start(name: &'static str, capabilities: Vec<FaultCapability>) -> anyhow::Result<Self> {
        Self::start_beside(name, None, capabilities)
    }

    /// The same; with a version, as a canary beside the first process of the service: on a port of its own, on the same
    /// data, and without requests until the registry is told to give it some.
    ///
    /// # Errors
    /// See [`Service::start`].
    pub fn start_beside(
        name: &'static str,
        canary: Option<String>,
        capabilities: Vec<FaultCapability>,
    ) -> anyhow::Result<Self> {
        let settings = Settings {
            canary,
            ..Settings::from_env()?
        };
        let topology = Topology::new(settings.port_base);
        let instance = new_instance(name);
        let resource = resource(name, &instance, &settings);
        let telemetry = Telemetry::start(&topology.otlp_grpc(), &resource).context("telemetry cannot start")?;
        let losses = telemetry.losses().clone();
        let events = StateEvents::start(LogExporter::new(&topology.otlp_http(), resource)?.into());
        logging::start(events.clone());
        let service = Self::assemble(name, instance, settings, events, Some(telemetry), None)?;
        tokio::spawn(faults::listen(service.station(capabilities)));
        tokio::spawn(report(service.clone()));
        if name != REGISTRY {
            tokio::spawn(discovery::follow(service.shared.discovery.clone(), service.clone()));
        }
        tokio::spawn(tell_losses(losses));
        tokio::spawn(stop_on_signal(service.clone()));
        Ok(service)
    }

    /// A service without a collector: nothing is sent, faults are armed by hand. For tests of a business.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn quiet(name: &'static str, settings: Settings) -> anyhow::Result<Self> {
        Self::assemble(name, new_instance(name), settings, StateEvents::discard(), None, None)
    }

    /// A service of a simulated cluster: all that it sends, to other services and to the collector, leaves by
    /// `transport`; faults are armed by hand. To be called on its [`crate::simulated::Node`].
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn simulated(name: &'static str, settings: Settings, transport: Transport) -> anyhow::Result<Self> {
        let instance = new_instance(name);
        let resource = resource(name, &instance, &settings);
        let collector = Topology::new(settings.port_base).otlp_http();
        let events = StateEvents::start(Exporter::through(transport.clone(), &collector, resource));
        Self::assemble(name, instance, settings, events, None, Some(transport))
    }

    fn assemble(
        name: &'static str,
        instance: String,
        settings: Settings,
        events: StateEvents,
        telemetry: Option<Telemetry>,
        simulated: Option<Transport>,
    ) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(1))
            .no_proxy()
            .build()?;
        let (stop, _) = watch::channel(false);
        let (rate, _) = watch::channel(settings.rate);
        let (flows, _) = watch::channel(settings.flows);
        Ok(Self {
            name,
            instance: instance.into(),
            topology: Topology::new(settings.port_base),
            profile: settings.profile,
            faults: Switchboard::idle(),
            actions: Actions::default(),
            events,
            settings: Arc::new(settings),
            shared: Arc::new(Shared {
                http,
                simulated,
                callers: Mutex::default(),
                discovery: Discovery::default(),
                telemetry,
                stop,
                rate,
                flows,
            }),
        })
    }

    /// `<data-dir>/services/<name>/<name>.sqlite`.
    #[must_use]
    pub fn database_path(&self) -> PathBuf {
        self.settings
            .data_dir
            .join("services")
            .join(self.name)
            .join(format!("{}.sqlite", self.name))
    }

    /// `service.version`.
    #[must_use]
    pub fn version(&self) -> &str {
        version(&self.settings)
    }

    /// Runs beside the first process of its service.
    #[must_use]
    pub fn is_canary(&self) -> bool {
        self.settings.canary.is_some()
    }

    /// Base URL of this process.
    pub(crate) fn address(&self) -> Option<String> {
        self.port().map(|port| format!("http://127.0.0.1:{port}"))
    }

    fn port(&self) -> Option<u16> {
        match self.is_canary() {
            true => self.topology.canary_port(self.name),
            false => self.topology.port(self.name),
        }
    }

    /// Of everything random that should come out the same again.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// Who sends the telemetry of this process.
    #[must_use]
    pub fn resource(&self) -> Resource {
        resource(self.name, &self.instance, &self.settings)
    }

    /// An exporter of log events for whoever keeps them durably.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn log_exporter(&self) -> anyhow::Result<Exporter> {
        let (endpoint, resource) = (self.topology.otlp_http(), self.resource());
        Ok(match &self.shared.simulated {
            Some(transport) => Exporter::through(transport.clone(), &endpoint, resource),
            None => LogExporter::new(&endpoint, resource)?.into(),
        })
    }

    /// How requests of this process leave it.
    #[must_use]
    pub fn transport(&self) -> Transport {
        let simulated = self.shared.simulated.clone();
        simulated.unwrap_or_else(|| self.shared.http.clone().into())
    }

    /// A client of the cluster's broker.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn broker(&self) -> anyhow::Result<HttpBroker> {
        let base = self.topology.url("broker").context("the topology names no broker")?;
        Ok(match &self.shared.simulated {
            Some(transport) => HttpBroker::through(transport.clone(), &base),
            None => HttpBroker::new(&base)?,
        })
    }

    /// The HTTP client of this process, without retry, breaker or time limit: for long polls and streams.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    /// Calls `target`, one of [`crate::topology::SERVICES`]; the same breaker and bulkhead each time.
    #[must_use]
    pub fn caller(&self, target: &'static str) -> Caller {
        let mut callers = self.shared.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            // An unknown name gives an address that refuses every call, like a service that is down.
            let base = self
                .topology
                .url(target)
                .unwrap_or_else(|| "http://127.0.0.1:0".to_owned());
            Caller::new(target, base, self.transport(), self.profile, self.events.clone())
                .found_by(self.shared.discovery.clone())
        };
        callers.entry(target).or_insert_with(make).clone()
    }

    /// Resolves when the service has been told to stop.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.shared.stop.subscribe();
        async move {
            // An error means that the service itself is gone.
            let _ = stop.wait_for(|&stop| stop).await;
        }
    }

    /// Tells every part of the service to stop.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Serves `router` and the health routes until SIGTERM, Ctrl-C or [`Service::stop`]; then sends what is left.
    ///
    /// # Errors
    /// When the port is taken: names it and the flag that moves it.
    pub async fn serve(self, router: Router, readiness: Readiness) -> anyhow::Result<()> {
        let port = self
            .port()
            .with_context(|| format!("there is no service {}", self.name))?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| {
                format!(
                    "{} cannot listen on 127.0.0.1:{port}; --port-base moves all ports",
                    self.name
                )
            })?;
        let announced = self
            .is_in_a_cluster()
            .then(|| tokio::spawn(discovery::announce(self.clone())));
        server::serve(listener, self.routes(router, readiness), self.stopping()).await;
        if let Some(announced) = announced {
            // It ends by itself, soon after the service was told to stop.
            let _ = announced.await;
        }
        self.flush().await;
        Ok(())
    }

    /// Not quiet, and not the registry itself.
    pub(crate) fn is_in_a_cluster(&self) -> bool {
        self.shared.telemetry.is_some() && self.name != REGISTRY
    }

    /// The routes as [`Service::serve`] serves them: with health, context, spans and faults around them.
    pub fn routes(&self, router: Router, readiness: Readiness) -> Router {
        let requests = Requests::new(self.name, self.faults.clone(), self.events.clone());
        let stop = self.shared.stop.subscribe();
        let ready = move || {
            let (readiness, stopping) = (readiness.clone(), *stop.borrow());
            async move { readiness.answer(stopping).await }
        };
        router
            .layer(axum::middleware::from_fn_with_state(requests, server::around))
            .route("/health/live", get(|| async { health::live() }))
            .route("/health/ready", get(ready))
    }

    /// Orders per second that the shoppers should place: as the environment said, until a person says otherwise.
    #[must_use]
    pub fn requested_rate(&self) -> watch::Receiver<f64> {
        self.shared.rate.subscribe()
    }

    /// In which shares the shoppers should ask for each flow: as the environment said, until a person says otherwise.
    #[must_use]
    pub fn requested_flows(&self) -> watch::Receiver<FlowMix> {
        self.shared.flows.subscribe()
    }

    fn station(&self, capabilities: Vec<FaultCapability>) -> Station {
        Station {
            service: self.name,
            instance: self.instance.to_string(),
            capabilities,
            api: self.topology.api(),
            token: self.settings.token.clone(),
            http: self.shared.http.clone(),
            board: self.faults.clone(),
            actions: self.actions.clone(),
            events: self.events.clone(),
            rate: self.shared.rate.clone(),
            flows: self.shared.flows.clone(),
            crash_mark: self.database_path().with_file_name(match &self.settings.canary {
                Some(version) => format!("last-crash-{version}"),
                None => "last-crash".to_owned(),
            }),
        }
    }

    async fn flush(&self) {
        let telemetry = async {
            if let Some(telemetry) = &self.shared.telemetry {
                telemetry.shut_down(FLUSH).await;
            }
        };
        tokio::join!(self.events.flush(FLUSH), telemetry);
    }
}

/// Records each second how breakers and bulkheads stand: a gauge that is not repeated is soon not believed.
async fn report(service: Service) {
    loop {
        tokio::time::sleep(REPORT).await;
        let callers: Vec<Caller> = {
            let callers = service.shared.callers.lock().unwrap_or_else(PoisonError::into_inner);
            callers.values().cloned().collect()
        };
        for caller in callers {
            caller.report();
        }
    }
}

/// Says once a minute that spans were lost, if any were.
async fn tell_losses(losses: Losses) {
    let mut told = Lost::default();
    loop {
        tokio::time::sleep(TELL_LOSSES).await;
        let lost = losses.lost();
        if lost != told {
            let (no_room, not_taken) = (lost.no_room - told.no_room, lost.not_taken - told.not_taken);
            tracing::warn!(no_room, not_taken, "spans were lost on their way to the collector");
        }
        told = lost;
    }
}

async fn stop_on_signal(service: Service) {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => return tracing::error!("SIGTERM cannot be heard: {error}"),
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    service.stop();
}

fn resource(name: &str, instance: &str, settings: &Settings) -> Resource {
    Resource {
        service: name.to_owned(),
        instance: instance.to_owned(),
        version: version(settings).to_owned(),
        restarts: settings.restarts,
    }
}

fn version(settings: &Settings) -> &str {
    settings.canary.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"))
}

fn new_instance(name: &str) -> String {
    format!("{name}-{:08x}", random::u32())
}
