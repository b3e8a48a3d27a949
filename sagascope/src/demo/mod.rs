//! The demo: collector and shop as child processes of this one, with the terminal dashboard in front.
//!
//! Nothing is left running, however this process ends: in order by signals to each child, and by the lifeline of
//! `lifeline.rs` when it is killed. Every child is started again when it ends by itself.

mod keeper;
mod lock;
mod log;
mod plan;
mod ports;
mod progress;
mod ready;
mod token;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::cli::DemoOptions;
use keeper::{Keeper, News};
use lock::DataFolder;
use progress::Progress;

/// How long a dashboard that was told to end is waited for.
const DASHBOARD_LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// The dashboard in front.
type Dashboard = JoinHandle<anyhow::Result<()>>;

/// How long the services wait for the collector, so that their first telemetry has somewhere to go.
const COLLECTOR_HEAD_START: Duration = Duration::from_secs(5);

/// Runs the demo until a person ends it.
pub(crate) async fn run(options: DemoOptions) -> anyhow::Result<()> {
    let began = Instant::now();
    if !options.headless {
        crate::tui::must_be_possible()?;
    }
    let mut signals = Signals::listen()?;
    let folder = DataFolder::take(&options.collector.data_dir)?;
    let base = options.collector.port_base;
    ports::check(base, options.collector.bind, options.canary)?;
    let token = token::resolve(&options.collector, folder.path())?;
    let mut progress = Progress::new(began, &folder.logs());
    progress.opening(&options.profile, &shown_path(folder.path()));

    let mut cluster = Cluster::new(folder.logs())?;
    let mut dashboard = None;
    let outcome = tokio::select! {
        outcome = watch_over(&mut cluster, &options, &folder, &token, &mut progress, &mut dashboard) => outcome,
        () = signals.any() => Ok(()),
    };
    if let Some(dashboard) = dashboard {
        // It had the same signal and gives the terminal back before we write on it.
        let _ = tokio::time::timeout(DASHBOARD_LEAVES_WITHIN, dashboard).await;
    }
    progress.unmute();
    progress.closing();
    cluster.stop().await;
    progress.closed();
    outcome
}

/// Starts everything, then shows it until the dashboard is left. Headless, it never returns by itself.
async fn watch_over(
    cluster: &mut Cluster,
    options: &DemoOptions,
    folder: &DataFolder,
    token: &str,
    progress: &mut Progress,
    dashboard: &mut Option<Dashboard>,
) -> anyhow::Result<()> {
    let processes = plan::processes(options, folder.path(), token);
    let (count, mut processes) = (processes.len(), processes.into_iter());
    if let Some(collector) = processes.next() {
        cluster.start(collector);
    }
    wait_until(cluster, progress, 1, COLLECTOR_HEAD_START).await?;
    processes.for_each(|process| cluster.start(process));
    wait_until(cluster, progress, count, Duration::MAX).await?;

    let web = format!("http://127.0.0.1:{}", options.collector.port_base + 2);
    progress.up(&web, token, options.collector.port_base);
    if options.headless {
        loop {
            let news = cluster.news().await;
            progress.tell(&news);
        }
    }
    progress.mute();
    let shown = dashboard.insert(crate::tui::in_demo(&web, token));
    let outcome = loop {
        tokio::select! {
            outcome = &mut *shown => break outcome,
            news = cluster.news() => progress.tell(&news),
        }
    };
    *dashboard = None;
    outcome.context("the dashboard broke off")?
}

/// Tells the news until `count` processes are ready, or `patience` is over.
async fn wait_until(
    cluster: &mut Cluster,
    progress: &mut Progress,
    count: usize,
    patience: Duration,
) -> anyhow::Result<()> {
    let started = Instant::now();
    while cluster.ready.len() < count {
        let Ok(news) = tokio::time::timeout(patience.saturating_sub(started.elapsed()), cluster.news()).await else {
            return Ok(());
        };
        progress.tell(&news);
        refuse_a_collector_that_cannot_start(&news)?;
    }
    Ok(())
}

/// A collector that ends before it was ever ready says why, such as a data folder it cannot read. Trying again would
/// not change that.
fn refuse_a_collector_that_cannot_start(news: &News) -> anyhow::Result<()> {
    match news {
        News::Ended {
            name: "collector",
            how,
            ready_before: false,
            tail,
            ..
        } => {
            let said: Vec<&str> = tail
                .iter()
                .map(String::as_str)
                .filter(|line| !line.starts_with("-- "))
                .collect();
            anyhow::bail!("the collector {how}\n{}", said.join("\n"))
        }
        _ => Ok(()),
    }
}

/// The processes, each with its keeper.
struct Cluster {
    binary: PathBuf,
    logs: PathBuf,
    client: reqwest::Client,
    sender: mpsc::Sender<News>,
    receiver: mpsc::Receiver<News>,
    services: Group,
    collector: Group,
    ready: std::collections::BTreeSet<&'static str>,
}

/// Keepers that are told to stop together.
struct Group {
    stop: watch::Sender<bool>,
    keepers: Vec<JoinHandle<()>>,
}

impl Group {
    fn new() -> Self {
        Self {
            stop: watch::Sender::new(false),
            keepers: Vec::new(),
        }
    }

    async fn stop(&mut self) {
        self.stop.send_replace(true);
        for keeper in self.keepers.drain(..) {
            let _ = keeper.await;
        }
    }
}

impl Cluster {
    fn new(logs: PathBuf) -> anyhow::Result<Self> {
        let (sender, receiver) = mpsc::channel(64);
        Ok(Self {
            binary: std::env::current_exe()
                .context("cannot find this program's own file to start the services from")?,
            logs,
            client: ready::client()?,
            sender,
            receiver,
            services: Group::new(),
            collector: Group::new(),
            ready: std::collections::BTreeSet::new(),
        })
    }

    fn start(&mut self, process: plan::Process) {
        let is_collector = process.name == "collector";
        let (group, patience) = if is_collector {
            (&mut self.collector, plan::COLLECTOR_LEAVES_WITHIN)
        } else {
            (&mut self.services, plan::SERVICES_LEAVE_WITHIN)
        };
        let keeper = Keeper {
            binary: self.binary.clone(),
            process,
            logs: self.logs.clone(),
            client: self.client.clone(),
            news: self.sender.clone(),
            stop: group.stop.subscribe(),
            patience,
        };
        group.keepers.push(keeper.spawn());
    }

    async fn news(&mut self) -> News {
        match self.receiver.recv().await {
            Some(news) => {
                if let News::Ready { name, .. } = news {
                    self.ready.insert(name);
                }
                news
            }
            // We hold a sender ourselves, so this cannot happen; waiting is the harmless answer.
            None => std::future::pending().await,
        }
    }

    /// Services first, so that the collector still takes their last telemetry.
    async fn stop(&mut self) {
        self.receiver.close();
        self.services.stop().await;
        self.collector.stop().await;
    }
}

/// The three ways a person or a system says that it is enough.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Relative to the working folder when it is inside it: shorter to read.
fn shown_path(path: &Path) -> String {
    let relative = std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    relative.map_or_else(
        || path.display().to_string(),
        |relative| format!("./{}", relative.display()),
    )
}
