//! Killed at the worst moment: money and stock agree, and nothing acknowledged is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use sagascope_api::breakers::Breaker;
use sagascope_conventions::{BreakerState, SagaState};
use serde_json::{Value, json};

use crate::support::demo::{Demo, sagas};
use crate::support::{eventually, processes};

const SOON: Duration = Duration::from_secs(40);
const LONG: Duration = Duration::from_secs(90);

fn protects_payments(breaker: &Breaker) -> bool {
    breaker.caller == "orders" && (breaker.name.contains("payments") || breaker.target.as_deref() == Some("payments"))
}

async fn payments_breaker(demo: &Demo, state: BreakerState) -> Option<Breaker> {
    let breakers = demo.client().breakers().await.ok()?.items;
    breakers
        .into_iter()
        .find(|breaker| protects_payments(breaker) && breaker.state == Some(state))
}

/// Kills a service whenever it is there, until `done` says that this is enough.
async fn keep_down<T, F: Future<Output = Option<T>>>(
    demo: &Demo,
    service: &str,
    what: &str,
    mut done: impl FnMut() -> F,
) -> T {
    eventually(what, SOON, || {
        if let Some(pid) = demo.process_now(service) {
            processes::signal(pid, Signal::KILL);
        }
        done()
    })
    .await
}

/// Stops the shoppers and waits until every saga has reached its end.
async fn come_to_rest(demo: &Demo) {
    demo.set_rate(0.0).await;
    demo.overview("every saga has ended", LONG, |now| {
        sagas(now, SagaState::Running) == 0 && sagas(now, SagaState::Compensating) == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_die_the_breaker_opens_orders_are_undone_and_all_recovers() {
    let demo = Demo::start(&["--rate", "15"]).await;
    demo.overview("sagas complete", SOON, |now| sagas(now, SagaState::Completed) >= 5)
        .await;

    keep_down(&demo, "payments", "the breaker of orders opens", || {
        payments_breaker(&demo, BreakerState::Open)
    })
    .await;
    let undone = demo.client().overview().await.unwrap();
    keep_down(&demo, "payments", "orders are undone", || async {
        let now = demo.client().overview().await.ok()?;
        (sagas(&now, SagaState::Compensated) > sagas(&undone, SagaState::Compensated)).then_some(())
    })
    .await;

    eventually("the breaker closes again", LONG, || {
        payments_breaker(&demo, BreakerState::Closed)
    })
    .await;
    let back = demo.client().overview().await.unwrap();
    demo.overview("orders complete again", SOON, |now| {
        sagas(now, SagaState::Completed) > sagas(&back, SagaState::Completed) + 10
    })
    .await;
    come_to_rest(&demo).await;
    money_and_stock_agree(&demo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator_killed_under_load_leaves_no_order_half_done() {
    let demo = Demo::start(&["--rate", "20"]).await;
    for round in 1..=3 {
        let now = demo.client().overview().await.unwrap();
        demo.overview("sagas complete", SOON, |later| {
            sagas(later, SagaState::Completed) > sagas(&now, SagaState::Completed) + 10 * round
        })
        .await;
        processes::signal(demo.process("orders").await, Signal::KILL);
    }
    let now = demo.client().overview().await.unwrap();
    demo.overview("it goes on", LONG, |later| {
        sagas(later, SagaState::Completed) > sagas(&now, SagaState::Completed) + 10
    })
    .await;
    come_to_rest(&demo).await;
    money_and_stock_agree(&demo).await;
}

/// Ids of the traces that the collector acknowledged.
type Acknowledged = Arc<Mutex<Vec<String>>>;

/// Sends traces, one a request, until it is aborted.
async fn send_traces(sender: u64, endpoint: String, acknowledged: Acknowledged) {
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    for number in sender << 32.. {
        let id = format!("{:032x}", 0xfeed_u128 << 64 | u128::from(number));
        let sent = http.post(&endpoint).json(&one_span(&id, number)).send().await;
        if sent.is_ok_and(|answer| answer.status().is_success()) {
            acknowledged.lock().unwrap().push(id);
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn one_span(trace_id: &str, number: u64) -> Value {
    let start = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "probe"}}]},
        "scopeSpans": [{"spans": [{
            "traceId": trace_id,
            "spanId": format!("{number:016x}"),
            "name": "probe",
            "kind": 1,
            "startTimeUnixNano": start.to_string(),
            "endTimeUnixNano": (start + 1_000_000).to_string(),
        }]}],
    }]})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_killed_under_load_loses_no_acknowledged_span() {
    let demo = Demo::start(&["--rate", "20"]).await;
    let acknowledged = Acknowledged::default();
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", demo.base() + 1);
    let senders: Vec<_> = (1..=4)
        .map(|sender| tokio::spawn(send_traces(sender, endpoint.clone(), Arc::clone(&acknowledged))))
        .collect();
    for _ in 0..3 {
        let victim = demo.process("collector").await;
        let enough = acknowledged.lock().unwrap().len() + 30;
        eventually("spans are acknowledged", SOON, || async {
            (acknowledged.lock().unwrap().len() >= enough).then_some(())
        })
        .await;
        processes::signal(victim, Signal::KILL);
        eventually("another collector", SOON, || async {
            demo.process_now("collector").filter(|pid| *pid != victim)
        })
        .await;
    }
    demo.ready().await;
    senders.iter().for_each(tokio::task::JoinHandle::abort);
    let acknowledged = acknowledged.lock().unwrap().clone();
    let client = demo.client();
    for id in &acknowledged {
        eventually(
            &format!("trace {id}, which was acknowledged, is there"),
            SOON,
            || async { client.trace(id).await.ok() },
        )
        .await;
    }
}

/// Figures of one service's `/api/v1/audit`.
async fn audit(demo: &Demo, service: &str) -> Value {
    eventually(&format!("{service} gives its figures"), SOON, || {
        demo.service(service, "/api/v1/audit")
    })
    .await
}

/// The invariants across services, from each service's own figures.
async fn money_and_stock_agree(demo: &Demo) {
    let orders = audit(demo, "orders").await;
    let payments = audit(demo, "payments").await;
    let inventory = audit(demo, "inventory").await;
    let (bookings, hotels, cars) = tokio::join!(audit(demo, "booking"), audit(demo, "hotels"), audit(demo, "cars"));
    let all = [&orders, &payments, &inventory, &bookings, &hotels, &cars];
    let figures = all.map(ToString::to_string).join("\n");
    for part in all {
        assert_eq!(part["agrees"], true, "its own books agree: {figures}");
    }
    for unfinished in ["running", "compensating", "failed"] {
        assert_eq!(orders["sagas"][unfinished], 0, "no order is half done: {figures}");
        assert_eq!(bookings["sagas"][unfinished], 0, "no booking is half done: {figures}");
    }
    for unfinished in ["undecided", "running", "compensating", "failed"] {
        let left = bookings["transactions"][unfinished].as_u64();
        assert_eq!(left.unwrap_or(0), 0, "no transaction is in doubt: {figures}");
    }
    let total = |name: &str| payments[name].as_i64().unwrap_or_else(|| panic!("{name}: {figures}"));
    let kept = total("captured_minor") - total("refunded_minor");
    let confirmed = [&orders, &bookings].map(|part| part["confirmed_total_minor"].as_i64());
    assert_eq!(
        confirmed.into_iter().sum::<Option<i64>>(),
        Some(kept),
        "money is kept for confirmed orders and bookings and no others: {figures}"
    );
    assert_eq!(inventory["reserved"], 0, "nothing stays reserved: {figures}");
    assert_eq!(
        inventory["reservations"]["confirmed"], orders["orders"]["confirmed"],
        "goods left for confirmed orders and no others: {figures}"
    );
}
