//! Starts and stops a collector, in a process of its own or in a test.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::middleware::from_fn_with_state;
use sagascope_store::{OpenError, Replay, Unreleased, Wal, WalOptions};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::config::{Config, Ports};
use crate::listen::{self, Protocol};
use crate::pipeline::{self, Pipeline};
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
    /// Binds the ports, opens the log and serves; the log is replayed meanwhile, see [`Collector::ready`].
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
        let (wal, replay) = open_log(config.clone()).await?;
        let guard = guard(&config, addresses)?;
        let (stop, stopping) = watch::channel(false);
        let (events, queue) = mpsc::channel(pipeline::QUEUE);
        let run = Secret::random()?.as_str()[..12].to_owned();
        let app = App::new(config, addresses, guard, run, events, wal, stopping);
        let (ready_now, ready) = watch::channel(false);
        let otlp = receive::http_router(Arc::clone(&app)).layer(from_fn_with_state(Arc::clone(&app), guard_otlp));
        let grpc_otlp = receive::grpc_router(Arc::clone(&app)).layer(from_fn_with_state(Arc::clone(&app), guard_grpc));
        let serve =
            |listener, router, protocol| tokio::spawn(listen::serve(listener, router, protocol, Arc::clone(&app)));
        let tasks = vec![
            serve(grpc.0, grpc_otlp, Protocol::Grpc),
            serve(http.0, otlp, Protocol::Http),
            serve(api.0, router::api(&app), Protocol::Http),
            tokio::spawn(replay_then_run(Arc::clone(&app), replay, queue, ready_now)),
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
    }
}

async fn replay_then_run(
    app: Arc<App>,
    log: Replay,
    queue: mpsc::Receiver<pipeline::Event>,
    ready: watch::Sender<bool>,
) {
    let replaying = Arc::clone(&app);
    let replayed = tokio::task::spawn_blocking(move || pipeline::replay(&replaying, log)).await;
    if let Err(error) = replayed {
        tracing::error!(%error, "the log could not be replayed");
        return;
    }
    app.ready.store(true, Ordering::Release);
    ready.send_replace(true);
    Pipeline::new(app, queue).run().await;
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

async fn open_log(config: Config) -> Result<(Wal, Replay), StartError> {
    let options = WalOptions {
        durability: config.durability,
        cap_bytes: config.storage_cap_bytes,
        unreleased: Unreleased::Drop,
        retention: config.retention,
        free_floor_bytes: config.free_floor_bytes,
        ..WalOptions::new(config.data_dir.join("wal"))
    };
    let opened = tokio::task::spawn_blocking(move || Wal::open(options)).await;
    Ok(opened.map_err(|error| StartError::Token(error.to_string()))??)
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
