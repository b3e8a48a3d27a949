//! What must always hold: told by those who look, listed, counted, and held by the collector itself.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::rig::{Rig, eventually, one};

/// A look of `inventory` that found so many violations, as OTLP/JSON.
fn look(looks: u64, violations: u64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let point = |value: u64| {
        json!({
            "timeUnixNano": now.to_string(), "startTimeUnixNano": "1", "asInt": value.to_string(),
            "attributes": [text("invariant.id", "INV-02"), text("invariant.statement", "Nothing is oversold")],
        })
    };
    let metrics = [
        json!({ "name": "invariant.violations", "gauge": { "dataPoints": [point(violations)] } }),
        json!({
            "name": "invariant.looks",
            "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point(looks)] },
        }),
    ];
    json!({ "resourceMetrics": [{
        "resource": { "attributes": [text("service.name", "inventory")] },
        "scopeMetrics": [{ "metrics": metrics }],
    }] })
}

/// Waits until `inventory` is shown in this state.
async fn shown(rig: &Rig, state: &str) -> Value {
    eventually("the row", || async {
        let list = rig.get("/api/v1/invariants").await;
        let row = list["items"]
            .as_array()?
            .iter()
            .find(|row| row["service"] == "inventory")?;
        (row["state"] == state).then(|| row.clone())
    })
    .await
}

#[tokio::test]
async fn a_violation_is_listed_and_counted_until_it_is_healed() {
    let rig = Rig::start().await;
    let send = |body: Value| rig.client.post(rig.otlp("/v1/metrics")).json(&body).send();
    for (looks, violations, state, counted) in [(1, 0, "holds", 0), (2, 3, "violated", 1), (3, 0, "holds", 0)] {
        assert_eq!(send(look(looks, violations)).await.unwrap().status(), 200);
        let row = shown(&rig, state).await;
        assert_eq!((&row["id"], &row["violations"]), (&json!("INV-02"), &json!(violations)));
        assert_eq!(row["statement"], "Nothing is oversold");
        let overview = rig.get("/api/v1/overview").await;
        assert_eq!(overview["invariants"]["violated"], counted);
    }
}

#[tokio::test]
async fn inv_14_the_collector_keeps_its_own_account() {
    let rig = Rig::start().await;
    rig.send_spans(&one(1)).send().await.unwrap();
    rig.traces(1).await;
    let own = eventually("the collector's own row", || async {
        let list = rig.get("/api/v1/invariants").await;
        list["items"].get(0).cloned()
    })
    .await;
    assert_eq!(
        (&own["id"], &own["service"], &own["state"]),
        (&json!("INV-14"), &json!("sagascope"), &json!("holds"))
    );
}
