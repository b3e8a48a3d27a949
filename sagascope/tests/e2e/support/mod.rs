//! What the stories share: a running demo, patience with a deadline, processes, a terminal.

pub(crate) mod alone;
pub(crate) mod demo;
pub(crate) mod processes;
pub(crate) mod terminal;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("SAGASCOPE_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sagascope")), PathBuf::from)
}

/// The folder of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in a workspace")
}

/// Asks again and again until there is an answer. Fails with `what` when there is none in time.
pub(crate) async fn eventually<T, F>(what: &str, within: Duration, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A base whose ports are free, below the range that outgoing connections are given.
pub(crate) fn free_port_base() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    for attempt in 0..200_u32 {
        let step = RandomState::new().hash_one(attempt) % 250;
        let base = 20_000 + u16::try_from(step).expect("below 250") * 48;
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (base..base + 30).all(free) {
            return base;
        }
    }
    panic!("no free ports from 20000 to 32000");
}
