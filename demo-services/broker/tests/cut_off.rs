//! A client that goes away in the middle of what it asked: memory and log say the same, wherever it was cut off.

mod support;

use std::time::Duration;

use shop_broker::{EmbeddedBroker, Settings};
use shop_kit::broker::admin::{Reset, ResetTo};
use shop_kit::broker::{Broker, Message};
use shop_kit::simulated::{Node, Simulation};
use support::{IMPATIENT, fetch, message, open};
use tokio::time::timeout;

/// Each call of the database takes up to so long, before and after.
const DISK: Duration = Duration::from_millis(4);
/// Longer than the longest call.
const CUTS_MS: u64 = 16;
const MESSAGES: u64 = 3;

/// What the client asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Acknowledge,
    Reject,
    Park,
    FetchGivesUp,
    Reset,
}

async fn fetched(broker: &EmbeddedBroker) -> Vec<Message> {
    broker.fetch(fetch("g", &["orders"])).await.expect("fetched").messages
}

async fn ask(broker: &EmbeddedBroker, call: Call, out: &[Message]) {
    let place = out[0].place.clone();
    // It goes away: nobody hears the answer.
    let _ = match call {
        Call::Acknowledge => broker.acknowledge("g", vec![place]).await,
        Call::Reject => broker.reject("g", place, "cannot be read").await,
        Call::Park => broker.park("g", place, "cannot be read").await,
        Call::FetchGivesUp => broker.fetch(fetch("g", &["orders"])).await.map(drop),
        Call::Reset => {
            let reset = Reset {
                topic: "orders".to_owned(),
                partition: None,
                to: ResetTo::Beginning,
            };
            broker.reset("g", reset).await.map(drop)
        }
    };
}

/// Cuts the call off after so long, does what is left, and counts: messages that the log has as not done, deliveries of
/// what is a dead letter.
async fn cut_off(call: Call, after: Duration) -> (u64, usize) {
    let settings = Settings {
        max_attempts: 1,
        visibility: if call == Call::FetchGivesUp {
            Duration::ZERO
        } else {
            Duration::from_secs(3_600)
        },
        ..IMPATIENT
    };
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), settings);
    let messages = (0..MESSAGES).map(|n| message(n, "orders", "o-1")).collect();
    broker.publish(messages).await.expect("published");
    let out = fetched(&broker).await;
    let _ = timeout(after, ask(&broker, call, &out)).await;
    let mut again = 0;
    // What was carried through nevertheless has come to its end by then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut left = out;
    loop {
        let letters = broker.dead_letters(10).await.expect("letters");
        let is_letter = |message: &&Message| letters.iter().any(|letter| letter.message.place == message.place);
        let mut due: Vec<Message> = left
            .drain(..)
            .filter(|message| call != Call::FetchGivesUp && !is_letter(&message))
            .collect();
        // The first of these may only give up what nobody answered for.
        for _ in 0..2 {
            if due.is_empty() {
                due = fetched(&broker).await;
                again += due.iter().filter(is_letter).count();
            }
        }
        if due.is_empty() {
            break;
        }
        let places = due.into_iter().map(|message| message.place).collect();
        broker.acknowledge("g", places).await.expect("acknowledged");
    }
    let standing = broker.standing("g").await.expect("read").expect("known");
    (standing.iter().map(|row| row.lag).sum(), again)
}

#[test]
fn a_client_that_goes_away_in_the_middle_leaves_memory_and_log_alike() {
    let calls = [
        Call::Acknowledge,
        Call::Reject,
        Call::Park,
        Call::FetchGivesUp,
        Call::Reset,
    ];
    for call in calls {
        for after in 0..=CUTS_MS {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime");
            let (lag, again) = runtime.block_on(async {
                let _simulation = Simulation::start(after, 0);
                let node = Node::new("broker");
                node.slow_disk(DISK);
                node.run(cut_off(call, Duration::from_millis(after))).await
            });
            let story = format!("{call:?} cut off after {after} ms");
            assert_eq!(lag, 0, "{story}: the position stands still");
            assert_eq!(again, 0, "{story}: a dead letter is delivered again");
        }
    }
}
