//! The collector that is measured: one of our own in a folder of its own, or one that runs already.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::usage::Process;
use crate::cli::{BenchProtocol, SubjectOptions};
use crate::exit;

/// A collector that does not answer within this time does not come.
const PATIENCE: Duration = Duration::from_secs(120);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(2);

/// The collector.
pub(super) struct Subject {
    /// Web and API, without a slash at the end.
    pub(super) api: String,
    otlp_grpc: String,
    otlp_http: String,
    /// What can be asked of the kernel.
    pub(super) process: Option<Process>,
    own: Option<Own>,
    client: reqwest::Client,
}

/// What belongs to a collector that we started.
struct Own {
    child: Child,
    arguments: Vec<String>,
    folder: TempDir,
}

/// How long a start took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Until telemetry was accepted.
    pub(super) accepting: Duration,
    /// Until queries answered with all that is kept.
    pub(super) ready: Duration,
}

impl Subject {
    /// Starts a collector, or finds the one that runs.
    pub(super) async fn start(options: &SubjectOptions) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let Some(url) = &options.url else {
            return Self::start_own(options, client).await;
        };
        let (otlp_grpc, otlp_http) = otlp_beside(url)?;
        let subject = Self {
            api: url.trim_end_matches('/').to_owned(),
            otlp_grpc,
            otlp_http,
            process: options.pid.map(Process::new),
            own: None,
            client,
        };
        anyhow::ensure!(subject.is_ready().await, "no collector that is ready answers at {url}");
        Ok(subject)
    }

    async fn start_own(options: &SubjectOptions, client: reqwest::Client) -> anyhow::Result<Self> {
        let base = options.port_base.map_or_else(free_base, Ok)?;
        let folder = tempfile::Builder::new()
            .prefix(".sagascope-bench-")
            .tempdir_in(&options.data_dir)
            .with_context(|| format!("cannot make a folder in {}", options.data_dir.display()))?;
        let arguments = arguments(options, base, &folder);
        let child = spawn(&arguments)?;
        let mut subject = Self {
            api: format!("http://127.0.0.1:{}", base + 2),
            otlp_grpc: format!("http://127.0.0.1:{base}"),
            otlp_http: format!("http://127.0.0.1:{}", base + 1),
            process: child.id().map(Process::new),
            own: Some(Own {
                child,
                arguments,
                folder,
            }),
            client,
        };
        subject.wait(Instant::now()).await?;
        Ok(subject)
    }

    /// Where OTLP goes.
    pub(super) fn otlp(&self, protocol: BenchProtocol) -> &str {
        match protocol {
            BenchProtocol::Grpc => &self.otlp_grpc,
            BenchProtocol::Http => &self.otlp_http,
        }
    }

    /// Where it keeps everything; unknown of one that we did not start.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|own| own.folder.path().to_owned())
    }

    /// Kills it without warning and starts it again on the same data; nothing for one that we did not start.
    pub(super) async fn kill_and_restart(&mut self) -> anyhow::Result<Option<Start>> {
        let Some(own) = &mut self.own else {
            return Ok(None);
        };
        own.child.kill().await?;
        let began = Instant::now();
        own.child = spawn(&own.arguments)?;
        self.process = own.child.id().map(Process::new);
        self.wait(began).await.map(Some)
    }

    /// Stops it when it is ours.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(own) = &mut self.own {
            own.child.kill().await?;
        }
        Ok(())
    }

    async fn wait(&mut self, began: Instant) -> anyhow::Result<Start> {
        let outcome = timeout(PATIENCE, async {
            let mut accepting = None;
            loop {
                if let Some(own) = &mut self.own
                    && let Some(status) = own.child.try_wait()?
                {
                    anyhow::bail!("the collector ended: {status}");
                }
                if accepting.is_none() && self.is_accepting().await {
                    accepting = Some(began.elapsed());
                }
                if let Some(accepting) = accepting
                    && self.is_ready().await
                {
                    let ready = began.elapsed();
                    return Ok(Start { accepting, ready });
                }
                sleep(BETWEEN_QUESTIONS).await;
            }
        });
        outcome.await.context("the collector does not get ready")?
    }

    /// An empty request is a success exactly when telemetry is taken.
    async fn is_accepting(&self) -> bool {
        let request = self
            .client
            .post(format!("{}/v1/traces", self.otlp_http))
            .header("content-type", "application/x-protobuf");
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/readyz", self.api)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

fn arguments(options: &SubjectOptions, base: u16, folder: &TempDir) -> Vec<String> {
    let mut arguments = vec![
        "collect".to_owned(),
        format!("--data-dir={}", folder.path().display()),
        format!("--port-base={base}"),
        format!("--durability={}", options.durability.as_str()),
        format!("--storage-cap={}", options.storage_cap),
    ];
    arguments.extend(options.memory_cap.map(|bytes| format!("--memory-cap={bytes}")));
    arguments
}

fn spawn(arguments: &[String]) -> anyhow::Result<Child> {
    let binary = std::env::current_exe()?;
    Command::new(&binary)
        .args(arguments)
        .env(crate::lifeline::VARIABLE, "1")
        // What is set for other collectors must not reach this one.
        .env_remove("SAGASCOPE_BIND")
        .env_remove("SAGASCOPE_ALLOWED_HOST")
        .env("RUST_LOG", "warn")
        // The write end stays with us: see `lifeline`.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| binary.display().to_string())
}

/// OTLP over gRPC and HTTP listens on the two ports below the API's.
fn otlp_beside(url: &str) -> anyhow::Result<(String, String)> {
    let wrong = || {
        exit::usage(format!(
            "`{url}` is no address of a collector; it should look like http://127.0.0.1:4319"
        ))
    };
    let mut at = reqwest::Url::parse(url).map_err(|_| wrong())?;
    let port = at.port().filter(|port| *port > 2).ok_or_else(wrong)?;
    let mut below = |by: u16| {
        at.set_port(Some(port - by)).map_err(|()| wrong())?;
        Ok::<_, anyhow::Error>(at.as_str().trim_end_matches('/').to_owned())
    };
    Ok((below(2)?, below(1)?))
}

/// Three free ports in a row. Another program may take one before we do; then the collector says so.
fn free_base() -> anyhow::Result<u16> {
    for _ in 0..50 {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let base = first.local_addr()?.port();
        let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if base < 65_500 && is_free(base + 1) && is_free(base + 2) {
            return Ok(base);
        }
    }
    anyhow::bail!("no three free ports in a row; choose some with --port-base")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn otlp_is_two_ports_below() {
        let (grpc, http) = otlp_beside("http://127.0.0.1:4319/").unwrap();
        assert_eq!(
            (grpc.as_str(), http.as_str()),
            ("http://127.0.0.1:4317", "http://127.0.0.1:4318")
        );
        for wrong in ["", "127.0.0.1:4319", "http://127.0.0.1", "http://127.0.0.1:1"] {
            assert!(otlp_beside(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn three_ports_are_found() {
        assert!(free_base().unwrap() > 1_024);
    }
}
