//! The broker as another process sees it: real requests on a real port.

mod support;

use serde_json::json;
use shop_broker::Settings;
use shop_kit::broker::{Broker, BrokerError, HttpBroker};
use shop_kit::testing::TestServer;
use support::{fetch, message, open};

async fn serve(folder: &std::path::Path) -> HttpBroker {
    let router = shop_broker::router(open(
        folder,
        Settings {
            max_attempts: 1,
            ..Settings::default()
        },
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    HttpBroker::new(&format!("http://{address}/")).expect("client")
}

#[tokio::test]
async fn everything_works_over_http() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = serve(folder.path()).await;
    let mut first = message(1, "orders", "o-1");
    first.headers.insert("x-note".to_owned(), "no valid\nheader".to_owned());
    broker
        .publish(vec![first, message(2, "orders", "o-2")])
        .await
        .expect("published");
    let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    assert_eq!((fetched.messages.len(), fetched.backlog.lag()), (2, 2));
    assert_eq!(fetched.messages[0].payload["n"].as_u64().map(|n| n <= 2), Some(true));
    broker
        .acknowledge("shipping", vec![fetched.messages[0].place.clone()])
        .await
        .expect("acknowledged");
    broker
        .reject("shipping", fetched.messages[1].place.clone(), "bad")
        .await
        .expect("rejected");
    let letters = broker.dead_letters(5).await.expect("letters");
    assert_eq!((letters.len(), letters[0].reason.as_str()), (1, "bad"));
    assert!(broker.replay(letters[0].id).await.expect("replayed"));
    assert!(!broker.replay(letters[0].id).await.expect("gone"));
    assert!(!broker.purge(letters[0].id).await.expect("gone"));
    assert_eq!(
        broker
            .heads()
            .await
            .expect("heads")
            .iter()
            .map(|head| head.next_offset)
            .sum::<u64>(),
        3
    );
    assert!(
        broker
            .positions()
            .await
            .expect("positions")
            .iter()
            .all(|position| position.group == "shipping")
    );
}

#[tokio::test]
async fn what_must_be_done_comes_again_where_a_rejection_makes_a_letter() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = serve(folder.path()).await;
    broker
        .publish(vec![message(1, "orders", "o-1"), message(2, "orders", "o-2")])
        .await
        .expect("published");
    let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    for message in &fetched.messages {
        let (place, reason) = (message.place.clone(), "the bank is closed");
        match message.key.as_str() {
            "o-1" => broker.postpone("shipping", place, reason).await.expect("postponed"),
            _ => broker.reject("shipping", place, reason).await.expect("rejected"),
        }
    }
    let letters = broker.dead_letters(5).await.expect("letters");
    assert_eq!((letters.len(), letters[0].message.key.as_str()), (1, "o-2"));
    let again = shop_kit::broker::Fetch {
        wait_ms: 5_000,
        ..fetch("shipping", &["orders"])
    };
    let again = broker.fetch(again).await.expect("fetched").messages;
    assert_eq!((again.len(), again[0].key.as_str(), again[0].attempts), (1, "o-1", 2));
}

#[tokio::test]
async fn a_key_is_hurried_on_whether_it_waits_or_was_given_up_and_no_other() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = serve(folder.path()).await;
    broker
        .publish((1..=3).map(|n| message(n, "orders", &format!("o-{n}"))).collect())
        .await
        .expect("published");
    let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    for message in &fetched.messages {
        let place = message.place.clone();
        match message.key.as_str() {
            "o-1" => broker.reject("shipping", place, "bad").await.expect("a letter"),
            _ => broker.postpone("shipping", place, "not yet").await.expect("waits"),
        }
    }
    assert_eq!(broker.hurry("orders", "o-1").await.expect("hurried"), 1);
    assert_eq!(broker.hurry("orders", "o-2").await.expect("hurried"), 1);
    assert_eq!(
        broker.hurry("orders", "o-9").await.expect("hurried"),
        0,
        "nothing of it waits"
    );
    let again = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    let keys: std::collections::BTreeSet<&str> = again.messages.iter().map(|message| message.key.as_str()).collect();
    assert!(keys.is_superset(&["o-1", "o-2"].into()), "{keys:?}");
    assert_eq!(broker.hurry("orders", "o-2").await.expect("hurried"), 0, "it is out");
    assert!(broker.hurry("no spaces", "o-2").await.is_err());
}

#[tokio::test]
async fn a_refusal_is_told_from_a_broker_that_is_away() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = serve(folder.path()).await;
    let refused = broker.publish(vec![message(1, "no spaces", "o-1")]).await;
    assert!(matches!(refused, Err(BrokerError::Refused(reason)) if reason.contains("topic")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let nobody = listener.local_addr().expect("bound");
    drop(listener);
    let away = HttpBroker::new(&format!("http://{nobody}"))
        .expect("client")
        .publish(Vec::new())
        .await;
    assert!(matches!(away, Err(BrokerError::Unavailable(_))));
}

/// A letter of `shipping` on a server that gives up at once.
async fn with_a_letter(folder: &std::path::Path) -> TestServer {
    let settings = Settings {
        max_attempts: 1,
        ..Settings::default()
    };
    let broker = open(folder, settings);
    broker
        .publish(vec![message(1, "orders", "o-1")])
        .await
        .expect("published");
    let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    let place = fetched.messages[0].place.clone();
    broker
        .reject("shipping", place, "bad\u{1b}[2J")
        .await
        .expect("rejected");
    TestServer::start(shop_broker::router(broker)).await
}

#[tokio::test]
async fn a_person_looks_replays_and_sets_back_over_http() {
    let folder = tempfile::tempdir().expect("folder");
    let server = with_a_letter(folder.path()).await;
    let (_, letters) = server.get("/api/v1/dead-letters?topic=orders").await;
    let letter = &letters["items"][0];
    assert_eq!(
        (&letter["group"], &letter["message"]["id"]),
        (&json!("shipping"), &json!("m-1"))
    );
    assert!(letter["first_failed_at"].as_u64() <= letter["at"].as_u64());
    assert_eq!(
        server.get(&format!("/api/v1/dead-letters/{}", letter["id"])).await.0,
        200
    );
    let partition = &letter["message"]["partition"];
    let (status, page) = server
        .get(&format!("/api/v1/topics/orders/messages?partition={partition}&limit=5"))
        .await;
    assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(1)));
    let (_, groups) = server.get("/api/v1/groups/shipping").await;
    let dead: u64 = groups["items"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["dead"].as_u64())
        .sum();
    assert_eq!(dead, 1);
    let (status, replayed) = server
        .post("/api/v1/dead-letters/replay", None, &json!({ "topic": "orders" }))
        .await;
    assert_eq!((status, &replayed["count"]), (200, &json!(1)));
    let reset = json!({ "topic": "orders", "to": "beginning" });
    let (status, moved) = server.post("/api/v1/groups/shipping/reset", None, &reset).await;
    assert_eq!((status, moved["items"].as_array().map(Vec::len)), (200, Some(4)));
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_has_no_effect() {
    let folder = tempfile::tempdir().expect("folder");
    let server = with_a_letter(folder.path()).await;
    for (path, status) in [
        ("/api/v1/topics/payments/messages", 404),
        ("/api/v1/topics/orders/messages?partition=9", 404),
        ("/api/v1/topics/orders/messages?from=minus", 400),
        ("/api/v1/groups/nobody", 404),
        ("/api/v1/dead-letters/99", 404),
        ("/api/v1/dead-letters/nine", 400),
        ("/api/v1/dead-letters?limit=-1", 400),
    ] {
        let (answered, problem) = server.get(path).await;
        assert_eq!(answered, status, "{path}: {problem}");
        assert!(problem["code"].is_string(), "{path}: {problem}");
    }
    for (path, body, status) in [
        ("/api/v1/dead-letters/replay", json!({}), 400),
        ("/api/v1/dead-letters/purge", json!({}), 400),
        ("/api/v1/dead-letters/purge", json!({ "everything": true }), 400),
        ("/api/v1/dead-letters/99/replay", json!({}), 404),
        (
            "/api/v1/groups/nobody/reset",
            json!({ "topic": "orders", "to": "beginning" }),
            404,
        ),
        (
            "/api/v1/groups/shipping/reset",
            json!({ "topic": "orders", "to": { "offset": 3 } }),
            400,
        ),
        (
            "/api/v1/groups/shipping/reset",
            json!({ "topic": "orders", "to": "yesterday" }),
            400,
        ),
        (
            "/api/v1/groups/shipping/reset",
            json!({ "topic": "no such", "to": "end" }),
            400,
        ),
    ] {
        let (answered, problem) = server.post(path, None, &body).await;
        assert_eq!(answered, status, "{path} {body}: {problem}");
        assert!(problem["code"].is_string(), "{path}: {problem}");
    }
    let (_, letters) = server.get("/api/v1/dead-letters").await;
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1));
}
