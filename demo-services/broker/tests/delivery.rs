//! Delivery promises: order per key, at least once, dead letters, restarts (G04, G05, G16, INV-11).

mod support;

use shop_broker::{EmbeddedBroker, Settings};
use shop_kit::broker::{Broker, BrokerError, Fetch};
use support::{IMPATIENT, fetch, message, open, topic_of};

#[tokio::test]
async fn a_key_comes_in_order_one_message_at_a_time() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    broker
        .publish((1..=3).map(|n| message(n, "orders", "o-1")).collect())
        .await
        .expect("published");
    for n in 1..=3 {
        let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
        let ids: Vec<_> = fetched.messages.iter().map(|message| message.id.as_str()).collect();
        assert_eq!(ids, [format!("m-{n}")], "the next one comes after this one is settled");
        assert_eq!((fetched.backlog.head, fetched.backlog.position), (3, n - 1));
        assert!(fetched.backlog.oldest_at.is_some());
        broker
            .acknowledge("shipping", vec![fetched.messages[0].place.clone()])
            .await
            .expect("acknowledged");
    }
    let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    assert!(fetched.messages.is_empty());
    assert_eq!((fetched.backlog.position, fetched.backlog.oldest_at), (3, None));
}

#[tokio::test]
async fn every_group_gets_every_message_and_an_id_is_published_once() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    for _ in 0..2 {
        broker
            .publish(vec![message(1, "orders", "o-1"), message(2, "orders", "o-2")])
            .await
            .expect("published");
    }
    for group in ["shipping", "analytics"] {
        let fetched = broker
            .fetch(fetch(group, &["orders", "payments"]))
            .await
            .expect("fetched");
        assert_eq!(fetched.messages.len(), 2, "{group}");
    }
    assert_eq!(
        broker
            .heads()
            .await
            .expect("heads")
            .iter()
            .map(|head| head.next_offset)
            .sum::<u64>(),
        2
    );
}

#[tokio::test]
async fn after_a_restart_what_was_not_settled_comes_again_and_nothing_else() {
    let folder = tempfile::tempdir().expect("folder");
    let first = open(folder.path(), Settings::default());
    first
        .publish((1..=20).map(|n| message(n, "orders", &format!("o-{n}"))).collect())
        .await
        .expect("published");
    let fetched = first.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    assert_eq!(fetched.messages.len(), 20);
    let (settled, open_ones): (Vec<_>, Vec<_>) = fetched
        .messages
        .into_iter()
        .partition(|message| message.id.ends_with('3'));
    first
        .acknowledge("shipping", settled.into_iter().map(|message| message.place).collect())
        .await
        .expect("settled");
    drop(first);
    let second = open(folder.path(), Settings::default());
    let mut again = second
        .fetch(fetch("shipping", &["orders"]))
        .await
        .expect("fetched")
        .messages;
    let mut expected: Vec<_> = open_ones.into_iter().map(|message| message.place).collect();
    expected.sort();
    again.sort_by(|a, b| a.place.cmp(&b.place));
    assert_eq!(
        again.into_iter().map(|message| message.place).collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn what_nobody_answers_comes_again_then_becomes_a_letter() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(
        folder.path(),
        Settings {
            max_attempts: 2,
            ..IMPATIENT
        },
    );
    broker
        .publish(vec![message(1, "orders", "o-1")])
        .await
        .expect("published");
    for attempts in 1..=2 {
        let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
        assert_eq!(fetched.messages[0].attempts, attempts);
    }
    assert!(
        broker
            .fetch(fetch("shipping", &["orders"]))
            .await
            .expect("fetched")
            .messages
            .is_empty()
    );
    let letters = broker.dead_letters(10).await.expect("letters");
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].message.attempts),
        ("no answer to 2 deliveries", 2)
    );
    // The answer came late, yet it came: the message is done and no letter any more.
    broker
        .acknowledge("shipping", vec![letters[0].message.place.clone()])
        .await
        .expect("acknowledged");
    assert!(
        broker.dead_letters(10).await.expect("letters").is_empty(),
        "INV-11: in one place only"
    );
}

#[tokio::test]
async fn a_poison_message_becomes_a_letter_and_its_key_goes_on() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(
        folder.path(),
        Settings {
            max_attempts: 3,
            ..IMPATIENT
        },
    );
    broker
        .publish(vec![message(1, "orders", "o-1"), message(2, "orders", "o-1")])
        .await
        .expect("published");
    let mut rejected = 0;
    while broker.dead_letters(10).await.expect("letters").is_empty() {
        let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
        assert_eq!(fetched.messages[0].id, "m-1", "m-2 waits behind it");
        broker
            .reject("shipping", fetched.messages[0].place.clone(), "cannot be read")
            .await
            .expect("rejected");
        rejected += 1;
    }
    assert_eq!(rejected, 3);
    let letter = broker.dead_letters(10).await.expect("letters").remove(0);
    assert_eq!(
        (letter.group.as_str(), letter.reason.as_str()),
        ("shipping", "cannot be read")
    );
    let next = broker
        .fetch(fetch("shipping", &["orders"]))
        .await
        .expect("fetched")
        .messages
        .remove(0);
    assert_eq!(next.id, "m-2");
    broker
        .acknowledge("shipping", vec![next.place])
        .await
        .expect("acknowledged");
    assert_eq!(
        broker.letters_by_topic().await.expect("counted"),
        [("orders".to_owned(), 1)]
    );
    drop(broker);
    let restarted = open(folder.path(), Settings::default());
    assert!(
        restarted
            .fetch(fetch("shipping", &["orders"]))
            .await
            .expect("fetched")
            .messages
            .is_empty()
    );
}

#[tokio::test]
async fn a_postponed_message_is_never_a_letter_also_after_restarts() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = Settings {
        max_attempts: 2,
        ..IMPATIENT
    };
    let first = open(folder.path(), settings);
    let all = vec![message(1, "orders", "o-1"), message(2, "orders", "o-1")];
    first.publish(all).await.expect("published");
    drop(first);
    for _ in 0..3 {
        let broker = open(folder.path(), settings);
        for _ in 0..4 {
            let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
            assert_eq!(fetched.messages[0].id, "m-1", "m-2 waits behind it");
            let place = fetched.messages[0].place.clone();
            broker.postpone("shipping", place, "not yet").await.expect("postponed");
        }
    }
    let broker = open(folder.path(), settings);
    let fetched = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    let done = vec![fetched.messages[0].place.clone()];
    broker.acknowledge("shipping", done).await.expect("acknowledged");
    let next = broker.fetch(fetch("shipping", &["orders"])).await.expect("fetched");
    assert_eq!(next.messages[0].id, "m-2");
    assert!(broker.dead_letters(10).await.expect("letters").is_empty());
}

#[tokio::test]
async fn g16_a_replayed_letter_goes_to_its_group_once() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(
        folder.path(),
        Settings {
            max_attempts: 1,
            ..IMPATIENT
        },
    );
    broker
        .publish(vec![message(1, "orders", "o-1")])
        .await
        .expect("published");
    let place = broker
        .fetch(fetch("shipping", &["orders"]))
        .await
        .expect("fetched")
        .messages
        .remove(0)
        .place;
    broker.reject("shipping", place, "not now").await.expect("rejected");
    let id = broker.dead_letters(10).await.expect("letters")[0].id;
    assert!(broker.replay(id).await.expect("replayed"));
    assert!(!broker.replay(id).await.expect("asked again"), "it is a letter no more");
    assert!(!broker.purge(id).await.expect("asked again"));
    let again = broker
        .fetch(fetch("shipping", &["orders"]))
        .await
        .expect("fetched")
        .messages;
    assert_eq!(
        again.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(),
        ["m-1"],
        "under its own id"
    );
    let others = broker
        .fetch(fetch("analytics", &["orders"]))
        .await
        .expect("fetched")
        .messages;
    assert_eq!(others.len(), 1, "analytics gets the first publication only");
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_a_message() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    let mut patient = fetch("shipping", &["orders"]);
    patient.wait_ms = 20_000;
    let (fetched, published) = tokio::join!(broker.fetch(patient), broker.publish(vec![message(1, "orders", "o-1")]));
    published.expect("published");
    assert_eq!(topic_of(&fetched.expect("fetched")), ["orders"]);
}

#[tokio::test]
async fn old_messages_are_let_go_once_every_group_has_done_them() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    for n in 0..6 {
        let messages = (n * 1_000..(n + 1) * 1_000)
            .map(|n| message(n, "orders", &format!("o-{n}")))
            .collect();
        broker.publish(messages).await.expect("published");
    }
    broker
        .fetch(fetch("analytics", &["orders"]))
        .await
        .expect("analytics is known from here on");
    do_all(&broker, "shipping").await;
    assert_eq!(
        broker.forget().await.expect("forgets").done,
        0,
        "analytics has not done them"
    );
    drop(broker);
    let broker = open(folder.path(), Settings::default());
    do_all(&broker, "analytics").await;
    assert_eq!(
        broker.forget().await.expect("forgets").done,
        2_000,
        "all but the last 1000 of each partition"
    );
}

async fn do_all(broker: &EmbeddedBroker, group: &str) {
    loop {
        let fetched = broker
            .fetch(Fetch {
                max: 256,
                ..fetch(group, &["orders"])
            })
            .await
            .expect("fetched");
        if fetched.messages.is_empty() {
            return;
        }
        let places = fetched.messages.into_iter().map(|message| message.place).collect();
        broker.acknowledge(group, places).await.expect("acknowledged");
    }
}

#[tokio::test]
async fn outside_names_and_sizes_are_bounded() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    for topic in ["", "with space", "new\nline", &"x".repeat(129)] {
        let refused = broker.publish(vec![message(1, topic, "k")]).await;
        assert!(matches!(refused, Err(BrokerError::Refused(_))), "{topic:?}");
        assert!(
            matches!(
                broker.fetch(fetch(topic, &["orders"])).await,
                Err(BrokerError::Refused(_))
            ),
            "{topic:?}"
        );
    }
    let too_many = (0..1_001).map(|n| message(n, "orders", "k")).collect();
    assert!(matches!(broker.publish(too_many).await, Err(BrokerError::Refused(_))));
    assert!(broker.heads().await.expect("heads").is_empty());
}

#[tokio::test]
async fn whoever_was_killed_and_begins_anew_need_not_wait_for_its_lease_to_end() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    broker
        .publish(vec![message(1, "orders", "k")])
        .await
        .expect("published");
    let ask = |consumer: &str, anew: bool| Fetch {
        consumer: consumer.to_owned(),
        anew,
        ..fetch("shipping", &["orders"])
    };
    let attempts = async |fetch: Fetch| -> Vec<u32> {
        let fetched = broker.fetch(fetch).await.expect("fetched");
        fetched.messages.iter().map(|message| message.attempts).collect()
    };
    assert_eq!(attempts(ask("first", true)).await, [1]);
    assert_eq!(
        attempts(ask("first", false)).await,
        [] as [u32; 0],
        "it is at work on it"
    );
    assert_eq!(
        attempts(ask("second", true)).await,
        [] as [u32; 0],
        "another takes nothing away"
    );
    assert_eq!(attempts(ask("first", true)).await, [2]);
}
