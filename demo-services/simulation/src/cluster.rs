//! The machines: each runs one service, put together as in production, dies, and is started again on the same data.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use shop_kit::faults::Switchboard;
use shop_kit::service::{Assembled, Service, Settings};
use shop_kit::simulated::{Epitaph, Node};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::collector::Collector;
use crate::mutants::Mutant;
use crate::network::{COLLECTOR, Hosts, Network, Work};
use crate::story::Story;
use crate::trouble::Trouble;

/// Services of the cluster, in the order in which they are started.
pub(crate) const SERVICES: [&str; 8] = [
    "broker",
    "catalog",
    "inventory",
    "payments",
    "shipping",
    "orders",
    "notifications",
    "analytics",
];
/// A machine needs so long to start its service again.
const RESTART: Duration = Duration::from_millis(700);

/// A cheap clone.
#[derive(Clone)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    story: Story,
    network: Network,
    collector: Collector,
    mutant: Option<Mutant>,
    machines: Mutex<BTreeMap<&'static str, Machine>>,
    keepers: Mutex<JoinSet<()>>,
    starts: Mutex<BTreeMap<&'static str, u64>>,
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
    pub(crate) fn new(seed: u64, folder: &Path, story: Story, mutant: Option<Mutant>) -> Self {
        let settings = Settings {
            data_dir: folder.to_owned(),
            seed,
            ..Settings::default()
        };
        let topology = shop_kit::topology::Topology::new(settings.port_base);
        let network = Network::new(seed, topology, story.clone());
        if let Some(Mutant::Swallows(service, path)) = mutant {
            network.swallow(service, path);
        }
        let shared = Arc::new(Shared {
            settings,
            story,
            network: network.clone(),
            collector: Collector::new(matches!(mutant, Some(Mutant::Leaks))),
            mutant,
            machines: Mutex::default(),
            keepers: Mutex::default(),
            starts: Mutex::default(),
        });
        network.connect(shared.clone());
        Self { shared }
    }

    /// Starts every service, one after the other, and keeps each running.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        for name in SERVICES {
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
        let settings = self.shared.settings.clone();
        let assembling = node.clone().run(async move {
            let service = Service::simulated(name, settings, transport)?;
            let assembled = assemble(name, &service).await?;
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
        let (router, parts) = assembled.into_routes(&service);
        let machine = Machine {
            node: node.clone(),
            switchboard: service.faults.clone(),
            router,
            requests: JoinSet::new(),
            _parts: Box::new((parts, service)),
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
                tokio::time::sleep(RESTART).await;
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
        for (kind, times) in machine.iter().flat_map(|machine| machine.switchboard.acted()) {
            self.shared.story.count(Trouble::Fault(kind), times);
        }
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

async fn assemble(name: &str, service: &Service) -> anyhow::Result<Assembled> {
    match name {
        "analytics" => shop_analytics::assemble(service).await,
        "broker" => shop_broker::assemble(service, BROKER),
        "catalog" => shop_catalog::assemble(service).await,
        "inventory" => shop_inventory::assemble(service).await,
        "notifications" => shop_notifications::assemble(service),
        "orders" => shop_orders::assemble(service),
        "payments" => shop_payments::assemble(service),
        "shipping" => shop_shipping::assemble(service),
        other => anyhow::bail!("there is no service {other}"),
    }
}

/// Gives a message up sooner than in production, so that dead letters are seen.
const BROKER: shop_broker::Settings = shop_broker::Settings {
    visibility: Duration::from_secs(5),
    max_attempts: 4,
    retry_base: Duration::from_millis(100),
    retry_cap: Duration::from_secs(1),
};
