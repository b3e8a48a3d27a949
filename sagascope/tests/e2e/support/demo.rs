//! A demo or a collector of its own, stopped when dropped.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use sagascope_api::client::Client;
use sagascope_api::faults::Traffic;
use sagascope_api::overview::Overview;
use sagascope_conventions::SagaState;
use serde_json::Value;

use super::{binary, eventually, free_port_base, processes};

/// The flows that promise something; the first two generations may lose an order, on purpose.
const FLOWS: &str = "event_sourced=6,hardened=2,choreographed=3";
const UP_WITHIN: Duration = Duration::from_secs(60);
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// One running `sagascope demo --headless` or `sagascope collect`.
pub(crate) struct Demo {
    child: Child,
    base: u16,
    folder: Arc<tempfile::TempDir>,
    output: Arc<Mutex<String>>,
    http: reqwest::Client,
}

impl Demo {
    /// Starts the whole shop and waits until it says that it is up.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let demo = Self::launch(
            "demo",
            &[&["--headless", "--flows", FLOWS], flags].concat(),
            new_folder(),
            free_port_base(),
        );
        demo.up().await;
        demo
    }

    /// Starts a collector alone and waits until it is ready.
    pub(crate) async fn collector(flags: &[&str]) -> Self {
        let demo = Self::launch("collect", flags, new_folder(), free_port_base());
        demo.ready().await;
        demo
    }

    /// Starts the shop again on the same folder and ports.
    pub(crate) async fn again(&self, flags: &[&str]) -> Self {
        let demo = Self::launch(
            "demo",
            &[&["--headless", "--flows", FLOWS], flags].concat(),
            Arc::clone(&self.folder),
            self.base,
        );
        demo.up().await;
        demo
    }

    fn launch(command: &str, flags: &[&str], folder: Arc<tempfile::TempDir>, base: u16) -> Self {
        let mut child = Command::new(binary())
            .arg(command)
            .args(["--port-base", &base.to_string()])
            .arg("--data-dir")
            .arg(folder.path())
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let output = Arc::new(Mutex::new(String::new()));
        follow(child.stdout.take().expect("piped"), Arc::clone(&output));
        follow(child.stderr.take().expect("piped"), Arc::clone(&output));
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .expect("a client");
        Self {
            child,
            base,
            folder,
            output,
            http,
        }
    }

    async fn up(&self) {
        eventually("the demo is up", UP_WITHIN, || async {
            let output = self.output();
            assert!(
                processes::is_alive(self.pid()),
                "the demo ended early:\n{output}\n{}",
                self.logs()
            );
            output.contains("Everything is up").then_some(())
        })
        .await;
    }

    /// Waits until the collector's queries answer.
    pub(crate) async fn ready(&self) {
        let url = format!("{}/readyz", self.url());
        eventually("the collector is ready", UP_WITHIN, || async {
            self.http
                .get(&url)
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success())
                .map(drop)
        })
        .await;
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// First port.
    pub(crate) const fn base(&self) -> u16 {
        self.base
    }

    /// The collector's address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.base + 2)
    }

    /// Where its data is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The secret it made up.
    pub(crate) fn token(&self) -> String {
        let text = std::fs::read_to_string(self.token_file()).expect("a token is kept");
        text.trim().to_owned()
    }

    /// The file with that secret.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// A client that may control.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url(), Some(self.token())).expect("a good address")
    }

    /// Everything it has printed.
    pub(crate) fn output(&self) -> String {
        self.output.lock().expect("no panic while writing").clone()
    }

    /// The process of the collector or of one service, once it is there.
    pub(crate) async fn process(&self, name: &str) -> u32 {
        eventually(&format!("a process for {name}"), UP_WITHIN, || async {
            self.process_now(name)
        })
        .await
    }

    /// The same, if it is there now.
    pub(crate) fn process_now(&self, name: &str) -> Option<u32> {
        let wanted: &[&str] = if name == "collector" {
            &["collect"]
        } else {
            &["service", name]
        };
        processes::children_of(self.pid()).into_iter().find(|pid| {
            processes::arguments_of(*pid)
                .get(1..)
                .is_some_and(|words| words == wanted)
        })
    }

    /// What one service's API answers.
    pub(crate) async fn service(&self, name: &str, path: &str) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.service_port(name));
        let answer = self.http.get(url).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    /// Puts something on one service's API; it must be taken.
    pub(crate) async fn put(&self, name: &str, path: &str, body: &Value) {
        let url = format!("http://127.0.0.1:{}{path}", self.service_port(name));
        let answer = self.http.put(url).json(body).send().await.expect("an answer");
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status} {:?}", answer.text().await);
    }

    fn service_port(&self, name: &str) -> u16 {
        let known = shop_kit::topology::Topology::new(self.base).port(name);
        known.expect("a known service")
    }

    /// Waits until the overview is as told.
    pub(crate) async fn overview(&self, what: &str, within: Duration, holds: impl Fn(&Overview) -> bool) -> Overview {
        let client = self.client();
        eventually(what, within, || async {
            client.overview().await.ok().filter(|overview| holds(overview))
        })
        .await
    }

    /// Asks the shoppers for another rate.
    pub(crate) async fn set_rate(&self, orders_per_second: f64) {
        let client = self.client();
        eventually("the shoppers' rate is set", Duration::from_secs(10), || async {
            client
                .set_traffic(Traffic {
                    orders_per_second,
                    flows: None,
                })
                .await
                .ok()
        })
        .await;
    }

    /// Sends a signal to the supervisor.
    pub(crate) fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Waits until the supervisor has ended.
    pub(crate) async fn gone(&mut self) -> ExitStatus {
        for _ in 0..GONE_WITHIN.as_millis() / 20 {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it did not end within {GONE_WITHIN:?}:\n{}", self.output());
    }

    /// The last part of every log, for the message of a failed test.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path().join("logs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let start = log.len().saturating_sub(1_500);
            let start = (start..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            text.push_str(&format!("--- {}\n{}\n", entry.path().display(), &log[start..]));
        }
        text
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.output(), self.logs());
        }
        // Children follow by their lifeline.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sagas in one state.
pub(crate) fn sagas(overview: &Overview, state: SagaState) -> u64 {
    overview.sagas.get(&state).copied().unwrap_or(0)
}

fn new_folder() -> Arc<tempfile::TempDir> {
    Arc::new(tempfile::tempdir().expect("a temporary folder"))
}

fn follow(from: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut output = into.lock().expect("no panic while reading");
            output.push_str(&line);
            output.push('\n');
        }
    });
}
