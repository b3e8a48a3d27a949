//! A practised failure: armed, seen on the live stream, felt, and over by itself.

use std::time::Duration;

use sagascope_api::faults::{FaultRequest, FaultStatus};
use sagascope_conventions::{FaultKind, FaultState, FaultStrength, FaultTarget, SagaState};

use crate::support::demo::{Demo, sagas};
use crate::support::eventually;

const SOON: Duration = Duration::from_secs(30);

fn declined_cards(duration_seconds: u64) -> FaultRequest {
    FaultRequest {
        target: FaultTarget {
            service: "payments".into(),
            ..FaultTarget::default()
        },
        kind: FaultKind::DeclinedCards,
        strength: FaultStrength {
            percent: Some(100),
            ..FaultStrength::default()
        },
        duration_seconds,
        seed: None,
    }
}

/// Reads the live stream's topic `faults` until a message has all the words.
async fn stream_says(demo: &Demo, words: &[&str]) {
    let url = format!("{}/api/v1/live?topics=faults", demo.url());
    let mut answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(url)
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    let read = async {
        while let Some(chunk) = answer.chunk().await.unwrap() {
            text.push_str(&String::from_utf8_lossy(&chunk));
            if words.iter().all(|word| text.contains(word)) {
                return;
            }
        }
        panic!("the stream ended");
    };
    if tokio::time::timeout(SOON, read).await.is_err() {
        panic!("the live stream did not say {words:?}:\n{text}");
    }
}

async fn fault(demo: &Demo, id: &str, what: &str, holds: impl Fn(&FaultStatus) -> bool) -> FaultStatus {
    let client = demo.client();
    eventually(what, SOON, || async {
        let faults = client.faults().await.ok()?.items;
        faults
            .into_iter()
            .find(|fault| fault.fault.id == id)
            .filter(|fault| holds(fault))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_on_the_stream_is_felt_and_ends_by_itself() {
    let demo = Demo::start(&["--rate", "10"]).await;
    let before = demo
        .overview("sagas complete", SOON, |now| sagas(now, SagaState::Completed) >= 3)
        .await;
    let client = demo.client();
    let armed = eventually("payments can be broken", SOON, || async {
        client.arm(&declined_cards(5)).await.ok()
    })
    .await;
    let id = armed.fault.id;

    stream_says(&demo, &[&id, "declined_cards"]).await;
    fault(&demo, &id, "it acts on requests", |fault| fault.hits > 0).await;
    demo.overview("orders are undone", SOON, |now| {
        sagas(now, SagaState::Compensated) > sagas(&before, SagaState::Compensated)
    })
    .await;
    fault(&demo, &id, "it ends by itself", |fault| {
        fault.state == FaultState::Expired
    })
    .await;
    demo.overview("no fault is active", SOON, |now| now.active_faults == 0)
        .await;
    let after = client.overview().await.unwrap();
    demo.overview("orders complete again", SOON, |now| {
        sagas(now, SagaState::Completed) > sagas(&after, SagaState::Completed) + 5
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_arms_lists_and_clears() {
    let demo = Demo::start(&["--rate", "0"]).await;
    let inject = |arguments: &[&str]| {
        let output = std::process::Command::new(crate::support::binary())
            .args([&["inject"], arguments].concat())
            .args(["--url", &demo.url(), "--token-file"])
            .arg(demo.token_file())
            .output()
            .unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), text)
    };
    let (code, text) = inject(&[
        "payments",
        "latency",
        "--percent",
        "50",
        "--delay-ms",
        "200",
        "--for",
        "5m",
    ]);
    assert_eq!(code, Some(0), "{text}");
    let (_, text) = inject(&["--list"]);
    assert!(text.contains("latency") && text.contains("50"), "{text}");
    let (code, text) = inject(&["payments", "latency"]);
    assert_eq!(code, Some(2), "a missing strength is wrong use: {text}");
    assert!(text.contains("percent"), "{text}");
    let (code, text) = inject(&["nobody", "hang", "--percent", "1"]);
    assert_eq!(code, Some(2), "{text}");
    let (code, text) = inject(&["--clear"]);
    assert_eq!(code, Some(0), "{text}");
    demo.overview("no fault is active", SOON, |now| now.active_faults == 0)
        .await;
}
