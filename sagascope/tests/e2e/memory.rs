//! B11: little memory. Beyond a limit the kernel kills; the collector knows the limit, and pushes back before.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::overload::overload_of;
use crate::support::alone::Alone;
use crate::support::eventually;

const LIMIT: u64 = 256 << 20;
const OVERLOAD: Duration = Duration::from_secs(3);
const TIMES: [f64; 1] = [4.0];
/// A folder of control groups that tests may make theirs in, such as `/sys/fs/cgroup/memory` or one that is delegated.
const GROUPS: &str = "SAGASCOPE_TEST_CGROUPS";

#[tokio::test(flavor = "multi_thread")]
async fn b11_it_stays_below_a_limit_that_it_is_told_of() {
    let collector = Alone::start(&["--memory-limit", "256MiB"]);
    let overloaded = overload_of(collector, LIMIT, OVERLOAD, &TIMES).await;
    assert!(overloaded.refused_requests > 0, "it was too much");
    has_budget_for_the_limit(&overloaded.collector).await;
}

/// Needs a folder where groups can be made; most machines have none for tests, so it is named.
#[tokio::test(flavor = "multi_thread")]
async fn b11_it_finds_the_limit_of_its_control_group_and_is_not_killed() {
    let Some(folder) = std::env::var_os(GROUPS) else {
        eprintln!("SKIPPED: {GROUPS} names no folder in which control groups can be made");
        return;
    };
    let group = Group::make(Path::new(&folder));
    let enter = format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", group.0.display());
    let collector = Alone::start_as(&["sh", "-c", &enter, "sh"], &[]);
    let overloaded = overload_of(collector, LIMIT, OVERLOAD, &TIMES).await;
    assert!(overloaded.refused_requests > 0, "it was too much");
    has_budget_for_the_limit(&overloaded.collector).await;
    let told = group.told();
    assert!(told.lines().any(|line| line == "oom_kill 0"), "{told}");
}

/// When no request is under way any more, requests may take just what fits the limit.
async fn has_budget_for_the_limit(collector: &Alone) {
    let expected = format!("sagascope_intake_budget_bytes {}", LIMIT / 16);
    eventually("the budget fits the limit", Duration::from_secs(20), || {
        let answer = reqwest::get(collector.api("/metrics"));
        let expected = &expected;
        async move {
            let text = answer.await.ok()?.text().await.ok()?;
            text.lines().any(|line| line == expected).then_some(())
        }
    })
    .await;
}

/// A control group with the limit, of version 2 or 1; it goes with its last process.
struct Group(PathBuf);

impl Group {
    fn make(folder: &Path) -> Self {
        let group = Self(folder.join(format!("sagascope-test-{}", std::process::id())));
        fs::create_dir(&group.0).unwrap_or_else(|error| panic!("{}: {error}", group.0.display()));
        let names = ["memory.max", "memory.limit_in_bytes"];
        let limit = names
            .map(|name| group.0.join(name))
            .into_iter()
            .find(|path| path.exists());
        let limit = limit.unwrap_or_else(|| panic!("{}: no controller of memory", group.0.display()));
        fs::write(limit, LIMIT.to_string()).expect("a limit");
        group
    }

    /// What the kernel tells of kills.
    fn told(&self) -> String {
        let files = ["memory.events", "memory.oom_control"].map(|name| self.0.join(name));
        files
            .iter()
            .find_map(|path| fs::read_to_string(path).ok())
            .unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process has ended; the kernel may take a moment to see that.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("{} could not be removed", self.0.display());
    }
}
