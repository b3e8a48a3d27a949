//! Too much, too slow, too many: each has its bound, and the others are served meanwhile.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use sagascope_server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Rig, eventually, one, request, soon, span};

/// A figure from `/metrics`.
async fn figure(rig: &Rig, name: &str) -> u64 {
    let text = rig
        .client
        .get(rig.api("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// A connection that speaks HTTP/1.1 as we please.
struct Raw(TcpStream);

impl Raw {
    async fn open(address: std::net::SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn head(&mut self, length: usize) -> std::io::Result<()> {
        let host = self.0.peer_addr()?;
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\n\r\n"
        );
        self.0.write_all(head.as_bytes()).await
    }

    /// A whole request and its answer, so that it is known for whom this connection speaks.
    async fn introduce(&mut self) {
        let body = prost::Message::encode_to_vec(&one(1));
        self.head(body.len()).await.unwrap();
        self.0.write_all(&body).await.unwrap();
        let mut answer = [0; 12];
        self.0.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        // The rest of it is small and has come with it.
        let _ = self.0.try_read(&mut [0; 4_096]);
    }
}

/// Spans of a service of its own, in one request of about this size.
fn of_service(
    service: &str,
    bytes: usize,
) -> opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
    let mut spans = vec![span(2, 2)];
    spans[0].name = "x".repeat(bytes);
    let mut request = request(spans);
    let resource = request.resource_spans[0].resource.as_mut().unwrap();
    let name = resource.attributes[0].value.as_mut().unwrap();
    name.value = Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(
        service.into(),
    ));
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn b02_a_noisy_service_is_pushed_back_and_the_others_are_not() {
    const PART: usize = 16 << 20;
    let rig = Rig::start().await;
    let address = rig.collector.addresses().http;
    let mut noisy = Vec::new();
    for _ in 0..14 {
        let mut connection = Raw::open(address).await;
        connection.introduce().await;
        noisy.push(connection);
    }
    let before = figure(&rig, "sagascope_intake_budget_bytes").await;
    // Large requests, begun and never ended: they hold what they have sent.
    let part = vec![0; PART];
    let sent = join_all(noisy.iter_mut().map(async |connection| {
        connection.head(4 * PART).await?;
        connection.0.write_all(&part).await
    }));
    let pushed_back = || async {
        let text = rig
            .client
            .get(rig.api("/metrics"))
            .send()
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let line = text.lines().find(|line| line.contains("\"pushed_back\""))?;
        line.rsplit(' ')
            .next()?
            .parse::<u64>()
            .ok()
            .filter(|refused| *refused > 0)
    };
    tokio::join!(sent, eventually("the noisy one to be pushed back", pushed_back));
    let left = figure(&rig, "sagascope_intake_budget_bytes").await;
    assert!(
        left >= before / 2 - (1 << 20),
        "half is left for the others: {left} of {before}"
    );

    let modest = (0..10).map(|_| rig.send_spans(&of_service("modest", 2 << 20)).send());
    for answer in join_all(modest).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    drop(noisy);
    eventually("all to be given back", || async {
        // More than before is right too: the requests that introduced them may have been under way then.
        (figure(&rig, "sagascope_intake_budget_bytes").await >= before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b10_a_client_that_asks_and_never_reads_loses_its_slot() {
    let rig = Rig::start_with(|config| Config {
        connections_per_port: 1,
        unread_timeout: Duration::from_millis(200),
        ..config
    })
    .await;
    let address = rig.collector.addresses().api;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(address).await.unwrap();
    let requests = format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(100);
    // It fails once we are let go, and would wait for ever otherwise.
    soon("the deaf one to be let go", async {
        while deaf.write_all(requests.as_bytes()).await.is_ok() {}
    })
    .await;
    let answer = soon("the only slot", rig.client.get(rig.api("/healthz")).send()).await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn b08_a_watcher_that_never_reads_holds_nothing_up() {
    let rig = Rig::start().await;
    let deaf = rig
        .client
        .get(rig.api("/api/v1/live?topics=traces,logs"))
        .send()
        .await
        .unwrap();
    for trace in 1..=300 {
        let spans = (0..20).map(|id| span(trace, id + 1)).collect();
        let answer = rig.send_spans(&request(spans)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(rig.traces(300).await.len(), 300);
    assert_eq!(rig.accepted_spans().await, 6_000);
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn b09_a_thousand_watchers_are_told_and_forgotten() {
    const WATCHERS: usize = 1_000;
    let rig = Rig::start_with(|config| Config {
        connections_per_port: WATCHERS + 24,
        ..config
    })
    .await;
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        let answer = rig
            .client
            .get(rig.api("/api/v1/live?topics=traces"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        watchers.push(answer.bytes_stream());
    }
    assert_eq!(rig.send_spans(&one(0xfeed)).send().await.unwrap().status(), 200);
    let told = join_all(watchers.iter_mut().map(async |watcher| {
        let mut text = String::new();
        while !text.contains("feed") {
            let chunk = watcher.next().await.expect("the stream goes on").unwrap();
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }));
    soon("every watcher to be told", told).await;
    drop(watchers);
    eventually("all to be forgotten", || async {
        (figure(&rig, "sagascope_live_watchers").await == 0).then_some(())
    })
    .await;
}
