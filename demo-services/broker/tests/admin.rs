//! What a person does to the broker: look, set a group back, settle dead letters (INV-05, INV-11, G16).

mod support;

use std::collections::BTreeMap;

use shop_broker::{EmbeddedBroker, Settings};
use shop_kit::broker::admin::{Letters, Look, Reset, ResetTo, Settled, Standing};
use shop_kit::broker::{Broker, BrokerError, Message};
use support::{IMPATIENT, fetch, message, open};

const ONE_TRY: Settings = Settings {
    max_attempts: 1,
    ..IMPATIENT
};

async fn next(broker: &EmbeddedBroker, group: &str) -> Vec<Message> {
    broker.fetch(fetch(group, &["orders"])).await.expect("fetched").messages
}

async fn done(broker: &EmbeddedBroker, group: &str, messages: &[Message]) {
    let places = messages.iter().map(|message| message.place.clone()).collect();
    broker.acknowledge(group, places).await.expect("acknowledged");
}

/// Does all there is; answers the ids in the order in which they came.
async fn do_all(broker: &EmbeddedBroker, group: &str) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let messages = next(broker, group).await;
        if messages.is_empty() {
            return ids;
        }
        done(broker, group, &messages).await;
        ids.extend(messages.into_iter().map(|message| message.id));
    }
}

/// The sum over all partitions.
async fn standing(broker: &EmbeddedBroker, group: &str) -> Standing {
    let rows = broker.standing(group).await.expect("read").expect("known");
    rows.into_iter().fold(Standing::default(), |sum, row| Standing {
        lag: sum.lag + row.lag,
        done: sum.done + row.done,
        in_flight: sum.in_flight + row.in_flight,
        scheduled: sum.scheduled + row.scheduled,
        dead: sum.dead + row.dead,
        ..sum
    })
}

fn counts(standing: &Standing) -> [u64; 4] {
    [standing.done, standing.in_flight, standing.scheduled, standing.dead]
}

/// Keys that share the partition of the first one.
fn neighbours(broker_keys: usize) -> Vec<String> {
    let partition = |key: &str| {
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash ^ (hash >> 32)) % 4
    };
    let keys = (0..1_000).map(|n| format!("o-{n}"));
    keys.filter(|key| partition(key) == partition("o-0"))
        .take(broker_keys)
        .collect()
}

#[tokio::test]
async fn inv_11_each_message_is_in_exactly_one_place() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(
        folder.path(),
        Settings {
            max_attempts: 1,
            ..Settings::default()
        },
    );
    let messages = (0..12).map(|n| message(n, "orders", &format!("o-{}", n % 6))).collect();
    broker.publish(messages).await.expect("published");
    let first = next(&broker, "shipping").await;
    assert_eq!(first.len(), 6, "one of each key");
    assert_eq!(counts(&standing(&broker, "shipping").await), [0, 6, 6, 0]);
    done(&broker, "shipping", &first[..2]).await;
    broker
        .reject("shipping", first[2].place.clone(), "cannot be read")
        .await
        .expect("rejected");
    assert_eq!(counts(&standing(&broker, "shipping").await), [2, 3, 6, 1]);
    let letter = broker.dead_letters(10).await.expect("letters").remove(0);
    assert!(broker.replay(letter.id).await.expect("replayed"));
    assert_eq!(
        counts(&standing(&broker, "shipping").await),
        [3, 3, 7, 0],
        "its first delivery is settled, the new one is scheduled"
    );
    assert_eq!(counts(&standing(&broker, "shipping").await).iter().sum::<u64>(), 13);
}

#[tokio::test]
async fn a_poison_message_blocks_its_own_key_and_no_other_of_its_partition() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(
        folder.path(),
        Settings {
            max_attempts: 4,
            ..IMPATIENT
        },
    );
    let keys = neighbours(5);
    let messages = (0..20).map(|n| message(n, "orders", &keys[n as usize % 5])).collect();
    broker.publish(messages).await.expect("published");
    let (mut came, mut rejections) = (Vec::new(), 0);
    while came.len() < 16 {
        for got in next(&broker, "shipping").await {
            if got.id == "m-0" {
                rejections += 1;
                if rejections < 3 {
                    broker.reject("shipping", got.place, "poison").await.expect("rejected");
                }
            } else {
                assert_ne!(got.key, keys[0], "the key of the poison waits behind it");
                done(&broker, "shipping", std::slice::from_ref(&got)).await;
                came.push(got.id);
            }
        }
    }
    assert!(
        broker.dead_letters(1).await.expect("letters").is_empty(),
        "it has not been given up yet"
    );
    for _ in 0..4 {
        if let Some(poison) = next(&broker, "shipping").await.first().filter(|got| got.id == "m-0") {
            broker
                .reject("shipping", poison.place.clone(), "poison")
                .await
                .expect("rejected");
        }
    }
    let letter = broker.dead_letters(1).await.expect("letters").remove(0);
    assert!(
        letter.message.id == "m-0" && letter.first_failed_at <= letter.at,
        "{letter:?}"
    );
    let rest = do_all(&broker, "shipping").await;
    assert_eq!(rest, ["m-5", "m-10", "m-15"], "its key goes on, in order");
}

#[tokio::test]
async fn each_key_keeps_its_order_however_often_messages_fail() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(
        folder.path(),
        Settings {
            max_attempts: 1_000,
            ..IMPATIENT
        },
    );
    for n in 0..120 {
        let key = format!("o-{}", n % 7);
        broker
            .publish(vec![message(n, "orders", &key)])
            .await
            .expect("published");
    }
    let (mut dice, mut order) = (0x9e37_79b9_u64, BTreeMap::<String, Vec<u64>>::new());
    loop {
        let messages = next(&broker, "shipping").await;
        if messages.is_empty() {
            break;
        }
        for got in messages {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match dice >> 62 {
                0 => broker.reject("shipping", got.place, "again").await.expect("rejected"),
                // Its lease ends without a word.
                1 => {}
                _ => {
                    done(&broker, "shipping", std::slice::from_ref(&got)).await;
                    order
                        .entry(got.key)
                        .or_default()
                        .push(got.payload["n"].as_u64().expect("number"));
                }
            }
        }
    }
    assert_eq!(order.values().map(Vec::len).sum::<usize>(), 120);
    assert!(order.values().all(|of_key| of_key.is_sorted()), "{order:?}");
}

#[tokio::test]
async fn a_group_set_back_gets_everything_again_in_the_order_of_its_keys() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    let messages = (0..9).map(|n| message(n, "orders", &format!("o-{}", n % 3))).collect();
    broker.publish(messages).await.expect("published");
    let mut first = do_all(&broker, "shipping").await;
    do_all(&broker, "analytics").await;
    let to = |to| Reset {
        topic: "orders".into(),
        partition: None,
        to,
    };
    let moved = broker
        .reset("shipping", to(ResetTo::Beginning))
        .await
        .expect("reset")
        .expect("known");
    assert_eq!(moved.iter().map(|one| one.from).sum::<u64>(), 9);
    assert!(moved.iter().all(|one| one.to == 0));
    assert_eq!(standing(&broker, "shipping").await.lag, 9);
    assert_eq!(standing(&broker, "analytics").await.lag, 0, "other groups stay");
    drop(broker);
    let broker = open(folder.path(), Settings::default());
    let mut again = do_all(&broker, "shipping").await;
    first.sort();
    again.sort();
    assert_eq!(again, first, "and a restart does not forget it");
    broker
        .reset("shipping", to(ResetTo::Time(u64::MAX)))
        .await
        .expect("reset")
        .expect("known");
    assert!(
        do_all(&broker, "shipping").await.is_empty(),
        "nothing is as new as that"
    );
    broker
        .reset("shipping", to(ResetTo::Time(1)))
        .await
        .expect("reset")
        .expect("known");
    assert_eq!(do_all(&broker, "shipping").await.len(), 9);
}

#[tokio::test]
async fn a_reset_takes_back_what_is_out_and_what_is_dead() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(
        folder.path(),
        Settings {
            max_attempts: 1,
            ..Settings::default()
        },
    );
    let messages = (0..3).map(|n| message(n, "orders", &format!("o-{n}"))).collect();
    broker.publish(messages).await.expect("published");
    let out = next(&broker, "shipping").await;
    broker
        .reject("shipping", out[0].place.clone(), "bad")
        .await
        .expect("rejected");
    let reset = Reset {
        topic: "orders".into(),
        partition: None,
        to: ResetTo::Beginning,
    };
    let moved = broker.reset("shipping", reset).await.expect("reset").expect("known");
    assert_eq!(moved.iter().map(|one| one.letters).sum::<u64>(), 1);
    assert!(
        broker.dead_letters(10).await.expect("letters").is_empty(),
        "INV-11: it is a delivery again"
    );
    done(&broker, "shipping", &out[1..2]).await;
    let again = next(&broker, "shipping").await;
    assert!(
        again.len() >= 2 && again.iter().any(|got| got.id == out[0].id),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_reset_that_makes_no_sense_moves_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    broker
        .publish(vec![message(1, "orders", "o-1")])
        .await
        .expect("published");
    do_all(&broker, "shipping").await;
    let reset = |topic: &str, partition, to| Reset {
        topic: topic.into(),
        partition,
        to,
    };
    for (group, wanted) in [
        ("nobody", reset("orders", None, ResetTo::Beginning)),
        ("shipping", reset("payments", None, ResetTo::Beginning)),
    ] {
        assert_eq!(broker.reset(group, wanted).await.expect("asked"), None, "{group}");
    }
    for wanted in [
        reset("orders", None, ResetTo::Offset(0)),
        reset("orders", Some(0), ResetTo::Offset(99)),
        reset("orders", Some(4), ResetTo::Beginning),
    ] {
        let refused = broker.reset("shipping", wanted).await;
        assert!(matches!(refused, Err(BrokerError::Refused(_))), "{refused:?}");
    }
    assert_eq!(standing(&broker, "shipping").await.lag, 0);
    assert_eq!(broker.standing("nobody").await.expect("asked"), None);
}

#[tokio::test]
async fn g16_all_letters_of_a_topic_are_replayed_once() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), ONE_TRY);
    let messages = (0..250).map(|n| message(n, "orders", &format!("o-{n}"))).collect();
    broker.publish(messages).await.expect("published");
    loop {
        let messages = next(&broker, "shipping").await;
        if messages.is_empty() {
            break;
        }
        for got in messages {
            broker.reject("shipping", got.place, "not now").await.expect("rejected");
        }
    }
    assert_eq!(standing(&broker, "shipping").await.dead, 250);
    let of_orders = || Letters::of_topic("orders");
    let other = broker
        .replay_letters(Letters::of_topic("payments"))
        .await
        .expect("asked");
    assert_eq!(other, Settled::default());
    let one = broker
        .replay_letters(Letters::of_message("orders", "m-7"))
        .await
        .expect("replayed");
    assert_eq!(one, Settled { count: 1 });
    assert_eq!(
        broker.replay_letters(of_orders()).await.expect("replayed"),
        Settled { count: 249 }
    );
    assert_eq!(
        broker.replay_letters(of_orders()).await.expect("asked again"),
        Settled::default()
    );
    let mut again = do_all(&broker, "shipping").await;
    again.sort();
    again.dedup();
    assert_eq!(again.len(), 250);
    assert!(broker.purge_letters(of_orders()).await.expect("asked").count == 0);
}

#[tokio::test]
async fn purged_letters_are_gone_for_good() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), ONE_TRY);
    broker
        .publish((0..3).map(|n| message(n, "orders", &format!("o-{n}"))).collect())
        .await
        .expect("published");
    for got in next(&broker, "shipping").await {
        broker.reject("shipping", got.place, "bad").await.expect("rejected");
    }
    let letters = broker.letters(Letters::default(), 0, 2).await.expect("letters");
    assert_eq!(letters.len(), 2);
    let rest = broker
        .letters(Letters::default(), letters[1].id, 10)
        .await
        .expect("letters");
    assert_eq!(rest.len(), 1);
    assert_eq!(broker.letter(rest[0].id).await.expect("read").as_ref(), rest.first());
    assert!(broker.purge(rest[0].id).await.expect("purged"));
    assert_eq!(broker.letter(rest[0].id).await.expect("read"), None);
    assert_eq!(
        broker.purge_letters(Letters::of_topic("orders")).await.expect("purged"),
        Settled { count: 2 }
    );
    assert!(do_all(&broker, "shipping").await.is_empty());
}

#[tokio::test]
async fn a_topic_can_be_read_page_by_page() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    let keys = neighbours(1);
    let messages = (0..5).map(|n| message(n, "orders", &keys[0])).collect();
    broker.publish(messages).await.expect("published");
    let partition = next(&broker, "shipping").await[0].place.partition;
    let look = |from, limit| Look { partition, from, limit };
    let page = broker.look("orders", look(0, 3)).await.expect("read").expect("known");
    assert_eq!(
        (page.items.len(), page.oldest, page.head, page.next),
        (3, 0, 5, Some(3))
    );
    assert_eq!(
        (page.items[2].id.as_str(), page.items[2].payload["n"].as_u64()),
        ("m-2", Some(2))
    );
    let page = broker
        .look("orders", look(3, 10_000))
        .await
        .expect("read")
        .expect("known");
    assert_eq!((page.items.len(), page.next), (2, None));
    let page = broker
        .look("orders", look(u64::MAX, 0))
        .await
        .expect("read")
        .expect("known");
    assert!(page.items.is_empty() && page.next.is_none());
    assert_eq!(broker.look("payments", look(0, 1)).await.expect("read"), None);
    let beyond = Look {
        partition: 9,
        from: 0,
        limit: 1,
    };
    assert_eq!(broker.look("orders", beyond).await.expect("read"), None);
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    for n in 0..4 {
        let mut large = message(n, "orders", "o-1");
        large.payload = serde_json::Value::String("x".repeat(700_000));
        broker.publish(vec![large]).await.expect("published");
    }
    let partition = next(&broker, "shipping").await[0].place.partition;
    let look = Look {
        partition,
        from: 0,
        limit: 4,
    };
    let page = broker.look("orders", look).await.expect("read").expect("known");
    assert_eq!((page.items.len(), page.next), (1, Some(1)));
}
