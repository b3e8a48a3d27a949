//! OTLP as the specification words it: the cases A01 to A20, by every way in.

mod bad;
mod calls;
mod envelope;
mod json;
mod points;
mod records;
mod values;
mod ways;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use serde_json::Value;
use tonic::transport::Channel;

use crate::rig::Rig;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn grpc(rig: &Rig) -> TraceServiceClient<Channel> {
    TraceServiceClient::connect(format!("http://{}", rig.collector.addresses().grpc))
        .await
        .unwrap()
}

/// Posts JSON to a signal's path: the status, and what the answer says.
async fn post_json(rig: &Rig, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let response = rig
        .client
        .post(rig.otlp(path))
        .header("content-type", JSON)
        .body(body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// One span in JSON, in its envelope.
fn enveloped(span: &Value) -> String {
    serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string()
}

/// The only span of a trace, as the API shows it.
async fn shown(rig: &Rig, trace: u128) -> Value {
    let trace = crate::rig::eventually("the trace to show", || async {
        let url = rig.api(&format!("/api/v1/traces/{trace:032x}"));
        let response = rig.client.get(url).send().await.unwrap();
        (response.status() == 200).then_some(response)
    })
    .await;
    let trace: Value = trace.json().await.unwrap();
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 1, "{trace:#}");
    spans[0].clone()
}
