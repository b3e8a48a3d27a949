//! A shop of its own for one scenario: the whole demo in a temporary folder, without shoppers.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal};
use sagascope_api::client::Client;
use sagascope_api::faults::FaultRequest;
use sagascope_conventions::{FaultKind, FaultState, FaultStrength, FaultTarget};
use serde_json::Value;
use shop_kit::topology::{SERVICES, Topology};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::progress::Progress;
use crate::cli::LabOptions;
use crate::lifeline;

/// Time to come up, on a machine that is busy.
const UP_WITHIN: Duration = Duration::from_secs(90);
/// Time to leave by itself.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Longest wait for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// Lines of output kept for the error when it does not come up.
const TAIL: usize = 20;

/// The running shop; it ends with this value, and its folder goes.
pub(super) struct Cluster {
    child: Child,
    topology: Topology,
    http: reqwest::Client,
    api: Client,
    progress: Progress,
    _folder: TempDir,
}

/// What a service answered.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Reply {
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

impl Cluster {
    /// Starts it and waits until every service is ready.
    pub(super) async fn start(options: &LabOptions) -> anyhow::Result<Self> {
        Self::start_with(options, &[]).await
    }

    /// The same with more flags of the demo.
    pub(super) async fn start_with(options: &LabOptions, flags: &[&str]) -> anyhow::Result<Self> {
        let (base, progress) = (free_base()?, Progress::new(options));
        progress.tell(format!("starts a shop of its own on port {base} and above"));
        let folder = tempfile::Builder::new()
            .prefix(".sagascope-lab-")
            .tempdir_in(&options.data_dir)
            .with_context(|| format!("cannot make a folder in {}", options.data_dir.display()))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["demo", "--headless", "--rate", "0"])
            .args(flags)
            .args(["--seed", &options.seed.to_string()])
            .args(["--port-base", &base.to_string()])
            .arg("--data-dir")
            .arg(folder.path())
            // It ends when this process does, however that ends.
            .env(lifeline::VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the shop")?;
        up(&mut child).await?;
        let token = std::fs::read_to_string(folder.path().join("token")).context("the shop made no token")?;
        let topology = Topology::new(base);
        progress.tell("the shop is up");
        Ok(Self {
            child,
            topology,
            http: reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?,
            api: Client::new(&topology.api(), Some(token.trim().to_owned()))?,
            progress,
            _folder: folder,
        })
    }

    /// The collector's API, with the right to control.
    pub(super) const fn api(&self) -> &Client {
        &self.api
    }

    /// Tells what happens now.
    pub(super) fn tell(&self, what: impl Into<String>) {
        self.progress.tell(what);
    }

    /// Asks a service.
    pub(super) async fn get(&self, service: &str, path: &str) -> anyhow::Result<Reply> {
        self.send(self.http.get(self.url(service, path)?)).await
    }

    /// Tells a service, under an idempotency key when there is one.
    pub(super) async fn post(
        &self,
        service: &str,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> anyhow::Result<Reply> {
        let mut request = self.http.post(self.url(service, path)?).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request).await
    }

    /// What a service answers, which must be a success.
    pub(super) async fn read(&self, service: &str, path: &str) -> anyhow::Result<Value> {
        let reply = self.get(service, path).await?;
        anyhow::ensure!(
            reply.is_success(),
            "{service} answers {} to {path}: {}",
            reply.status,
            reply.body
        );
        Ok(reply.body)
    }

    /// Puts something at an address of a service.
    pub(super) async fn put(&self, service: &str, path: &str, body: &Value) -> anyhow::Result<Reply> {
        self.send(self.http.put(self.url(service, path)?).json(body)).await
    }

    /// Breaks a service for a while.
    pub(super) async fn arm(
        &self,
        service: &str,
        kind: FaultKind,
        strength: FaultStrength,
        seconds: u64,
    ) -> anyhow::Result<()> {
        self.arm_at(service, None, kind, strength, seconds).await
    }

    /// Breaks one operation of a service for a while, and waits until the service has it.
    pub(super) async fn arm_at(
        &self,
        service: &str,
        operation: Option<&str>,
        kind: FaultKind,
        strength: FaultStrength,
        seconds: u64,
    ) -> anyhow::Result<()> {
        let target = FaultTarget {
            service: service.to_owned(),
            operation: operation.map(str::to_owned),
            instance: None,
        };
        self.arm_target(target, kind, strength, seconds).await
    }

    /// Breaks what it is aimed at for a while, and waits until that has it.
    pub(super) async fn arm_target(
        &self,
        target: FaultTarget,
        kind: FaultKind,
        strength: FaultStrength,
        seconds: u64,
    ) -> anyhow::Result<()> {
        let service = target.service.clone();
        let request = FaultRequest {
            target,
            kind,
            strength,
            duration_seconds: seconds,
            seed: None,
        };
        let armed = self
            .api
            .arm(&request)
            .await
            .with_context(|| format!("{service} cannot be broken"))?;
        self.tell(format!("{} for {seconds} s", sagascope_api::text::fault_line(&armed)));
        if kind == FaultKind::Crash {
            // Who has crashed acknowledges nothing.
            return Ok(());
        }
        Self::until("the fault is in force", ANSWER_WITHIN, || async {
            let faults = self.api.faults().await.ok()?.items;
            let fault = faults.into_iter().find(|fault| fault.fault.id == armed.fault.id)?;
            (fault.state != FaultState::Pending).then_some(())
        })
        .await
    }

    /// Ends every fault.
    pub(super) async fn heal(&self) -> anyhow::Result<()> {
        self.tell("ends every fault");
        self.api.clear_all().await.context("faults cannot be ended")
    }

    /// Asks until there is an answer, at most for `patience`.
    pub(super) async fn until<T, F>(what: &str, patience: Duration, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = Option<T>>,
    {
        let began = Instant::now();
        loop {
            if let Some(found) = ask().await {
                return Ok(found);
            }
            anyhow::ensure!(
                began.elapsed() < patience,
                "{what}: not within {} s",
                patience.as_secs()
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it in order.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.tell("stops the shop");
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            rustix::process::kill_process(pid, Signal::TERM)?;
        }
        // Dropping kills what does not leave.
        let _ = timeout(GONE_WITHIN, self.child.wait()).await;
        Ok(())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Reply> {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        // An empty body, or one that is no JSON, is as good as none: the status is what counts.
        let body = answer.json().await.unwrap_or(Value::Null);
        Ok(Reply { status, body })
    }

    fn url(&self, service: &str, path: &str) -> anyhow::Result<String> {
        let base = self
            .topology
            .url(service)
            .with_context(|| format!("there is no service {service}"))?;
        Ok(format!("{base}{path}"))
    }
}

async fn up(child: &mut Child) -> anyhow::Result<()> {
    let output = child.stdout.take().context("the shop's output is not to be had")?;
    let mut lines = BufReader::new(output).lines();
    let mut tail = Vec::new();
    let came = timeout(UP_WITHIN, async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("Everything is up") {
                return anyhow::Ok(true);
            }
            tail.push(line);
            if tail.len() > TAIL {
                tail.remove(0);
            }
        }
        Ok(false)
    })
    .await;
    anyhow::ensure!(
        matches!(came, Ok(Ok(true))),
        "the shop does not come up; it said:\n{}",
        tail.join("\n")
    );
    // Somebody has to read on, or the shop would stop at a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(())
}

/// Ports of all services; twice, as second versions are behind the first.
const NEEDED: u16 = 13 + 2 * SERVICES.len() as u16;
/// Where a shop may begin. Below the ports that outgoing connections are given: one of those would be taken by somebody
/// between two starts of a service.
const BASES: Range<u16> = 10_000..20_000;

/// A port base of which all ports are free now. Shops that begin at the same moment hardly meet: they look at random.
fn free_base() -> anyhow::Result<u16> {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let slots = (BASES.end - BASES.start) / NEEDED;
    let first = rand::random_range(0..slots);
    (0..slots)
        .map(|n| BASES.start + (first + n) % slots * NEEDED)
        .find(|&base| (base..base + NEEDED).all(is_free))
        .with_context(|| format!("no {NEEDED} free ports in a row from {} to {}", BASES.start, BASES.end))
}
