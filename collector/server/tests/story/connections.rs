//! How many may be connected, and what a collector shows that listens beyond loopback.

use std::net::{IpAddr, Ipv4Addr};

use sagascope_server::Config;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::rig::{Rig, problem, soon};

/// A connection that is kept, spoken to in HTTP/1.1.
struct Kept(BufReader<TcpStream>);

impl Kept {
    async fn open(rig: &Rig) -> Self {
        let stream = TcpStream::connect(rig.collector.addresses().api).await.unwrap();
        Self(BufReader::new(stream))
    }

    async fn ask(&mut self, path: &str) {
        let host = self.0.get_ref().peer_addr().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> String {
        soon("an answer", async {
            let mut length = 0;
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line).await.unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.unwrap();
            String::from_utf8(body).unwrap()
        })
        .await
    }

    async fn get(&mut self, path: &str) -> String {
        self.ask(path).await;
        self.answer().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_above_the_cap_wait_and_the_end_does_not_wait_for_them() {
    let rig = Rig::start_with(|config| Config {
        connections_per_port: 2,
        ..config
    })
    .await;
    let (mut first, mut second, mut third) = (Kept::open(&rig).await, Kept::open(&rig).await, Kept::open(&rig).await);
    assert_eq!(first.get("/healthz").await, "ok\n");
    assert_eq!(second.get("/healthz").await, "ok\n");
    third.ask("/healthz").await;
    for _ in 0..50 {
        let numbers = first.get("/metrics").await;
        assert!(numbers.contains("sagascope_connections_total 2\n"), "{numbers}");
    }
    drop(second);
    assert_eq!(third.answer().await, "ok\n", "its turn came");
    soon("the end", rig.collector.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e05_beyond_loopback_everything_but_health_needs_the_token() {
    // Loopback in the form of IPv6: it counts as beyond loopback, and nobody else is let in meanwhile.
    let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    let rig = Rig::start_with(|config| Config { bind: mapped, ..config }).await;
    let port = rig.collector.addresses().api.port();
    let get = |path: &str| rig.client.get(format!("http://127.0.0.1:{port}{path}"));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(path).send().await.unwrap().status(), 200, "{path}");
    }
    let document = get("/api/v1/openapi.json").bearer_auth(rig.collector.token());
    let document: serde_json::Value = document.send().await.unwrap().json().await.unwrap();
    let documented = document["paths"].as_object().unwrap().keys().map(String::as_str);
    let documented = documented.filter(|path| path.starts_with("/api/"));
    for path in documented.chain(["/", "/sagas", "/assets/app-1f3c.js", "/metrics", "/nothing"]) {
        let refused = get(path).send().await.unwrap();
        assert_eq!(problem(refused).await.0, 401, "{path}");
    }
    for path in ["/", "/metrics", "/api/v1/overview"] {
        let answer = get(path).bearer_auth(rig.collector.token()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
}
