//! Experiments over the API, with a lab that does as it is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::{Method, Response};
use sagascope_api::experiments::{FigureTable, Finding, Scenario};
use sagascope_api::live::{LiveMessage, Picture};
use sagascope_server::{Config, Laboratory, Measured, Order, Work};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::live::Events;
use crate::rig::{Rig, eventually, problem};

/// What the test has the lab do next.
enum Do {
    Tell(&'static str),
    End(Result<Measured, String>),
}

/// A lab that asks the test.
struct Lab {
    script: Mutex<Option<mpsc::Receiver<Do>>>,
    orders: Arc<Mutex<Vec<Order>>>,
    /// A work that was dropped or ended in order.
    left: Arc<AtomicBool>,
}

/// The test's end.
struct Hand {
    script: mpsc::Sender<Do>,
    orders: Arc<Mutex<Vec<Order>>>,
    left: Arc<AtomicBool>,
}

struct Leaves(Arc<AtomicBool>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn lab() -> (Arc<Lab>, Hand) {
    let (script, steps) = mpsc::channel(16);
    let (orders, left) = (Arc::default(), Arc::default());
    let lab = Lab {
        script: Mutex::new(Some(steps)),
        orders: Arc::clone(&orders),
        left: Arc::clone(&left),
    };
    (Arc::new(lab), Hand { script, orders, left })
}

impl Laboratory for Lab {
    fn scenarios(&self) -> Vec<Scenario> {
        ["stale-read", "booking"]
            .map(|name| Scenario {
                name: name.into(),
                title: "what it shows".into(),
                look_at: vec!["the lag".into()],
                about_seconds: Some(40),
            })
            .into()
    }

    fn run(&self, order: Order, told: mpsc::Sender<String>, mut cancelled: watch::Receiver<bool>) -> Work {
        self.orders.lock().unwrap().push(order);
        let script = self.script.lock().unwrap().take();
        let leaves = Leaves(Arc::clone(&self.left));
        Box::pin(async move {
            let _leaves = leaves;
            let Some(mut script) = script else {
                return Err("one run a test".into());
            };
            loop {
                tokio::select! {
                    step = script.recv() => match step {
                        Some(Do::Tell(line)) => told.send(line.into()).await.unwrap(),
                        Some(Do::End(outcome)) => return outcome,
                        None => std::future::pending().await,
                    },
                    () = told_to_end(&mut cancelled) => return Err("it was told to end".into()),
                }
            }
        })
    }
}

async fn told_to_end(cancelled: &mut watch::Receiver<bool>) {
    // Nobody to tell it is as good as being told.
    let _ = cancelled.wait_for(|cancelled| *cancelled).await;
}

async fn rig_with(lab: Arc<Lab>) -> Rig {
    Rig::start_with(|config| Config {
        laboratory: Some(lab),
        ..config
    })
    .await
}

async fn run(rig: &Rig, name: &str, body: Value) -> Response {
    let path = format!("/api/v1/experiments/{name}/run");
    rig.control(Method::POST, &path).json(&body).send().await.unwrap()
}

async fn cancel(rig: &Rig, id: &str) -> Response {
    let path = format!("/api/v1/experiments/runs/{id}");
    rig.control(Method::DELETE, &path).send().await.unwrap()
}

async fn ended(rig: &Rig, id: &str) -> Value {
    eventually("the run to end", || async {
        let run = rig.get(&format!("/api/v1/experiments/runs/{id}")).await;
        (run["state"] != "running").then_some(run)
    })
    .await
}

fn measured(holds: bool) -> Measured {
    Measured {
        tables: vec![FigureTable {
            title: "one write".into(),
            columns: vec!["plain read".into()],
            rows: vec![vec!["stale\u{1b}[2J".into()]],
        }],
        findings: vec![Finding {
            holds,
            text: "the read was stale".into(),
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_watched_and_kept_over_a_restart() {
    let (lab, hand) = lab();
    let rig = rig_with(Arc::clone(&lab)).await;
    let list = rig.get("/api/v1/experiments").await;
    assert_eq!(list["items"][0]["name"], "stale-read");
    assert_eq!(
        (&list["items"][1]["place"], &list["items"][1]["last"]),
        (&json!(2), &Value::Null)
    );

    let mut picture = Picture::default();
    let mut events = Events::open(&rig, "topics=experiments", None).await;
    picture.apply(events.next().await);
    assert_eq!(picture.course()[1].scenario.name, "booking");

    let started = run(&rig, "stale-read", json!({"seed": 7, "rate": 2.5, "seconds": 4})).await;
    assert_eq!(started.status(), 202);
    let location = started.headers()["location"].to_str().unwrap().to_owned();
    let started: Value = started.json().await.unwrap();
    let id = started["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/api/v1/experiments/runs/{id}"));
    assert_eq!(started["state"], "running");

    let busy = run(&rig, "booking", json!({})).await;
    assert_eq!(problem(busy).await, (409, "experiment_running".into(), String::new()));

    hand.script.send(Do::Tell("the shop is up\u{7}")).await.unwrap();
    let told = loop {
        let message = events.next().await;
        assert!(matches!(message, LiveMessage::Update { .. }), "{message:?}");
        picture.apply(message);
        let run = picture.experiments["stale-read"].run.clone().unwrap();
        if let Some(line) = run.progress.first() {
            break line.text.clone();
        }
    };
    assert_eq!(told, "the shop is up\u{fffd}");
    let order = hand.orders.lock().unwrap()[0].clone();
    assert_eq!((order.id.as_str(), order.name.as_str()), (id.as_str(), "stale-read"));
    assert_eq!((order.request.seed, order.request.rate), (Some(7), Some(2.5)));

    hand.script.send(Do::End(Ok(measured(true)))).await.unwrap();
    let run = ended(&rig, &id).await;
    assert_eq!(
        (&run["state"], &run["findings"][0]["holds"]),
        (&json!("passed"), &json!(true))
    );
    assert_eq!(run["tables"][0]["rows"][0][0], "stale\u{fffd}[2J");
    let again = cancel(&rig, &id).await;
    assert_eq!(problem(again).await, (409, "already_ended".into(), String::new()));

    let kept = rig.data_dir().join(format!("experiments/{id}.json"));
    eventually("the verdict to be kept", || async {
        let text = std::fs::read_to_string(&kept).unwrap_or_default();
        text.contains("\"passed\"").then_some(())
    })
    .await;
    let rig = rig.kill_and_restart_with(|config| Config {
        laboratory: Some(lab),
        ..config
    });
    let rig = rig.await;
    let list = rig.get("/api/v1/experiments").await;
    assert_eq!(list["items"][0]["last"]["state"], "passed");
    assert_eq!(list["runs"][0]["id"], id);
    assert_eq!(ended(&rig, &id).await, run);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_with_everything_it_started() {
    let (lab, hand) = lab();
    let rig = rig_with(lab).await;
    let started: Value = run(&rig, "booking", json!({})).await.json().await.unwrap();
    let id = started["id"].as_str().unwrap();
    let cancelled = cancel(&rig, id).await;
    assert_eq!(cancelled.status(), 200);
    assert_eq!(cancelled.json::<Value>().await.unwrap()["state"], "cancelled");
    assert!(hand.left.load(Ordering::SeqCst));
    // The next may begin at once; this one breaks off.
    let next: Value = run(&rig, "booking", json!({})).await.json().await.unwrap();
    let next = ended(&rig, next["id"].as_str().unwrap()).await;
    assert_eq!(
        (&next["state"], &next["verdict"]),
        (&json!("error"), &json!("one run a test"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_with_the_collector_and_says_so_afterwards() {
    let (lab, hand) = lab();
    let rig = rig_with(Arc::clone(&lab)).await;
    let started: Value = run(&rig, "booking", json!({})).await.json().await.unwrap();
    let id = started["id"].as_str().unwrap().to_owned();
    let folder = rig.stop().await;
    assert!(hand.left.load(Ordering::SeqCst));
    let kept = std::fs::read(folder.path().join(format!("experiments/{id}.json"))).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["state"], "error");
    assert!(
        kept["verdict"].as_str().unwrap().contains("collector stopped"),
        "{kept}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_wishes_are_refused_with_what_to_do() {
    let (lab, _hand) = lab();
    let rig = rig_with(lab).await;
    let unknown = run(&rig, "no-such", json!({})).await;
    assert_eq!(
        problem(unknown).await,
        (404, "unknown_experiment".into(), String::new())
    );
    for (body, code, field) in [
        (json!({"rate": 0}), "invalid_value", "rate"),
        (json!({"rate": 1001}), "invalid_value", "rate"),
        (json!({"seconds": 3}), "invalid_value", "seconds"),
        (json!({"seed": -1}), "invalid_body", ""),
        (json!({"speed": 1}), "invalid_body", ""),
        (json!("soon"), "invalid_body", ""),
    ] {
        let refused = run(&rig, "booking", body.clone()).await;
        assert_eq!(problem(refused).await, (400, code.into(), field.into()), "{body}");
    }
    let get = rig
        .client
        .get(rig.api("/api/v1/experiments/runs/e-1"))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(get).await, (404, "unknown_run".into(), String::new()));
    assert_eq!(problem(cancel(&rig, "e-1").await).await.0, 404);
    let path = rig.api("/api/v1/experiments/booking/run");
    let stranger = rig.client.post(path).json(&json!({})).send().await.unwrap();
    assert_eq!(problem(stranger).await, (401, "token_needed".into(), String::new()));
    let stranger = rig
        .client
        .delete(rig.api("/api/v1/experiments/runs/e-1"))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(stranger).await.0, 401);
    assert!(
        rig.get("/api/v1/experiments").await["runs"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_alone_has_no_lab_and_says_what_to_do() {
    let rig = Rig::start().await;
    let list = rig.get("/api/v1/experiments").await;
    assert_eq!(list["items"], json!([]));
    assert!(
        list["unavailable"].as_str().unwrap().contains("sagascope lab"),
        "{list}"
    );
    let refused = run(&rig, "booking", json!({})).await;
    assert_eq!(problem(refused).await, (501, "no_lab".into(), String::new()));
}
