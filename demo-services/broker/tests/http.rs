//! The broker as another process sees it: real requests on a real port.

mod support;

use shop_broker::Settings;
use shop_kit::broker::{Broker, BrokerError, HttpBroker};
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
