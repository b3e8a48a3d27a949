//! All flows against the same scripts: they end in the same business state, whatever is repeated, late or killed.

use std::time::Duration;

use sagascope_conventions::action::{Action, ActionOutcome, SagaRef};
use sagascope_conventions::{OrderFlow, SagaState};
use serde_json::{Value, json};
use shop_kit::broker::HttpBroker;
use shop_kit::choreography;
use shop_kit::testing::TestServer;
use tokio::task::JoinSet;

use super::bus::{Bus, End};
use super::fakes::{Effects, Peers, Trouble};
use crate::flows::choreographed_actions;
use crate::order::Status;

const PATIENT: Duration = Duration::from_secs(30);
/// Flows that promise something.
const PROMISING: [OrderFlow; 2] = [OrderFlow::Hardened, OrderFlow::Choreographed];

pub(super) fn confirmed() -> End {
    End {
        order: Status::Confirmed,
        saga: SagaState::Completed,
        effects: Effects {
            reserved: 0,
            sold: 1,
            captured: 1,
            shipped: 1,
        },
    }
}

pub(super) fn cancelled() -> End {
    End {
        order: Status::Cancelled,
        saga: SagaState::Compensated,
        effects: Effects::default(),
    }
}

/// What goes wrong, how often.
type Script = &'static [(&'static str, Trouble, u32)];

/// Scripts, and how an order must end under them whichever way it goes.
fn scripts() -> Vec<(Script, End)> {
    vec![
        (&[], confirmed()),
        (&[("reserve", Trouble::Refused, 1)], cancelled()),
        (&[("charge", Trouble::Refused, 1)], cancelled()),
        (&[("ship", Trouble::Refused, 1)], cancelled()),
        (&[("reserve", Trouble::Lost, 1)], confirmed()),
        (&[("charge", Trouble::AnswerLost, 2)], confirmed()),
        (&[("ship", Trouble::AnswerLost, 1)], confirmed()),
        (&[("sell", Trouble::Lost, 2)], confirmed()),
        (
            &[("charge", Trouble::Refused, 1), ("release", Trouble::Lost, 2)],
            cancelled(),
        ),
        (
            &[("ship", Trouble::Refused, 1), ("refund", Trouble::AnswerLost, 2)],
            cancelled(),
        ),
        (
            &[
                ("ship", Trouble::Refused, 1),
                ("refund", Trouble::Lost, 1),
                ("release", Trouble::AnswerLost, 1),
            ],
            cancelled(),
        ),
        // The charge took effect and its answer never came: undone all the same.
        (&[("ship", Trouble::Lost, u32::MAX)], cancelled()),
    ]
}

async fn placed(flow: OrderFlow, script: Script) -> Bus {
    let peers = Peers::default();
    for &(call, trouble, times) in script {
        peers.trouble(call, trouble, times);
    }
    // On a busy machine an answer may take long; only a script that gives none runs into this.
    let answers = script.iter().all(|(.., times)| *times < u32::MAX);
    let patience = if answers { PATIENT } else { Duration::from_millis(300) };
    let mut bus = Bus::open(&peers, patience);
    if flow == OrderFlow::Hardened {
        bus.run();
    }
    bus.place(flow).await;
    bus
}

/// G17. The fourth generation runs the same definition and machine as the third (see `saga_cases`).
#[tokio::test]
async fn inv_13_orchestrated_and_choreographed_orders_end_alike() {
    for (script, then) in scripts() {
        for flow in PROMISING {
            let end = placed(flow, script).await.settle(0, 1).await;
            assert_eq!(end, then, "{flow:?} {script:?}");
        }
    }
}

/// G05, INV-05: each message once, twice and three times, and all of them again after the end.
#[tokio::test]
async fn g05_repeated_and_late_messages_change_nothing() {
    for (script, then) in scripts() {
        for flow in PROMISING {
            for times in 2..=3 {
                let mut bus = placed(flow, script).await;
                assert_eq!(bus.settle(0, times).await, then, "{flow:?} {script:?} × {times}");
                let messages = bus.log.len();
                let all: Vec<_> = bus.log.iter().rev().cloned().collect();
                for message in &all {
                    bus.deliver(message).await;
                }
                assert_eq!(bus.end().await, then, "{flow:?} {script:?} again, backwards");
                assert_eq!(bus.log.len(), messages, "a late message makes no new one");
            }
        }
    }
}

/// G01: killed after every prefix of the messages; then the broker, which forgot what was acknowledged, begins again.
#[tokio::test(flavor = "multi_thread")]
async fn g01_killed_after_every_prefix_it_ends_alike() {
    let mut all = JoinSet::new();
    for (script, then) in scripts() {
        // A service that never answers costs the orchestrator its patience at every prefix, and tells nothing new.
        let answers = script.iter().all(|(.., times)| *times < u32::MAX);
        for flow in PROMISING
            .into_iter()
            .filter(|&flow| answers || flow != OrderFlow::Hardened)
        {
            all.spawn(killed_after_every_prefix(flow, script, then.clone()));
        }
    }
    all.join_all().await;
}

async fn killed_after_every_prefix(flow: OrderFlow, script: Script, then: End) {
    for prefix in 0.. {
        let mut bus = placed(flow, script).await;
        let mut delivered = 0;
        while delivered < prefix && bus.has(delivered).await {
            let message = bus.log[delivered].clone();
            bus.deliver(&message).await;
            delivered += 1;
        }
        bus.restart();
        let end = bus.settle(0, 1 + prefix as u32 % 3).await;
        assert_eq!(end, then, "{flow:?} {script:?} killed after {delivered} messages");
        if delivered < prefix {
            return;
        }
    }
}

/// G06: what undoes a step comes before the step.
#[tokio::test]
async fn g06_a_release_that_overtakes_its_reserve_keeps_it_from_acting() {
    let mut bus = placed(OrderFlow::Choreographed, &[("charge", Trouble::Refused, 1)]).await;
    assert_eq!(bus.settle(0, 1).await, cancelled());
    let peers = Peers::default();
    let mut other = Bus::open(&peers, PATIENT);
    other.place(OrderFlow::Choreographed).await;
    // The undo of the first order's story, heard by a shop that has not reserved yet.
    let failed = bus
        .log
        .iter()
        .find(|message| message.event_type == "PaymentFailed")
        .expect("told");
    other.deliver(&failed.clone()).await;
    let end = other.settle(0, 1).await;
    assert_eq!((end.order, end.effects), (Status::Cancelled, Effects::default()));
}

async fn acts(bus: &Bus, broker: &str, action: fn(SagaRef) -> Action) -> ActionOutcome {
    let saga = SagaRef {
        name: OrderFlow::Choreographed.saga_name().to_owned(),
        id: super::bus::ID.to_owned(),
    };
    let broker = HttpBroker::new(broker).expect("client");
    choreographed_actions::carry_out(bus.orders().clone(), broker, action(saga)).await
}

/// Takes what it is asked to hurry, and answers how much of it there was.
async fn broker(count: u64) -> TestServer {
    let answer = move |axum::Json(asked): axum::Json<Value>| async move {
        assert_eq!(asked, json!({ "topic": choreography::TOPIC, "key": super::bus::ID }));
        axum::Json(json!({ "count": count }))
    };
    TestServer::start(axum::Router::new().route("/api/v1/deliveries/hurry", axum::routing::post(answer))).await
}

#[tokio::test]
async fn a_person_turns_a_choreographed_order_back_before_it_is_confirmed() {
    for action in [Action::CancelSaga, Action::CompensateSaga] {
        let mut bus = placed(OrderFlow::Choreographed, &[]).await;
        let nobody = "http://127.0.0.1:1";
        assert!(matches!(
            acts(&bus, nobody, action).await,
            ActionOutcome::Done { count: 1, .. }
        ));
        assert!(matches!(
            acts(&bus, nobody, action).await,
            ActionOutcome::Refused { .. }
        ));
        assert_eq!(bus.settle(0, 1).await, cancelled());
        assert!(matches!(
            acts(&bus, nobody, action).await,
            ActionOutcome::Refused { .. }
        ));
        assert!(matches!(
            acts(&bus, nobody, Action::RetrySaga).await,
            ActionOutcome::Refused { .. }
        ));
        assert_eq!(acts(&bus, nobody, Action::AbortInDoubt).await, ActionOutcome::Unknown);
    }
}

#[tokio::test]
async fn a_person_has_a_choreographed_order_tried_again_by_the_broker() {
    let bus = placed(OrderFlow::Choreographed, &[]).await;
    let (waits, rests) = (broker(2).await, broker(0).await);
    let retried = acts(&bus, waits.base(), Action::RetrySaga).await;
    assert!(matches!(retried, ActionOutcome::Done { count: 2, .. }), "{retried:?}");
    let under_way = acts(&bus, rests.base(), Action::RetrySaga).await;
    assert!(matches!(under_way, ActionOutcome::Refused { .. }), "{under_way:?}");
    let away = acts(&bus, "http://127.0.0.1:1", Action::RetrySaga).await;
    assert!(matches!(away, ActionOutcome::Failed { .. }), "{away:?}");
}

/// What fails is told at each attempt, and comes again: no undo is left to a person for want of patience.
#[tokio::test]
async fn an_undo_that_fails_more_often_than_a_step_may_is_still_done() {
    let script: Script = &[("ship", Trouble::Refused, 1), ("refund", Trouble::Lost, 30)];
    let mut bus = placed(OrderFlow::Choreographed, script).await;
    // Each round delivers it a few times more.
    while bus.settle(0, 1).await != cancelled() {}
    let told = bus.told("payments").await;
    let refunds = told.iter().filter(|(event, _)| event == "saga.compensation.failed");
    assert_eq!(refunds.count(), 30);
}

#[tokio::test]
async fn each_service_of_a_choreographed_order_tells_its_own_steps() {
    let mut bus = placed(OrderFlow::Choreographed, &[("ship", Trouble::Refused, 1)]).await;
    assert_eq!(bus.settle(0, 2).await, cancelled());
    let told = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(event, step)| (format!("saga.{event}"), (*step).to_owned()))
            .collect()
    };
    let orders = [
        ("started", ""),
        ("step.started", "create"),
        ("step.succeeded", "create"),
        ("compensation.started", "create"),
        ("compensation.succeeded", "create"),
        ("compensated", ""),
    ];
    assert_eq!(bus.told("orders").await, told(&orders));
    let undone = |step: &'static str| {
        [
            ("step.started", step),
            ("step.succeeded", step),
            ("compensation.started", step),
            ("compensation.succeeded", step),
        ]
    };
    assert_eq!(bus.told("inventory").await, told(&undone("reserve")));
    assert_eq!(bus.told("payments").await, told(&undone("charge")));
    let refused = [("step.started", "ship"), ("step.failed", "ship")];
    assert_eq!(bus.told("shipping").await, told(&refused));
}

#[tokio::test]
async fn the_second_generation_goes_all_the_way_when_nothing_is_lost() {
    for (script, then) in [
        (&[] as Script, confirmed()),
        (&[("ship", Trouble::Refused, 1)], cancelled()),
        (&[("charge", Trouble::Refused, 1)], cancelled()),
    ] {
        let mut bus = placed(OrderFlow::Broker, script).await;
        assert_eq!(bus.settle(0, 1).await, then, "{script:?}");
        let words: Vec<&str> = bus.log.iter().map(|message| message.event_type.as_str()).collect();
        let end = if then == confirmed() {
            "SAGA_COMPLETE"
        } else {
            "SAGA_ROLLBACK"
        };
        assert!(words.contains(&end) && words.contains(&"ReserveItems"), "{words:?}");
    }
}

/// The lesson of the second generation: a message that is lost between commit and broker is lost for good.
#[tokio::test]
async fn the_second_generation_stands_still_when_a_message_is_lost() {
    let mut bus = placed(OrderFlow::Broker, &[]).await;
    let lost = bus
        .log
        .iter()
        .position(|message| message.event_type == "ReserveItems")
        .expect("sent");
    bus.log.remove(lost);
    bus.restart();
    let end = bus.settle(0, 1).await;
    assert_eq!((end.order, end.saga), (Status::Created, SagaState::Running));
}
