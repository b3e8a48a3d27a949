//! A service whose database is damaged does not start on it, and says what to do; the shop says so too.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{binary, eventually, free_port_base};

/// Every service that keeps something; gateway and traffic keep nothing.
const WITH_DATABASE: [&str; 14] = [
    "catalog",
    "inventory",
    "orders",
    "payments",
    "shipping",
    "notifications",
    "analytics",
    "broker",
    "users",
    "booking",
    "hotels",
    "cars",
    "registry",
    "cart",
];
const SOON: Duration = Duration::from_secs(60);

/// Killed when the story ends early.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a service keeps its database; the folder is made.
fn database(folder: &Path, service: &str) -> PathBuf {
    let path = folder.join("services").join(service).join(format!("{service}.sqlite"));
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    path
}

/// Runs it to its end; answers its exit code and what it said.
async fn refused(mut command: Command) -> (Option<i32>, String) {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut started = Started(command.spawn().expect("the binary starts"));
    let ended = eventually("it ends by itself", SOON, || {
        let ended = started.0.try_wait().expect("a child of ours");
        async move { ended }
    })
    .await;
    let mut said = String::new();
    let mut stderr = started.0.stderr.take().expect("piped");
    stderr.read_to_string(&mut said).expect("text");
    (ended.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_refuses_a_damaged_database_and_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = free_port_base().to_string();
    for service in WITH_DATABASE {
        let path = database(folder.path(), service);
        let damaged = b"no database at all, ".repeat(1_000);
        fs::write(&path, &damaged).expect("written");
        let mut command = Command::new(binary());
        command
            .args(["service", service])
            .env("SAGASCOPE_DATA_DIR", folder.path())
            .env("SAGASCOPE_PORT_BASE", &base);
        let (code, said) = refused(command).await;
        assert_eq!(code, Some(1), "{service}: {said}");
        assert!(said.contains(&path.display().to_string()), "{service}: {said}");
        assert!(said.contains("restore it from a copy"), "{service}: {said}");
        assert_eq!(
            fs::read(&path).expect("still there"),
            damaged,
            "{service} leaves it as it is"
        );
    }
}
