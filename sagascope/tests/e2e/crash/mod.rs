//! C01 and C10: killed at random instants under load, and in recovery: every acknowledged record is found exactly once,
//! and nothing is found that was not sent.
//!
//! `CRASH_KILLS` sets how often, `SEED` repeats the instants of another run as far as the machine does.

mod check;
mod load;

use std::time::Duration;

use sagascope_load::Random;

use crate::support::alone::Alone;
use load::Load;

/// Kills of an ordinary run.
const KILLS: u64 = 50;
/// Connections that send at the same time.
const CONNECTIONS: usize = 6;
/// Requests between two kills, at most.
const REQUESTS: usize = 60;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_killed_again_and_again_it_keeps_every_acknowledged_record_once() {
    kill_and_check(setting("CRASH_KILLS").unwrap_or(KILLS), "fsync").await;
}

/// What is only handed to the system survives the kill of the process as well.
#[tokio::test(flavor = "multi_thread")]
async fn c01_os_promises_the_same_for_a_kill() {
    kill_and_check(KILLS / 5, "os").await;
}

async fn kill_and_check(kills: u64, durability: &str) {
    let seed = setting("SEED").unwrap_or_else(rand_seed);
    eprintln!("SEED={seed} CRASH_KILLS={kills}");
    let mut random = Random::new(seed);
    // Little memory, so that rows are sealed all the time, and the kills fall into that too; enough disk for all of it.
    let room = ["--memory-cap", "256KiB", "--storage-cap", "8GiB"];
    let mut collector = Alone::start(&[&room[..], &["--durability", durability]].concat());
    let load = Load::start(&collector.otlp(), CONNECTIONS);
    for _ in 0..kills {
        if random.below(4) > 0 {
            collector.ready().await;
            load.allow(REQUESTS);
        }
        // The instant of the kill is what is tried here: anywhere in the start, the recovery or the load.
        tokio::time::sleep(Duration::from_micros(random.below(120_000))).await;
        collector.kill();
        collector.start_again();
    }
    collector.ready().await;
    load.allow(REQUESTS);
    load.until_idle().await;
    let sent = load.stop().await;
    let acknowledged = sent.acknowledged();
    eprintln!("{} requests, {acknowledged} acknowledged", sent.len());
    assert!(
        acknowledged as u64 > kills,
        "the load went through: {acknowledged} acknowledged"
    );
    assert!(collector.sealed_files() > 0, "some of it is sealed");
    check::all(&collector, &sent).await;

    // Once more, to see what only the disk has.
    collector.kill();
    collector.start_again();
    collector.ready().await;
    check::all(&collector, &sent).await;
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("seed") >> 16
}
