//! A question over the broker finds its answer, and nobody waits for ever.

mod support;

use std::time::Duration;

use serde_json::json;
use shop_broker::Settings;
use shop_kit::consumer::{Consumer, Subscription};
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::outbox::OutboxRelay;
use shop_kit::request_reply::{AskError, Requester, reply};
use support::open;

const QUOTES: Subscription = Subscription {
    group: "shipping.quotes",
    topics: &["shipping.quotes"],
    projection: None,
};

#[tokio::test]
async fn each_question_gets_its_own_answer() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    let database = |name: &str| {
        let path = folder.path().join(format!("{name}.sqlite"));
        Database::open(&path, &[], Switchboard::idle()).expect("opens")
    };
    let (orders, shipping) = (database("orders"), database("shipping"));
    let requester = Requester::start("orders.replies", &["orders.replies"], orders, broker.clone());
    let ask = |n: u64, patience| {
        let (requester, context) = (&requester, Context::fresh());
        async move {
            requester
                .ask("shipping.quotes", "QuoteWanted", json!({ "n": n }), &context, patience)
                .await
        }
    };
    let nobody = ask(0, Duration::from_millis(20)).await;
    assert!(matches!(nobody, Err(AskError::NoAnswer(_))), "{nobody:?}");

    let _relay = OutboxRelay::start("shipping", shipping.clone(), broker.clone());
    let _shipping = Consumer::start(QUOTES, shipping, broker, |tx, message, context| {
        let n = message.payload["n"].as_u64();
        Ok(reply(
            tx,
            message,
            "QuoteGiven",
            &json!({ "price": n.map(|n| n * 10) }),
            context,
        )?)
    });
    let patience = Duration::from_secs(30);
    let answers = tokio::join!(ask(1, patience), ask(2, patience), ask(3, patience));
    let prices = [answers.0, answers.1, answers.2].map(|answer| answer.expect("answered")["price"].as_u64());
    assert_eq!(prices, [Some(10), Some(20), Some(30)]);
}
