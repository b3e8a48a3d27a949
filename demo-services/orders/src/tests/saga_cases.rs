//! The order saga when nothing is killed: the happy way, each step refused, each step failing, each undo failing.

use sagascope_conventions::SagaState;

use super::fakes::{Effects, Peers, Shop, Trouble, is_final_as, open};
use crate::cancel_order::request_cancellation;
use crate::order::{Order, Status};
use crate::order_store;

const ID: &str = "o-1";
const ALL_DONE: Effects = Effects {
    reserved: 0,
    sold: 1,
    captured: 1,
    shipped: 1,
};
const NOTHING: Effects = Effects {
    reserved: 0,
    sold: 0,
    captured: 0,
    shipped: 0,
};

/// Runs one order to its end with this trouble; answers what is left of it.
async fn run(call: &'static str, trouble: Trouble, times: u32) -> (SagaState, Peers, Order, Vec<String>) {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    peers.trouble(call, trouble, times);
    let mut shop = open(&folder, &peers);
    shop.run();
    shop.place(ID).await;
    let state = shop.ended(ID).await.state;
    (state, peers, shop.order(ID).await, shop.told().await)
}

#[tokio::test]
async fn when_all_goes_well_the_order_is_confirmed() {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    let mut shop = open(&folder, &peers);
    shop.run();
    shop.place(ID).await;
    is_final_as(&shop.ended(ID).await, SagaState::Completed);
    assert_eq!(peers.calls(), ["reserve", "charge", "ship", "sell"]);
    assert_eq!(peers.effects(), ALL_DONE);
    assert_eq!(shop.order(ID).await.status, Status::Confirmed);
    assert_eq!(shop.told().await, ["OrderCreated", "OrderConfirmed"]);
}

#[tokio::test]
async fn a_refused_step_is_not_repeated_and_what_was_done_is_undone_in_reverse() {
    for (call, then) in [
        ("reserve", vec!["reserve"]),
        ("charge", vec!["reserve", "charge", "release"]),
        ("ship", vec!["reserve", "charge", "ship", "refund", "release"]),
        (
            "sell",
            vec![
                "reserve",
                "charge",
                "ship",
                "sell",
                "cancel_shipment",
                "refund",
                "release",
            ],
        ),
    ] {
        let (state, peers, order, told) = run(call, Trouble::Refused, 1).await;
        assert_eq!(state, SagaState::Compensated, "{call}");
        assert_eq!(peers.calls(), then, "INV-04: {call}");
        assert_eq!((peers.effects(), order.status), (NOTHING, Status::Cancelled), "{call}");
        assert_eq!(told, ["OrderCreated", "OrderCancelled"], "{call}");
    }
}

#[tokio::test]
async fn a_step_that_fails_for_a_while_is_tried_again() {
    for call in ["reserve", "charge", "ship", "sell"] {
        for trouble in [Trouble::Lost, Trouble::AnswerLost] {
            let (state, peers, order, _) = run(call, trouble, 2).await;
            assert_eq!(state, SagaState::Completed, "{call} {trouble:?}");
            assert_eq!(
                (peers.effects(), order.status),
                (ALL_DONE, Status::Confirmed),
                "INV-05: {call} {trouble:?}"
            );
        }
    }
}

/// G10 and INV-04: a step without an answer may have acted, so it is undone too.
#[tokio::test]
async fn a_step_that_fails_for_good_is_undone_together_with_those_before_it() {
    for (call, undone) in [
        ("reserve", vec!["release"]),
        ("charge", vec!["refund", "release"]),
        ("ship", vec!["cancel_shipment", "refund", "release"]),
        ("sell", vec!["release", "cancel_shipment", "refund", "release"]),
    ] {
        for trouble in [Trouble::Lost, Trouble::AnswerLost] {
            let (state, peers, order, _) = run(call, trouble, 3).await;
            assert_eq!(state, SagaState::Compensated, "{call} {trouble:?}");
            let calls = peers.calls();
            assert_eq!(calls[calls.len() - undone.len()..], undone, "{call} {trouble:?}");
            assert_eq!(
                (peers.effects(), order.status),
                (NOTHING, Status::Cancelled),
                "{call} {trouble:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_undo_is_retried_until_it_is_done() {
    for undo in ["release", "refund", "cancel_shipment"] {
        let folder = tempfile::tempdir().expect("folder");
        let peers = Peers::default();
        peers
            .trouble("sell", Trouble::Refused, 1)
            .trouble(undo, Trouble::AnswerLost, 4);
        let mut shop = open(&folder, &peers);
        shop.run();
        shop.place(ID).await;
        is_final_as(&shop.ended(ID).await, SagaState::Compensated);
        assert_eq!(peers.effects(), NOTHING, "{undo}");
    }
}

/// G03: never silent. The other undos are done all the same, and the order does not stay open.
#[tokio::test]
async fn an_undo_that_cannot_be_done_leaves_the_saga_to_a_person() {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    peers
        .trouble("sell", Trouble::Refused, 1)
        .trouble("refund", Trouble::Lost, 99);
    let mut shop = open(&folder, &peers);
    shop.run();
    shop.place(ID).await;
    let instance = shop.ended(ID).await;
    is_final_as(&instance, SagaState::Failed);
    assert_eq!(peers.effects(), Effects { captured: 1, ..NOTHING });
    assert_eq!(shop.order(ID).await.status, Status::Cancelled);
}

#[tokio::test]
async fn a_customer_who_cancels_in_time_gets_everything_undone() {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    // The charge fails once, and the customer's wish comes before its second attempt.
    peers.trouble("charge", Trouble::HangsAfter, 1);
    let mut shop = open(&folder, &peers);
    shop.run();
    shop.place(ID).await;
    let charged = || async { (peers.effects().captured == 1).then_some(()) };
    shop_kit::testing::eventually("the charge", charged).await;
    cancel(&shop).await;
    peers.heal();
    let mut shop = restart(shop, &folder, &peers);
    shop.run();
    let instance = shop.ended(ID).await;
    is_final_as(&instance, SagaState::Compensated);
    assert!(
        instance
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("changed my mind")),
        "{instance:?}"
    );
    assert_eq!(
        (peers.effects(), shop.order(ID).await.status),
        (NOTHING, Status::Cancelled)
    );
}

fn restart(shop: Shop, folder: &tempfile::TempDir, peers: &Peers) -> Shop {
    drop(shop);
    open(folder, peers)
}

async fn cancel(shop: &Shop) {
    shop.db
        .write(|tx| {
            let order = order_store::load(tx, ID)?;
            let events = request_cancellation(&order, "changed my mind")?;
            order_store::record(tx, ID, &order, &events, &shop_kit::context::Context::default())?;
            anyhow::Ok(())
        })
        .await
        .expect("noted");
}
