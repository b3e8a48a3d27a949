//! Experiments on behalf of the collector beside a demo: each a `sagascope lab NAME --json` of its own.
//!
//! The child has its own ports and its own folder under the demo's. It holds a lifeline to this process (see
//! `lifeline.rs`), and its shop one to it: whatever ends, everything below it ends too. The folder goes after each run,
//! and what a killed process left of it at the next start.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal};
use sagascope_api::experiments::{FigureTable, Finding, RunRequest, Scenario};
use sagascope_server::{Laboratory, Measured, Order, Work};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::progress::Line;
use super::scenarios::SCENARIOS;
use crate::lifeline;

/// Longest result that is read.
const RESULT_BYTES: u64 = 1 << 20;
/// Longest line of progress that is read whole.
const LINE_BYTES: u64 = 4 << 10;
/// Lines that are no progress, kept for the reason when it breaks off.
const TAIL: usize = 8;
/// After being told to end, it has this long; its shop follows by its lifeline.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);
/// The last processes of a killed shop may still write: how often its folder is tried, and how far apart.
const TRIES: u32 = 40;
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Starts labs that keep their folders below one.
pub(crate) struct ChildLab {
    folder: PathBuf,
}

impl ChildLab {
    /// Below the data folder of the demo.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("experiments").join("shops"),
        }
    }
}

impl Laboratory for ChildLab {
    fn scenarios(&self) -> Vec<Scenario> {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        SCENARIOS
            .iter()
            .map(|scenario| Scenario {
                name: scenario.name.to_owned(),
                title: scenario.title.to_owned(),
                look_at: owned(scenario.look_at),
                about_seconds: super::scenarios::about_seconds(scenario.name),
            })
            .collect()
    }

    fn tidy(&self) {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(folder = %self.folder.display(), %error, "what an experiment left behind cannot be removed");
            }
            _ => {}
        }
    }

    fn run(&self, order: Order, told: mpsc::Sender<String>, cancelled: watch::Receiver<bool>) -> Work {
        let folder = self.folder.join(&order.id);
        Box::pin(async move {
            let outcome = conduct(&order, &folder, told, cancelled).await;
            remove(&folder).await;
            outcome.map_err(|error| format!("{error:#}"))
        })
    }
}

async fn conduct(
    order: &Order,
    folder: &Path,
    told: mpsc::Sender<String>,
    mut cancelled: watch::Receiver<bool>,
) -> anyhow::Result<Measured> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut child = start(order, folder)?;
    // It never reads; that it is open says that we are there.
    let _lifeline = child.stdin.take();
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (output, errors) = (output.context("no output")?, errors.context("no errors")?);
    let work = async {
        let (result, tail) = tokio::join!(read(output), follow(errors, told));
        let status = child.wait().await;
        (result, tail, status)
    };
    let (result, tail, status) = tokio::select! {
        ended = work => ended,
        () = told_to_end(&mut cancelled) => {
            end(&mut child).await;
            anyhow::bail!("told to end");
        }
    };
    measured(&result?).map_err(|error| {
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        match tail.last() {
            Some(said) => anyhow::anyhow!("{said}"),
            None => error.context(format!("it ended without a result ({how})")),
        }
    })
}

fn start(order: &Order, folder: &Path) -> anyhow::Result<Child> {
    let RunRequest { seed, rate, seconds } = order.request;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["lab", &order.name, "--json"])
        .arg("--data-dir")
        .arg(folder);
    let flags = [
        ("--seed", seed.map(|seed| seed.to_string())),
        ("--rate", rate.map(|rate| rate.to_string())),
        ("--seconds", seconds.map(|seconds| seconds.to_string())),
    ];
    for (flag, value) in flags {
        if let Some(value) = value {
            command.args([flag, &value]);
        }
    }
    // The demo tells its children by environment what they are; an experiment is none of that.
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("SAGASCOPE_")) {
        command.env_remove(name);
    }
    command
        .env(lifeline::VARIABLE, "stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its own group, so that what stops the collector reaches it in order, through us.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the experiment")
}

/// What it prints in the end, at most so much of it.
async fn read(output: impl AsyncRead + Unpin) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    output.take(RESULT_BYTES + 1).read_to_end(&mut bytes).await?;
    anyhow::ensure!(bytes.len() as u64 <= RESULT_BYTES, "its result is beyond 1 MiB");
    Ok(bytes)
}

/// Passes progress on, and keeps the last of everything else.
async fn follow(errors: impl AsyncRead + Unpin, told: mpsc::Sender<String>) -> Vec<String> {
    let mut errors = BufReader::new(errors);
    let (mut line, mut tail) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        match (&mut errors).take(LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return tail,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        if let Ok(Line { progress }) = serde_json::from_str(&text) {
            // Whoever listened is gone only when the run is.
            let _ = told.send(progress).await;
        } else if !text.trim().is_empty() {
            tail.push(text.trim().to_owned());
            if tail.len() > TAIL {
                tail.remove(0);
            }
        }
    }
}

/// The one report of a run.
fn measured(result: &[u8]) -> anyhow::Result<Measured> {
    #[derive(Deserialize)]
    struct Report {
        tables: Vec<FigureTable>,
        findings: Vec<Finding>,
    }
    let reports: Vec<Report> = serde_json::from_slice(result).context("its result cannot be read")?;
    let report = reports.into_iter().next().context("its result is empty")?;
    Ok(Measured {
        tables: report.tables,
        findings: report.findings,
    })
}

/// Asks it to end, and ends it when that does not help.
async fn end(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        // It may have ended just now.
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
    if timeout(LEAVES_WITHIN, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

async fn remove(folder: &Path) {
    for _ in 0..TRIES {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => sleep(TRY_EVERY).await,
            _ => return,
        }
    }
    tracing::warn!(folder = %folder.display(), "the folder of an experiment cannot be removed; it goes at the next start");
}

async fn told_to_end(cancelled: &mut watch::Receiver<bool>) {
    // Nobody to tell us is as good as being told.
    let _ = cancelled.wait_for(|cancelled| *cancelled).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn progress_is_passed_on_and_other_lines_are_the_reason() {
        let (told, mut lines) = mpsc::channel(8);
        let said = "{\"progress\":\"the shop is up\"}\n\nsagascope: no free ports\n\u{fffd}{\"other\":1}\n";
        let tail = follow(said.as_bytes(), told).await;
        assert_eq!(lines.recv().await.as_deref(), Some("the shop is up"));
        assert_eq!(lines.recv().await, None);
        assert_eq!(tail, ["sagascope: no free ports", "\u{fffd}{\"other\":1}"]);
    }

    #[tokio::test]
    async fn a_result_is_read_up_to_its_bound_and_understood() {
        let result = br#"[{"scenario":"x","title":"t","seed":1,"tables":[],"findings":[{"holds":true,"text":"so"}]}]"#;
        assert_eq!(read(&result[..]).await.unwrap(), result);
        assert!(measured(result).unwrap().findings[0].holds);
        assert!(measured(b"[]").is_err() && measured(b"").is_err());
        let endless = tokio::io::repeat(b'x');
        assert!(read(endless).await.unwrap_err().to_string().contains("1 MiB"));
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let data = tempfile::tempdir().unwrap();
        let lab = ChildLab::new(data.path());
        lab.tidy();
        let left = data.path().join("experiments/shops/e-1/.sagascope-lab-x");
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(data.path().join("experiments/e-1.json"), "{}").unwrap();
        lab.tidy();
        assert!(!left.exists() && data.path().join("experiments/e-1.json").exists());
    }
}
