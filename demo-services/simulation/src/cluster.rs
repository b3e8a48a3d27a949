//! The machines: each runs one service, put together as in production, dies, and is started again on the same data.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use sagascope_instrument::Resource;
use shop_kit::faults::Switchboard;
use shop_kit::profile::Profile;
use shop_kit::service::{Assembled, Service, Settings};
use shop_kit::simulated::{Epitaph, Node, Parcel};
use shop_kit::topology::Topology;
use shop_kit::transport::Transport;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::collector::Collector;
use crate::mutants::Mutant;
use crate::network::{COLLECTOR, Hosts, Network, Work};
use crate::run::Options;
use crate::story::Story;
use crate::trouble::Trouble;

/// Services of the cluster, in the order in which they are started.
pub(crate) const SERVICES: [&str; 11] = [
    "broker",
    "catalog",
    "inventory",
    "payments",
    "shipping",
    "orders",
    "notifications",
    "analytics",
    "hotels",
    "cars",
    "booking",
];
/// Of these, those without which nobody can travel.
const OF_TRIPS: [&str; 3] = ["hotels", "cars", "booking"];
/// A span waits so long for company.
const SPAN_DELAY: Duration = Duration::from_millis(200);
/// Most spans of one request.
const SPANS_AT_ONCE: usize = 512;
/// Longest wait for the collector's answer.
const SPAN_PATIENCE: Duration = Duration::from_secs(3);
/// A machine needs so long to start its service again.
const RESTART: Duration = Duration::from_millis(700);

/// A cheap clone.
#[derive(Clone)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    broker: shop_broker::Settings,
    story: Story,
    network: Network,
    collector: Collector,
    mutant: Option<Mutant>,
    machines: Mutex<BTreeMap<&'static str, Machine>>,
    keepers: Mutex<JoinSet<()>>,
    starts: Mutex<BTreeMap<&'static str, u64>>,
    /// How long a machine stays away once it died, when it is not as long as usual.
    absences: Mutex<BTreeMap<&'static str, Duration>>,
    /// Spans that went down with their machines.
    lost_spans: Mutex<BTreeSet<[u8; 8]>>,
}

/// A machine with its service running on it.
struct Machine {
    node: Arc<Node>,
    switchboard: Switchboard,
    router: Router,
    requests: JoinSet<()>,
    _parts: Box<dyn Any + Send>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, folder: &Path, story: Story, options: &Options) -> Self {
        let (mutant, is_scripted) = (options.mutant, options.script.is_some());
        let settings = Settings {
            data_dir: folder.to_owned(),
            seed,
            // A script's mishaps are shorter than the textbook's attempts, however commands travel.
            profile: if is_scripted {
                Profile::documents()
            } else {
                Profile::demo()
            },
            ..Settings::default()
        };
        let topology = Topology::new(settings.port_base);
        let network = Network::new(seed, topology, story.clone());
        if let Some(Mutant::Swallows(service, path)) = mutant {
            network.swallow(service, path);
        }
        let shared = Arc::new(Shared {
            settings,
            broker: if is_scripted {
                shop_broker::Settings::default()
            } else {
                IMPATIENT
            },
            story,
            network: network.clone(),
            collector: Collector::new(matches!(mutant, Some(Mutant::Leaks))),
            mutant,
            machines: Mutex::default(),
            keepers: Mutex::default(),
            starts: Mutex::default(),
            absences: Mutex::default(),
            lost_spans: Mutex::default(),
        });
        network.connect(shared.clone());
        Self { shared }
    }

    /// The services that customers of these kinds need.
    pub(crate) fn services(options: &Options) -> Vec<&'static str> {
        let travels = options.travellers > 0 && options.script.is_none();
        let is_needed = |name: &&str| travels || !OF_TRIPS.contains(name);
        SERVICES.into_iter().filter(is_needed).collect()
    }

    /// Starts services, one after the other, and keeps each running.
    pub(crate) async fn start(&self, services: &[&'static str]) -> anyhow::Result<()> {
        for &name in services {
            let node = Node::new(name);
            self.boot(name, &node)
                .await
                .with_context(|| format!("{name} does not start"))?;
            let keeper = self.clone().keep(name, node);
            self.shared
                .keepers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .spawn(keeper);
        }
        Ok(())
    }

    /// Ends everything; the data stays.
    pub(crate) fn stop(&self) {
        self.shared
            .keepers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
        for name in self.running() {
            self.with_node(name, |node, _| node.kill());
            self.shut(name);
        }
        self.shared.network.close();
    }

    pub(crate) fn network(&self) -> &Network {
        &self.shared.network
    }

    pub(crate) fn collector(&self) -> &Collector {
        &self.shared.collector
    }

    /// The file of a service.
    pub(crate) fn database(&self, name: &str) -> PathBuf {
        database(&self.shared.settings.data_dir, name)
    }

    /// Does something to a machine, when it runs.
    pub(crate) fn with_node(&self, name: &str, act: impl FnOnce(&Node, &Switchboard)) {
        if let Some(machine) = self.machines().get(name) {
            act(&machine.node, &machine.switchboard);
        }
    }

    /// When this machine dies it stays away for so long.
    pub(crate) fn stay_away(&self, name: &'static str, length: Duration) {
        self.absences().insert(name, length);
    }

    fn absence(&self, name: &str) -> Duration {
        self.absences().get(name).copied().unwrap_or(RESTART)
    }

    fn absences(&self) -> MutexGuard<'_, BTreeMap<&'static str, Duration>> {
        self.shared.absences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a service was started.
    pub(crate) fn starts(&self, name: &str) -> u64 {
        self.starts_by_name().get(name).copied().unwrap_or(0)
    }

    fn starts_by_name(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.shared.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every machine that runs.
    pub(crate) fn running(&self) -> Vec<&'static str> {
        self.machines().keys().copied().collect()
    }

    /// Puts the service together on its machine.
    async fn boot(&self, name: &'static str, node: &Arc<Node>) -> anyhow::Result<()> {
        let transport = self.shared.network.transport(name);
        let (settings, broker) = (self.shared.settings.clone(), self.shared.broker);
        let assembling = node.clone().run(async move {
            let service = Service::simulated(name, settings, transport)?;
            let assembled = assemble(name, &service, broker).await?;
            anyhow::Ok((service, assembled))
        });
        let (service, assembled) = tokio::select! {
            biased;
            assembled = assembling => assembled?,
            () = node.dead() => anyhow::bail!("died while it was starting"),
        };
        if let Some(Mutant::Sabotages(service, sql)) = self.shared.mutant
            && service == name
        {
            sabotage(&self.database(name), sql)?;
        }
        let (resource, relayed) = (service.resource(), node.clone());
        let transport = self.shared.network.transport(name);
        let url = format!("{}/v1/traces", self.topology().otlp_http());
        let mut relay = JoinSet::new();
        relay.spawn(send_spans(relayed, resource, transport, url));
        let (router, parts) = assembled.into_routes(&service);
        let machine = Machine {
            node: node.clone(),
            switchboard: service.faults.clone(),
            router,
            requests: JoinSet::new(),
            _parts: Box::new((parts, service, relay)),
        };
        self.machines().insert(name, machine);
        *self.starts_by_name().entry(name).or_default() += 1;
        Ok(())
    }

    /// Starts the service again each time it died.
    async fn keep(self, name: &'static str, mut node: Arc<Node>) {
        loop {
            node.dead().await;
            let how = match node.epitaph() {
                Some(Epitaph::OutOfSteps) => "in the middle of its work",
                _ => "between two steps",
            };
            self.shared.story.tell(format_args!("{name} died {how}"));
            self.shut(name);
            loop {
                tokio::time::sleep(self.absence(name)).await;
                node = Node::new(name);
                match self.boot(name, &node).await {
                    Ok(()) => break self.shared.story.tell(format_args!("{name} runs again")),
                    Err(error) => self.shared.story.tell(format_args!("{name} does not start: {error:#}")),
                }
            }
        }
    }

    /// Takes a machine that is dead away, and counts the faults that acted on it.
    fn shut(&self, name: &'static str) {
        let machine = self.machines().remove(name);
        if let Some(machine) = &machine {
            self.lost().extend(machine.node.untold_spans());
        }
        for (kind, times) in machine.iter().flat_map(|machine| machine.switchboard.acted()) {
            self.shared.story.count(Trouble::Fault(kind), times);
        }
    }

    /// Spans that went down with their machines.
    pub(crate) fn lost_spans(&self) -> BTreeSet<[u8; 8]> {
        self.lost().clone()
    }

    fn lost(&self) -> MutexGuard<'_, BTreeSet<[u8; 8]>> {
        self.shared.lost_spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topology(&self) -> Topology {
        Topology::new(self.shared.settings.port_base)
    }

    fn machines(&self) -> MutexGuard<'_, BTreeMap<&'static str, Machine>> {
        self.shared.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hosts for Shared {
    fn deliver(&self, to: &'static str, request: Request<Bytes>) -> Option<Work> {
        let (send, answer) = oneshot::channel();
        if to == COLLECTOR {
            // It was asked for a moment ago.
            let _ = send.send(self.collector.take(&request));
            return Some(Work {
                answer,
                cut: Box::new(|| {}),
            });
        }
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let machine = machines.get_mut(to)?;
        while machine.requests.try_join_next().is_some() {}
        let router = machine.router.clone();
        let work = machine.node.clone().run(async move {
            // The one who asked may be gone.
            let _ = send.send(respond(router, request).await);
        });
        let task = machine.requests.spawn(work);
        Some(Work {
            answer,
            cut: Box::new(move || task.abort()),
        })
    }
}

/// Sends the spans of a machine on, again and again until the collector has them; what is left when it dies is lost.
async fn send_spans(node: Arc<Node>, resource: Resource, transport: Transport, url: String) {
    while node.epitaph().is_none() {
        tokio::time::sleep(SPAN_DELAY).await;
        while let Some(parcel) = node.parcel(&resource, SPANS_AT_ONCE) {
            while !is_taken(&transport, &url, &parcel).await {
                if node.epitaph().is_some() {
                    return;
                }
                tokio::time::sleep(SPAN_DELAY).await;
            }
            node.delivered(&parcel);
        }
    }
}

async fn is_taken(transport: &Transport, url: &str, parcel: &Parcel) -> bool {
    let request = Request::post(url).body(Bytes::from(parcel.body.clone()));
    let request = request.expect("an address of our own");
    let answer = tokio::time::timeout(SPAN_PATIENCE, transport.exchange(request, 1 << 16)).await;
    matches!(answer, Ok(Ok(answer)) if answer.status().is_success())
}

async fn respond(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    let Ok(response) = router.oneshot(request.map(Body::from)).await;
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    Response::from_parts(head, body)
}

/// The file of a service in the data folder of a cluster.
pub(crate) fn database(folder: &Path, name: &str) -> PathBuf {
    folder.join("services").join(name).join(format!("{name}.sqlite"))
}

fn sabotage(path: &Path, sql: &str) -> anyhow::Result<()> {
    Ok(rusqlite::Connection::open(path)?.execute_batch(sql)?)
}

async fn assemble(name: &str, service: &Service, broker: shop_broker::Settings) -> anyhow::Result<Assembled> {
    match name {
        "analytics" => shop_analytics::assemble(service).await,
        "booking" => shop_booking::assemble(service),
        "broker" => shop_broker::assemble(service, broker),
        "cars" => shop_cars::assemble(service).await,
        "catalog" => shop_catalog::assemble(service).await,
        "hotels" => shop_hotels::assemble(service).await,
        "inventory" => shop_inventory::assemble(service).await,
        "notifications" => shop_notifications::assemble(service),
        "orders" => shop_orders::assemble(service),
        "payments" => shop_payments::assemble(service),
        "shipping" => shop_shipping::assemble(service),
        other => anyhow::bail!("there is no service {other}"),
    }
}

/// Gives a message up sooner than in production, so that dead letters are seen.
const IMPATIENT: shop_broker::Settings = shop_broker::Settings {
    visibility: Duration::from_secs(5),
    max_attempts: 4,
    retry_base: Duration::from_millis(100),
    retry_cap: Duration::from_secs(1),
};
