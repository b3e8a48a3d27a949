//! The client against a server of a few lines, over real sockets on port 0.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::live::{Connection, LiveEvent, watch};
use super::*;
use crate::live::Topic;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Takes one request and gives its head.
async fn take(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

async fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_the_servers_problem_with_its_field() {
    let (listener, url) = listener().await;
    let client = Client::new(&url, Some("secret".into())).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, head) = take(&listener).await;
        answer(
            &mut stream,
            "400 Bad Request",
            r#"{"code":"unknown_service","title":"Unknown service","field":"target.service","detail":"try payments"}"#,
        )
        .await;
        head
    });
    let error = client.clear("a/b").await.unwrap_err();
    let ClientError::Refused(problem) = error else {
        panic!("{error}")
    };
    assert_eq!(
        (problem.status, problem.field.as_deref()),
        (400, Some("target.service"))
    );
    let head = server.await.unwrap().to_lowercase();
    assert!(head.starts_with("delete /api/v1/faults/a%2fb "), "{head}");
    assert!(head.contains("authorization: bearer secret"), "{head}");
}

#[tokio::test]
async fn nobody_there_says_what_to_do() {
    let (listener, url) = listener().await;
    drop(listener);
    let error = Client::new(&url, None).unwrap().overview().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("connection refused") && text.contains("cargo demo"),
        "{text}"
    );
}

#[tokio::test]
async fn somebody_else_there_is_told_apart() {
    let (listener, url) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = take(&listener).await;
        answer(&mut stream, "502 Bad Gateway", "<html>").await;
    });
    let error = Client::new(&url, None).unwrap().overview().await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { .. }), "{error}");
    server.await.unwrap();
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

fn update(sequence: u64) -> String {
    format!(
        "id: r1-{sequence}\ndata: {{\"type\":\"update\",\"id\":\"r1-{sequence}\",\"data\":{{\"topic\":\"services\",\"items\":[]}}}}\n\n"
    )
}

#[tokio::test]
async fn a_broken_stream_is_told_and_resumed_where_it_ended() {
    let (listener, url) = listener().await;
    let server = tokio::spawn(async move {
        let (mut stream, first) = take(&listener).await;
        stream
            .write_all(format!("{STREAM}{}", update(7)).as_bytes())
            .await
            .unwrap();
        drop(stream);
        let (mut stream, second) = take(&listener).await;
        stream
            .write_all(format!("{STREAM}{}", update(8)).as_bytes())
            .await
            .unwrap();
        (first, second, stream)
    });
    let client = Client::new(&url, None).unwrap();
    let mut events = watch(client, vec![Topic::Services, Topic::ReadModels]);
    let mut seen: Vec<String> = Vec::new();
    while seen.iter().filter(|word| word.starts_with("r1")).count() < 2 {
        seen.push(match events.recv().await.unwrap() {
            LiveEvent::Connection(Connection::Connecting) => "connecting".to_owned(),
            LiveEvent::Connection(Connection::Live) => "live".to_owned(),
            LiveEvent::Connection(Connection::Lost { .. }) => "lost".to_owned(),
            LiveEvent::Message(message) => message.id().to_string(),
        });
    }
    assert_eq!(
        seen,
        ["connecting", "live", "r1-7", "lost", "connecting", "live", "r1-8"]
    );
    let (first, second, _stream) = server.await.unwrap();
    assert!(
        first.starts_with("GET /api/v1/live?topics=services,read-models "),
        "{first}"
    );
    assert!(!first.contains("last-event-id"), "{first}");
    assert!(second.contains("last-event-id: r1-7"), "{second}");
}
