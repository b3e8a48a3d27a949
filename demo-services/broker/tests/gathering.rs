//! Messages that follow each other closely are delivered together; a quiet group gets its message at once.

mod support;

use std::time::Duration;

use shop_broker::{EmbeddedBroker, Settings};
use shop_kit::broker::{Broker, Fetch};
use shop_kit::simulated::{Node, Simulation};
use support::{fetch, message, open};
use tokio::time::{Instant, sleep};

/// Deliveries that a quiet group gets one by one.
const BURST: u64 = 8;

/// Ids of the next delivery, and how long it took to come.
async fn next(broker: &EmbeddedBroker) -> (Vec<String>, Duration) {
    let began = Instant::now();
    let patient = Fetch {
        wait_ms: 5_000,
        ..fetch("shipping", &["orders"])
    };
    let messages = broker.fetch(patient).await.expect("fetched").messages;
    (
        messages.into_iter().map(|message| message.id).collect(),
        began.elapsed(),
    )
}

async fn publish(broker: &EmbeddedBroker, n: u64) {
    let published = broker.publish(vec![message(n, "orders", &format!("o-{n}"))]).await;
    published.expect("published");
}

async fn story() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    for n in 1..=BURST {
        publish(&broker, n).await;
        assert_eq!(next(&broker).await, (vec![format!("m-{n}")], Duration::ZERO));
    }

    let (close, ()) = tokio::join!(next(&broker), async {
        publish(&broker, 21).await;
        sleep(Duration::from_millis(3)).await;
        publish(&broker, 22).await;
    });
    let (mut ids, after) = close;
    ids.sort();
    assert_eq!(ids, ["m-21", "m-22"], "together");
    assert!(after <= Duration::from_millis(20), "{after:?}");

    sleep(Duration::from_secs(1)).await;
    publish(&broker, 30).await;
    assert_eq!(next(&broker).await, (vec!["m-30".to_owned()], Duration::ZERO));
}

#[test]
fn what_comes_close_together_is_delivered_together() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let _simulation = Simulation::start(1, 0);
        Node::new("broker").run(story()).await;
    });
}
