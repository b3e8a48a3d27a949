//! A fault from the API to a service and back into the live stream.

use reqwest::{Method, Response};
use sagascope_conventions::FlowMix;
use sagascope_conventions::fault::{FaultCommand, FaultState};
use serde_json::{Value, json};

use crate::rig::{Rig, eventually, problem, soon};

/// A service that listens for faults.
pub(crate) struct Service {
    response: Response,
    buffer: String,
}

impl Service {
    pub(crate) async fn connect(rig: &Rig, name: &str) -> Self {
        let registration =
            json!({"service": name, "instance": "i-1", "capabilities": [{"kind": "latency"}, {"kind": "crash"}]});
        let registered = rig
            .control(Method::POST, "/api/v1/faults/register")
            .json(&registration)
            .send()
            .await
            .unwrap();
        assert_eq!(registered.status(), 204);
        let path = format!("/api/v1/faults/stream?service={name}&instance=i-1");
        let response = rig.control(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response,
            buffer: String::new(),
        }
    }

    pub(crate) async fn next(&mut self) -> FaultCommand {
        soon("a command", async {
            loop {
                if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                    let command = event.strip_prefix("data: ").map(serde_json::from_str);
                    self.buffer = rest.to_owned();
                    match command {
                        Some(command) => return command.unwrap(),
                        None => continue,
                    }
                }
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        })
        .await
    }
}

fn latency(seconds: u64) -> Value {
    json!({"target": {"service": "payments"}, "kind": "latency", "strength": {"percent": 100, "delay_ms": 5}, "duration_seconds": seconds})
}

async fn arm(rig: &Rig, body: &Value) -> Response {
    rig.control(Method::POST, "/api/v1/faults")
        .json(body)
        .send()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_delivered_acknowledged_and_cleared() {
    let rig = Rig::start().await;
    let refused = arm(&rig, &latency(30)).await;
    assert_eq!(
        problem(refused).await,
        (400, "unknown_service".into(), "target.service".into())
    );

    let mut service = Service::connect(&rig, "payments").await;
    assert_eq!(service.next().await, FaultCommand::Sync { faults: vec![] });
    assert_eq!(
        rig.get("/api/v1/fault-catalogue").await["items"][0]["service"],
        "payments"
    );
    let armed = arm(&rig, &latency(30)).await;
    assert_eq!(armed.status(), 201);
    let armed: Value = armed.json().await.unwrap();
    let id = armed["id"].as_str().unwrap().to_owned();
    assert_eq!(armed["state"], "pending");
    assert!(matches!(service.next().await, FaultCommand::Arm { fault } if fault.fault.id == id));

    let taken = json!({"id": id, "service": "payments", "instance": "i-1", "state": FaultState::Active});
    let answer = rig
        .control(Method::POST, "/api/v1/faults/acknowledgements")
        .json(&taken)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(rig.get(&format!("/api/v1/faults/{id}")).await["state"], "active");
    assert_eq!(rig.get("/api/v1/overview").await["active_faults"], 1);

    let mut again = Service::connect(&rig, "payments").await;
    assert!(
        matches!(again.next().await, FaultCommand::Sync { faults } if faults.len() == 1 && faults[0].remaining_ms <= 30_000)
    );
    let cleared = rig
        .control(Method::DELETE, &format!("/api/v1/faults/{id}"))
        .send()
        .await
        .unwrap();
    assert_eq!(cleared.json::<Value>().await.unwrap()["state"], "cleared");
    assert_eq!(again.next().await, FaultCommand::Clear { id });
}

#[tokio::test(flavor = "multi_thread")]
async fn e08_a_fault_ends_by_itself_and_a_service_that_left_is_off_the_list() {
    let rig = Rig::start().await;
    let service = Service::connect(&rig, "payments").await;
    assert_eq!(arm(&rig, &latency(1)).await.status(), 201);
    drop(service);
    eventually("the fault to end", || async {
        (rig.get("/api/v1/faults").await["items"][0]["state"] == "expired").then_some(())
    })
    .await;
    eventually("the service to be gone", || async {
        rig.get("/api/v1/fault-catalogue").await["items"]
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shoppers_are_asked_for_another_rate() {
    let rig = Rig::start().await;
    let mut traffic = Service::connect(&rig, "traffic").await;
    assert!(matches!(traffic.next().await, FaultCommand::Sync { .. }));
    assert_eq!(
        traffic.next().await,
        FaultCommand::Traffic {
            orders_per_second: 20.0,
            flows: FlowMix::default(),
        }
    );
    let put = |body: Value| rig.control(Method::PUT, "/api/v1/traffic").json(&body).send();
    for (refused, field) in [
        (json!({"orders_per_second": -1}), "orders_per_second"),
        (json!({"orders_per_second": 1001}), "orders_per_second"),
        (json!({"orders_per_second": "x"}), "orders_per_second"),
        (json!({}), "orders_per_second"),
        (json!({"orders_per_second": 5, "flows": {"carrier_pigeon": 1}}), "flows"),
        (json!({"orders_per_second": 5, "flows": {"sync": 0}}), "flows"),
        (json!({"orders_per_second": 5, "flows": 1}), "flows"),
    ] {
        let answer = put(refused.clone()).await.unwrap();
        assert_eq!(answer.status(), 400, "{refused}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["field"], field, "{refused}");
    }
    assert_eq!(put(json!({"orders_per_second": 5})).await.unwrap().status(), 200);
    let told = |flows| FaultCommand::Traffic {
        orders_per_second: 5.0,
        flows,
    };
    assert_eq!(traffic.next().await, told(FlowMix::default()));
    assert_eq!(rig.get("/api/v1/overview").await["demo"]["orders_per_second"], 5.0);
    let mixed = put(json!({"orders_per_second": 5, "flows": {"sync": 2, "event_sourced": 1}})).await;
    assert_eq!(mixed.unwrap().status(), 200);
    assert_eq!(traffic.next().await, told("sync=2,event_sourced=1".parse().unwrap()));
    assert_eq!(
        rig.get("/api/v1/traffic").await["flows"],
        json!({"sync": 2, "event_sourced": 1})
    );
}
