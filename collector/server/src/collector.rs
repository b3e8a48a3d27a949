//! Starts and stops a collector, in a process of its own or in a test.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use sagascope_core::projections::{Limits, Projections};
use sagascope_store::segments::{Segments, SegmentsError};
use sagascope_store::{OpenError, Position, Replay, Unreleased, Wal, WalOptions, picture};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::app::{self, App, Queues, Stores};
use crate::config::{Config, Ports};
use crate::experiments::Experiments;
use crate::listen::{self, Protocol};
use crate::pipeline::{self, KeptUpTo, Pipeline, Sources};
use crate::security::{Guard, Secret, SecretError, guard_grpc, guard_otlp};
use crate::{receive, router};

/// Where a collector listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub grpc: SocketAddr,
    /// OTLP over HTTP.
    pub http: SocketAddr,
    /// Page, API, live stream, control.
    pub api: SocketAddr,
}

/// Why a collector does not start; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken.
    #[error(
        "cannot listen on {address}:{port} for {purpose} ({error}): stop what listens there, or choose other ports with --port-base"
    )]
    Port {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// What it is for.
        purpose: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The sealed files cannot be used.
    #[error("cannot use the sealed telemetry: {0}: choose another folder with --data-dir, or move this one away")]
    Segments(#[from] SegmentsError),
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}: raise the limit of threads (ulimit -u)")]
    Thread(io::Error),
    /// The token is unfit or cannot be kept.
    #[error("{0}")]
    Token(String),
}

impl From<SecretError> for StartError {
    fn from(error: SecretError) -> Self {
        Self::Token(error.to_string())
    }
}

/// A running collector. Dropped without [`Collector::stop`] it ends at once, like a killed process.
pub struct Collector {
    app: Arc<App>,
    stop: watch::Sender<bool>,
    ready: watch::Receiver<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Collector {
    /// Binds the ports, opens what is kept and serves: telemetry is taken at once, the log is replayed meanwhile, see
    /// [`Collector::ready`].
    ///
    /// # Errors
    /// When a port is taken, the data folder cannot be used, or the token is unfit.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let grpc = bind(config.bind, config.ports.grpc, "OTLP over gRPC").await?;
        let http = bind(config.bind, config.ports.http, "OTLP over HTTP").await?;
        let api = bind(config.bind, config.ports.api, "page and API").await?;
        let addresses = Addresses {
            grpc: grpc.1,
            http: http.1,
            api: api.1,
        };
        let opened = open(config.clone()).await?;
        let guard = guard(&config, addresses)?;
        let (stop, stopping) = watch::channel(false);
        let (events, event_queue) = mpsc::channel(pipeline::QUEUE);
        let (intake, intake_queue) = mpsc::channel(pipeline::intake(config.requests_bytes));
        let run = Secret::random()?.as_str()[..12].to_owned();
        let queues = Queues { events, intake };
        let app = App::new(config, addresses, guard, run, queues, opened.stores, stopping);
        let (ready_now, ready) = watch::channel(false);
        let sources = Sources {
            events: event_queue,
            replayed: pipeline::replay(&app, opened.replay),
            intake: intake_queue,
            ready: ready_now,
        };
        let otlp = receive::http_router(Arc::clone(&app)).layer(from_fn_with_state(Arc::clone(&app), guard_otlp));
        let grpc_otlp = receive::grpc_router(Arc::clone(&app)).layer(from_fn_with_state(Arc::clone(&app), guard_grpc));
        let serve =
            |listener, router, protocol| tokio::spawn(listen::serve(listener, router, protocol, Arc::clone(&app)));
        let tasks = vec![
            serve(grpc.0, grpc_otlp, Protocol::Grpc),
            serve(http.0, otlp, Protocol::Http),
            serve(api.0, router::api(&app), Protocol::Http),
            pipeline::spawn(Pipeline::new(Arc::clone(&app), sources, opened.kept)).map_err(StartError::Thread)?,
        ];
        Ok(Self {
            app,
            stop,
            ready,
            tasks,
        })
    }

    /// Returns once the log is replayed and queries answer; false when the collector stopped before.
    pub async fn ready(&self) -> bool {
        self.ready.clone().wait_for(|ready| *ready).await.is_ok()
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.app.addresses
    }

    /// The token for control.
    #[must_use]
    pub fn token(&self) -> &str {
        self.app.guard.token.as_str()
    }

    /// The page, by a name that a browser on this machine reaches.
    #[must_use]
    pub fn url(&self) -> String {
        let address = self.app.addresses.api;
        let host = match address.ip() {
            ip if ip.is_loopback() && ip.is_ipv4() || ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        format!("http://{host}:{}", address.port())
    }

    /// The link that logs a browser in.
    #[must_use]
    pub fn login_url(&self) -> String {
        format!("{}/login?token={}", self.url(), self.token())
    }

    /// Answers what is under way, writes what is queued, then ends.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.app.experiments.stopped().await;
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(%error, "a part of the collector panicked");
            }
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
        self.app.experiments.abort();
    }
}

async fn bind(address: IpAddr, port: u16, purpose: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = listen::bind(address, port).await;
    bound.map_err(|error| StartError::Port {
        address,
        port,
        purpose,
        error,
    })
}

/// What was kept from earlier runs.
struct Opened {
    stores: Stores,
    replay: Replay,
    kept: KeptUpTo,
}

async fn open(config: Config) -> Result<Opened, StartError> {
    let opened = tokio::task::spawn_blocking(move || open_blocking(&config)).await;
    opened.map_err(|error| StartError::Token(error.to_string()))?
}

/// The lock of the log is taken first: nothing else in the folder is touched while another collector has it.
fn open_blocking(config: &Config) -> Result<Opened, StartError> {
    let options = WalOptions {
        durability: config.durability,
        cap_bytes: config.storage_cap_bytes,
        unreleased: Unreleased::Refuse,
        retention: None,
        free_floor_bytes: config.free_floor_bytes,
        ..WalOptions::new(config.data_dir.join("wal"))
    };
    let (wal, mut replay) = Wal::open(options)?;
    let segments = Segments::open(config.data_dir.join("segments"))?;
    let (sealed_to, next) = segments.sealed_to()?;
    let picture = picture::kept(&config.data_dir).and_then(|kept| {
        match Projections::from_snapshot(&kept.bytes, Limits::default(), app::now()) {
            Ok(projections) => Some((kept.position, projections)),
            Err(error) => {
                tracing::warn!(%error, "the kept picture cannot be used; the log is read instead");
                None
            }
        }
    });
    let (position, projections) = match picture {
        Some((position, projections)) => (Some(position), projections),
        None => (None, Projections::new(Limits::default())),
    };
    let kept = KeptUpTo {
        segments: sealed_to.and_then(Position::before),
        picture: position,
    };
    let known = kept.segments.max(kept.picture);
    wal.begin_after(known);
    replay.begin_after(kept.segments.min(kept.picture));
    Ok(Opened {
        stores: Stores {
            wal,
            segments,
            next,
            projections,
            experiments: Experiments::open(config.laboratory.clone(), &config.data_dir),
        },
        replay,
        kept,
    })
}

fn guard(config: &Config, addresses: Addresses) -> Result<Guard, StartError> {
    let path = config.data_dir.join("token");
    let token = match &config.token {
        Some(word) => {
            let token = Secret::chosen(word)?;
            keep(&token, &path)?;
            token
        }
        None => Secret::kept(&path)?,
    };
    let session = Secret::kept(&config.data_dir.join("session"))?;
    let ports = Ports {
        grpc: addresses.grpc.port(),
        http: addresses.http.port(),
        api: addresses.api.port(),
    };
    Ok(Guard::new(token, session, config.bind, &config.allowed_hosts, ports))
}

/// A chosen token is kept too: the terminal dashboard looks for it there.
fn keep(token: &Secret, path: &Path) -> Result<(), StartError> {
    token
        .keep(path)
        .map_err(|error| StartError::Token(format!("cannot keep the token in {}: {error}", path.display())))
}
