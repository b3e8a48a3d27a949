//! The live stream over real connections.

use futures_util::{SinkExt, StreamExt};
use sagascope_api::live::{LiveMessage, Picture, Rows};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::rig::{Rig, one, soon};

/// Messages of an event stream.
pub(crate) struct Events {
    response: reqwest::Response,
    buffer: String,
}

impl Events {
    pub(crate) async fn open(rig: &Rig, query: &str, last_id: Option<&str>) -> Self {
        let mut get = rig.client.get(rig.api(&format!("/api/v1/live?{query}")));
        if let Some(id) = last_id {
            get = get.header("last-event-id", id);
        }
        let response = get.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            buffer: String::new(),
        }
    }

    pub(crate) async fn next(&mut self) -> LiveMessage {
        soon("a live message", async {
            loop {
                if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                    let data = event
                        .lines()
                        .find_map(|line| line.strip_prefix("data: "))
                        .map(serde_json::from_str);
                    self.buffer = rest.to_owned();
                    match data {
                        Some(message) => return message.unwrap(),
                        None => continue,
                    }
                }
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        })
        .await
    }

    /// Reads until the picture holds this many traces.
    async fn until_traces(&mut self, picture: &mut Picture, number: usize) {
        while picture.traces.len() < number {
            picture.apply(self.next().await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_and_a_return_has_no_gap() {
    let rig = Rig::start().await;
    let mut picture = Picture::default();
    let mut events = Events::open(&rig, "topics=traces", None).await;
    assert!(matches!(events.next().await, LiveMessage::Snapshot { data: Rows::Traces(rows), .. } if rows.is_empty()));
    rig.send_spans(&one(1)).send().await.unwrap();
    events.until_traces(&mut picture, 1).await;
    drop(events);

    rig.send_spans(&one(2)).send().await.unwrap();
    rig.traces(2).await;
    let last_id = picture.last_id.clone().unwrap().to_string();
    for way in [format!("topics=traces&last_id={last_id}"), "topics=traces".into()] {
        let header = (!way.contains("last_id")).then_some(last_id.as_str());
        let mut again = picture.clone();
        let mut events = Events::open(&rig, &way, header).await;
        let first = events.next().await;
        assert!(
            matches!(first, LiveMessage::Update { .. }),
            "resumed, not begun anew: {first:?}"
        );
        again.apply(first);
        events.until_traces(&mut again, 2).await;
    }
    let mut events = Events::open(&rig, "topics=traces", Some("gone-7")).await;
    assert!(matches!(events.next().await, LiveMessage::Snapshot { data: Rows::Traces(rows), .. } if rows.len() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_topics_are_named() {
    let rig = Rig::start().await;
    let response = rig
        .client
        .get(rig.api("/api/v1/live?topics=sagas,nonsense"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        crate::rig::problem(response).await,
        (400, "unknown_topic".into(), "topics".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_says_the_same_and_changes_topics() {
    let rig = Rig::start().await;
    let mut socket = websocket(&rig, "topics=faults").await;
    assert!(matches!(
        next(&mut socket).await,
        LiveMessage::Snapshot {
            data: Rows::Faults(_),
            ..
        }
    ));
    let subscribe = r#"{"type":"subscribe","topics":["traces"]}"#;
    socket.send(Message::text(subscribe)).await.unwrap();
    rig.send_spans(&one(1)).send().await.unwrap();
    let mut picture = Picture::default();
    while picture.traces.is_empty() {
        picture.apply(next(&mut socket).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_ends_a_websocket_with_a_reason() {
    let rig = Rig::start().await;
    let cases = [
        (Message::text("hello"), 1007),
        (Message::text(r#"{"type":"subscribe","topics":["nonsense"]}"#), 1007),
        (Message::binary(vec![1, 2, 3]), 1003),
    ];
    for (said, code) in cases {
        let mut socket = websocket(&rig, "topics=faults").await;
        next(&mut socket).await;
        socket.send(said.clone()).await.unwrap();
        let closed = loop {
            match soon("the end", socket.next()).await.unwrap().unwrap() {
                Message::Close(frame) => break frame.unwrap(),
                Message::Text(text) => drop(serde_json::from_str::<LiveMessage>(&text).unwrap()),
                _ => {}
            }
        };
        assert_eq!(u16::from(closed.code), code, "{said:?}");
        assert!(closed.reason.starts_with("say "), "{}", closed.reason);
    }
}

async fn websocket(rig: &Rig, query: &str) -> Socket {
    let address = rig.collector.addresses().api;
    let mut request = format!("ws://{address}/api/v1/live?{query}")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("origin", format!("http://{address}").parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn next(socket: &mut Socket) -> LiveMessage {
    loop {
        let message = soon("a message", socket.next()).await.unwrap().unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e03_a_websocket_needs_our_origin_or_the_token() {
    let rig = Rig::start().await;
    let address = rig.collector.addresses().api;
    let token = format!("Bearer {}", rig.collector.token());
    let cases = [
        (Some("https://evil.example"), None, 403),
        (Some("null"), None, 403),
        (Some("http://localhost.evil.com:4319"), None, 403),
        (Some("https://evil.example"), Some(token.as_str()), 403),
        (None, None, 401),
        (None, Some(token.as_str()), 101),
    ];
    for (origin, authorization, expected) in cases {
        let mut request = format!("ws://{address}/api/v1/live?topics=faults")
            .into_client_request()
            .unwrap();
        for (name, value) in [("origin", origin), ("authorization", authorization)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        let status = match tokio_tungstenite::connect_async(request).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(status, expected, "{origin:?} {authorization:?}");
    }
}
