//! A new version of payments that is sick: its share is taken away by itself, everybody is told, and it stays so.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use sagascope_api::canaries::Canary;
use sagascope_api::faults::FaultRequest;
use sagascope_conventions::{CanaryState, FaultKind, FaultStrength, FaultTarget, SagaState};
use serde_json::json;

use crate::support::demo::{Demo, sagas};
use crate::support::{binary, eventually, processes};

const SOON: Duration = Duration::from_secs(60);
const RULE: &str = "/api/v1/canaries/payments";

/// Waits until the collector shows the canary as told.
async fn shown(demo: &Demo, what: &str, holds: impl Fn(&Canary) -> bool) -> Canary {
    let client = demo.client();
    eventually(what, SOON, || async {
        let rows = client.canaries().await.ok()?.items;
        rows.into_iter()
            .find(|row| row.service == "payments")
            .filter(|row| holds(row))
    })
    .await
}

/// The instance that is the new version, once the registry finds it well.
async fn new_version(demo: &Demo) -> String {
    eventually("payments 2.0.0 is well", SOON, || async {
        let service = demo.service("registry", "/api/v1/registry/payments").await?;
        let all = service["instances"].as_array()?;
        let new = all.iter().find(|instance| instance["version"] == "2.0.0")?;
        new["instance"].as_str().map(str::to_owned)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_version_is_rolled_back_by_itself_and_stays_so_over_a_restart() {
    let demo = Demo::start(&["--rate", "10", "--canary"]).await;
    let instance = new_version(&demo).await;
    let rule = json!({ "version": "2.0.0", "percent": 50, "min_calls": 5 });
    demo.put("registry", RULE, &rule).await;
    shown(&demo, "a person's share is shown", |row| {
        (row.state, row.percent, row.by_itself) == (CanaryState::Running, 50, false)
    })
    .await;

    let sick = FaultRequest {
        target: FaultTarget {
            service: "payments".into(),
            instance: Some(instance),
            ..FaultTarget::default()
        },
        kind: FaultKind::ErrorRate,
        strength: FaultStrength {
            percent: Some(100),
            ..FaultStrength::default()
        },
        duration_seconds: 120,
        seed: None,
    };
    let client = demo.client();
    eventually("the new version can be broken", SOON, || async {
        client.arm(&sick).await.ok()
    })
    .await;
    let row = shown(&demo, "it is rolled back", |row| row.state == CanaryState::RolledBack).await;
    assert_eq!((row.percent, row.by_itself), (0, true), "{row:#?}");
    assert!(
        row.reason.as_ref().is_some_and(|why| why.contains("calls failed")),
        "{row:#?}"
    );
    assert_eq!(row.told_by, "registry");
    let screen = Command::new(binary())
        .args(["canaries", "--url", &demo.url()])
        .output()
        .unwrap();
    let screen = String::from_utf8_lossy(&screen.stdout).into_owned();
    assert!(screen.contains("2.0.0") && screen.contains("rolled back"), "{screen}");

    let before = client.overview().await.unwrap();
    demo.overview("orders go on with the stable version", SOON, |now| {
        sagas(now, SagaState::Completed) > sagas(&before, SagaState::Completed) + 10
    })
    .await;

    let registry = demo.process("registry").await;
    processes::signal(registry, Signal::KILL);
    let rule = eventually("another registry has the rule", SOON, || async {
        demo.process_now("registry").filter(|pid| *pid != registry)?;
        demo.service("registry", RULE).await
    })
    .await;
    assert_eq!(rule["state"], "rolled_back", "{rule:#}");
    assert_eq!(rule["reason"].as_str(), row.reason.as_deref(), "{rule:#}");
}
