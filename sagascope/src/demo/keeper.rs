//! Keeps one process of the demo alive: starts it, tells when it is ready, starts it again when it ends.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::log::ChildLog;
use super::plan::{Process, backoff};
use super::ready;

/// A life shorter than this counts as a failed start and lengthens the wait before the next.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// Longest line of a child that is kept whole.
const LINE_LIMIT_BYTES: u64 = 64 << 10;

/// What became of a process.
#[derive(Debug)]
pub(crate) enum News {
    /// It answers; `restarts` lives came before.
    Ready { name: &'static str, restarts: u32 },
    /// It ended by itself and is started again after `again_in`.
    Ended {
        name: &'static str,
        how: String,
        short_lives: u32,
        ready_before: bool,
        tail: Vec<String>,
        again_in: Duration,
    },
}

/// Runs until `stop` says so, then ends the process: politely, and by force after `patience`.
pub(crate) struct Keeper {
    pub(crate) binary: PathBuf,
    pub(crate) process: Process,
    pub(crate) logs: PathBuf,
    pub(crate) client: reqwest::Client,
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) patience: Duration,
}

impl Keeper {
    /// Starts keeping.
    pub(crate) fn spawn(self) -> JoinHandle<()> {
        tokio::spawn(self.keep())
    }

    async fn keep(mut self) {
        let log = Arc::new(Mutex::new(ChildLog::open(&self.logs, self.process.name)));
        let mut ready_before = false;
        let mut short_lives = 0_u32;
        for restarts in 0_u32.. {
            lock(&log).begin_life();
            let born = Instant::now();
            let how = match self.live(restarts, &log, &mut ready_before).await {
                Life::Stopped => return,
                Life::Ended(how) => how,
            };
            short_lives = if born.elapsed() < SHORT_LIFE {
                short_lives + 1
            } else {
                0
            };
            let again_in = backoff(short_lives.saturating_sub(1));
            lock(&log).write_line(
                format!(
                    "-- supervisor: {} {how}; starts again in {again_in:?}",
                    self.process.name
                )
                .as_bytes(),
            );
            let tail = lock(&log).tail().map(str::to_owned).collect();
            let news = News::Ended {
                name: self.process.name,
                how,
                short_lives,
                ready_before,
                tail,
                again_in,
            };
            if self.news.send(news).await.is_err() || self.stopped_within(again_in).await {
                return;
            }
        }
    }

    /// One life of the process.
    async fn live(&mut self, restarts: u32, log: &Arc<Mutex<ChildLog>>, ready_before: &mut bool) -> Life {
        let mut child = match self.start(restarts) {
            Ok(child) => child,
            Err(error) => return Life::Ended(format!("could not be started: {error:#}")),
        };
        // `wait` would close it, and with it the child's lifeline.
        let _lifeline = child.stdin.take();
        let pumps = pump_output(&mut child, log);
        let mut ready = std::pin::pin!(ready::wait(&self.client, &self.process.ready_url));
        let mut told = false;
        loop {
            tokio::select! {
                () = &mut ready, if !told => {
                    told = true;
                    *ready_before = true;
                    let _ = self.news.send(News::Ready { name: self.process.name, restarts }).await;
                }
                status = child.wait() => {
                    for pump in pumps { let _ = pump.await; }
                    return Life::Ended(ended(status));
                }
                () = told_to_stop(&mut self.stop) => {
                    end(&mut child, self.patience).await;
                    return Life::Stopped;
                }
            }
        }
    }

    fn start(&self, restarts: u32) -> anyhow::Result<Child> {
        Command::new(&self.binary)
            .args(&self.process.arguments)
            .envs(self.process.environment.iter().map(|(key, value)| (key, value)))
            .env("SAGASCOPE_RESTARTS", restarts.to_string())
            // The write end stays with us: see `lifeline`.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group, so that Ctrl-C in the terminal reaches the supervisor alone and the end is orderly.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| self.binary.display().to_string())
    }

    async fn stopped_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stop.wait_for(|stop| *stop))
            .await
            .is_ok()
    }
}

/// Returns once the supervisor says so, or has gone.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

enum Life {
    Stopped,
    Ended(String),
}

fn ended(status: std::io::Result<ExitStatus>) -> String {
    match status {
        // "ended by signal: 9 (SIGKILL)", "ended with exit status: 1"
        Ok(status) if status.code().is_none() => format!("ended by {status}"),
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("ended in an unknown way: {error}"),
    }
}

/// SIGTERM to the group, and SIGKILL when that did not help in time.
async fn end(child: &mut Child, patience: Duration) {
    signal(child, Signal::TERM);
    if tokio::time::timeout(patience, child.wait()).await.is_err() {
        signal(child, Signal::KILL);
        let _ = child.wait().await;
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // The group is gone only when the child is: nothing to do then.
        let _ = kill_process_group(pid, signal);
    }
}

fn pump_output(child: &mut Child, log: &Arc<Mutex<ChildLog>>) -> Vec<JoinHandle<()>> {
    let mut pumps = Vec::new();
    if let Some(output) = child.stdout.take() {
        pumps.push(tokio::spawn(pump(output, Arc::clone(log))));
    }
    if let Some(errors) = child.stderr.take() {
        pumps.push(tokio::spawn(pump(errors, Arc::clone(log))));
    }
    pumps
}

/// Copies lines into the log until the child closes its end. A line over the limit is cut into several.
async fn pump(from: impl AsyncRead + Unpin, log: Arc<Mutex<ChildLog>>) {
    use tokio::io::AsyncReadExt;
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut from).take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => lock(&log).write_line(line.strip_suffix(b"\n").unwrap_or(&line)),
        }
    }
}

fn lock(log: &Mutex<ChildLog>) -> std::sync::MutexGuard<'_, ChildLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
