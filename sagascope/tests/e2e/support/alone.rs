//! A collector alone, as its own process, that can be killed and started again on the same data.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{binary, eventually, free_port_base};

const READY_WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Alone {
    child: Child,
    base: u16,
    through: Vec<String>,
    flags: Vec<String>,
    folder: tempfile::TempDir,
    http: reqwest::Client,
}

impl Alone {
    /// Starts it; it may not be ready yet.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_as(&[], flags)
    }

    /// As a child of another program that becomes the collector, such as a shell that sets limits.
    pub(crate) fn start_as(through: &[&str], flags: &[&str]) -> Self {
        let base = free_port_base();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (through, flags) = (owned(through), owned(flags));
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self {
            child: spawn(&through, base, &folder, &flags),
            base,
            through,
            flags,
            folder,
            http,
        }
    }

    /// Ends it as the kernel does when memory runs out: with no farewell.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }

    /// Starts it again, same data, same ports.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.through, self.base, &self.folder, &self.flags);
    }

    /// Waits until queries answer.
    pub(crate) async fn ready(&mut self) {
        let url = self.api("/readyz");
        let (child, folder, http) = (&mut self.child, &self.folder, &self.http);
        eventually("the collector is ready", READY_WITHIN, || {
            let ended = child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", said(folder));
            let answer = http.get(&url).send();
            async {
                answer
                    .await
                    .ok()
                    .filter(|answer| answer.status().is_success())
                    .map(drop)
            }
        })
        .await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Parquet files that it keeps.
    pub(crate) fn sealed_files(&self) -> usize {
        let entries = |folder: std::path::PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let tables = entries(self.folder.path().join("data/segments"));
        let files = tables.flat_map(|table| entries(table.path()));
        let is_sealed = |path: std::path::PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
        files.filter(|file| is_sealed(file.path())).count()
    }

    /// Where OTLP over gRPC is taken.
    pub(crate) fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.base)
    }

    /// Where OTLP over HTTP is taken.
    pub(crate) fn otlp(&self) -> String {
        format!("http://127.0.0.1:{}", self.base + 1)
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.base + 2)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", said(&self.folder));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(through: &[String], base: u16, folder: &tempfile::TempDir, flags: &[String]) -> Child {
    let mut log = File::options();
    let log = log.create(true).append(true).open(folder.path().join("said"));
    let mut command = match through {
        [] => Command::new(binary()),
        [program, words @ ..] => {
            let mut command = Command::new(program);
            command.args(words).arg(binary());
            command
        }
    };
    command
        .arg("collect")
        .args(["--port-base", &base.to_string()])
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .args(flags)
        .env("RUST_LOG", "warn")
        // It ends when this process does, however that ends: we hold the other end of its input.
        .env("SAGASCOPE_LIFELINE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log.expect("a file for what it says"))
        .spawn()
        .expect("the binary starts")
}

/// The last that it said.
fn said(folder: &tempfile::TempDir) -> String {
    let text = std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(40).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
