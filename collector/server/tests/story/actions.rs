//! An action of a person: told to the service, answered by it, and seen in its telemetry.

use reqwest::{Method, Response};
use sagascope_conventions::action::Action;
use sagascope_conventions::fault::FaultCommand;
use serde_json::{Value, json};

use crate::control::Service;
use crate::rig::{Rig, eventually, problem};

const LETTER: &[(&str, &str)] = &[
    ("messaging.destination.name", "orders.events"),
    ("messaging.message.id", "m-1"),
    ("dead_letter.reason", "schema v9 unknown"),
];
const SAGA: &[(&str, &str)] = &[("saga.name", "order"), ("saga.id", "o-1"), ("saga.step.name", "charge")];

fn attributes(pairs: &[(&str, &str)], sequence: Option<u64>) -> Value {
    let mut all: Vec<Value> = pairs
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}))
        .collect();
    if let Some(sequence) = sequence {
        all.push(json!({"key": "saga.sequence", "value": {"intValue": sequence.to_string()}}));
    }
    Value::Array(all)
}

fn of(service: &str) -> Value {
    json!({"attributes": attributes(&[("service.name", service)], None)})
}

fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_nanos().to_string()
}

/// An event of a service.
async fn tell(rig: &Rig, service: &str, name: &str, pairs: &[(&str, &str)], sequence: Option<u64>) {
    let record = json!({"timeUnixNano": now(), "eventName": name, "attributes": attributes(pairs, sequence)});
    let body = json!({"resourceLogs": [{"resource": of(service), "scopeLogs": [{"logRecords": [record]}]}]});
    let sent = rig.client.post(rig.otlp("/v1/logs")).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}

async fn tell_of_read_model(rig: &Rig, service: &str, name: &str) {
    let point =
        json!({"timeUnixNano": now(), "asInt": "7", "attributes": attributes(&[("projection.name", name)], None)});
    let metric = json!({"name": "projection.position", "gauge": {"dataPoints": [point]}});
    let body = json!({"resourceMetrics": [{"resource": of(service), "scopeMetrics": [{"metrics": [metric]}]}]});
    let sent = rig
        .client
        .post(rig.otlp("/v1/metrics"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
}

async fn act(rig: &Rig, path: &str, body: Value) -> Response {
    let path = format!("/api/v1/actions/{path}");
    rig.control(Method::POST, &path).json(&body).send().await.unwrap()
}

/// The next order that the service is given.
async fn order(service: &mut Service) -> (String, Action) {
    loop {
        if let FaultCommand::Act { id, action } = service.next().await {
            return (id, action);
        }
    }
}

async fn report(rig: &Rig, id: &str, service: &str, outcome: Value) -> u16 {
    let mut body = outcome;
    (body["id"], body["service"], body["instance"]) = (json!(id), json!(service), json!("i-1"));
    act(rig, "reports", body).await.status().as_u16()
}

fn done() -> Value {
    json!({"result": "done", "count": 1, "detail": "1 dead letter is delivered once more."})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_and_the_effect_is_seen() {
    let rig = Rig::start().await;
    tell(&rig, "broker", "message.dead_lettered", LETTER, None).await;
    let mut service = Service::connect(&rig, "broker").await;
    let body = json!({"destination": "orders.events", "id": "m-1"});
    let (answer, ()) = tokio::join!(act(&rig, "dead-letters/replay", body.clone()), async {
        let (id, action) = order(&mut service).await;
        let expected = Action::ReplayDeadLetters {
            destination: "orders.events".into(),
            message_id: Some("m-1".into()),
        };
        assert_eq!(action, expected);
        assert_eq!(report(&rig, &id, "broker", done()).await, 204);
        tell(&rig, "broker", "message.dead_letter.settled", LETTER, None).await;
    });
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["count"], &answer["verified"], &answer["services"]),
        (&json!(1), &json!("telemetry"), &json!(["broker"]))
    );
    assert_eq!(rig.get("/api/v1/dead-letters").await["items"], json!([]));
    let again = act(&rig, "dead-letters/replay", body.clone()).await;
    assert_eq!(problem(again).await.0, 404, "it is a dead letter no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_telemetry_does_not_show_is_not_claimed() {
    let rig = Rig::start().await;
    tell(&rig, "broker", "message.dead_lettered", LETTER, None).await;
    let mut service = Service::connect(&rig, "broker").await;
    let (answer, ()) = tokio::join!(
        act(&rig, "dead-letters/purge", json!({"destination": "orders.events"})),
        async {
            let (id, _) = order(&mut service).await;
            assert_eq!(report(&rig, &id, "broker", done()).await, 204);
        }
    );
    assert_eq!(answer.json::<Value>().await.unwrap()["verified"], "answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_is_rebuilt() {
    let rig = Rig::start().await;
    tell_of_read_model(&rig, "orders", "order_summary").await;
    let mut service = Service::connect(&rig, "orders").await;
    let unknown = act(&rig, "read-models/orders/nothing/rebuild", json!({})).await;
    assert_eq!(problem(unknown).await.0, 404);
    let asked = act(&rig, "read-models/orders/order_summary/rebuild", json!({"from": 3})).await;
    assert_eq!(problem(asked).await.0, 400, "it starts from zero and nowhere else");
    let (answer, ()) = tokio::join!(
        act(&rig, "read-models/orders/order_summary/rebuild", json!({})),
        async {
            let (id, action) = order(&mut service).await;
            assert_eq!(
                action,
                Action::RebuildReadModel {
                    name: "order_summary".into()
                }
            );
            assert_eq!(report(&rig, &id, "orders", done()).await, 204);
            let pairs = [("projection.name", "order_summary")];
            tell(&rig, "orders", "projection.rebuild.started", &pairs, None).await;
        }
    );
    assert_eq!(answer.json::<Value>().await.unwrap()["verified"], "telemetry");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_saga_is_retried_and_one_that_is_over_is_not() {
    let rig = Rig::start().await;
    tell(&rig, "orders", "saga.started", SAGA, Some(1)).await;
    tell(&rig, "orders", "saga.failed", SAGA, Some(2)).await;
    let mut service = Service::connect(&rig, "orders").await;
    let (answer, ()) = tokio::join!(act(&rig, "sagas/o-1/retry", json!({})), async {
        let (id, action) = order(&mut service).await;
        assert!(matches!(action, Action::RetrySaga(saga) if saga.name == "order" && saga.id == "o-1"));
        assert_eq!(report(&rig, &id, "orders", done()).await, 204);
        tell(&rig, "orders", "saga.compensation.started", SAGA, Some(3)).await;
    });
    assert_eq!(answer.json::<Value>().await.unwrap()["verified"], "telemetry");
    assert_eq!(rig.get("/api/v1/sagas/o-1").await["state"], "compensating");

    let (answer, ()) = tokio::join!(act(&rig, "sagas/o-1/cancel", json!({"name": "order"})), async {
        let (id, _) = order(&mut service).await;
        let refused = json!({"result": "refused", "detail": "The saga has turned back already."});
        assert_eq!(report(&rig, &id, "orders", refused).await, 204);
        assert_eq!(
            report(&rig, &id, "orders", done()).await,
            404,
            "nobody waits for a second word"
        );
    });
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["status"], &answer["code"], &answer["detail"]),
        (
            &json!(409),
            &json!("not_possible"),
            &json!("The saga has turned back already.")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_no_service_hears_of_it() {
    let rig = Rig::start().await;
    tell(&rig, "broker", "message.dead_lettered", LETTER, None).await;
    tell(&rig, "orders", "saga.failed", SAGA, Some(2)).await;
    let mut service = Service::connect(&rig, "broker").await;
    for (path, body, status, code) in [
        ("dead-letters/replay", json!({}), 400, "invalid_body"),
        (
            "dead-letters/replay",
            json!({"destination": "orders.events", "all": true}),
            400,
            "invalid_body",
        ),
        (
            "dead-letters/replay",
            json!({"destination": "orders.events", "id": "m-9"}),
            404,
            "unknown_dead_letter",
        ),
        (
            "dead-letters/purge",
            json!({"destination": "payments.events"}),
            404,
            "unknown_dead_letter_of",
        ),
        (
            "dead-letters/archive",
            json!({"destination": "orders.events"}),
            404,
            "not_found",
        ),
        ("sagas/o-9/retry", json!({}), 404, "unknown_saga"),
        ("sagas/o-1/applaud", json!({}), 404, "unknown_action"),
        ("sagas/o-1/retry", json!({"name": 7}), 400, "invalid_body"),
        ("sagas/o-1/retry", json!({}), 503, "not_connected"),
        ("reports", json!({"id": "a-1"}), 400, "invalid_body"),
    ] {
        let refusal = problem(act(&rig, path, body.clone()).await).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (status, code), "{path} {body}");
    }
    let nameless = rig
        .client
        .post(rig.api("/api/v1/actions/dead-letters/purge"))
        .json(&json!({"destination": "orders.events"}))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(nameless).await.0, 401);
    // The stream has brought the first word and nothing since: the next is the one given now.
    let (answer, ()) = tokio::join!(
        act(&rig, "dead-letters/purge", json!({"destination": "orders.events"})),
        async {
            assert!(matches!(service.next().await, FaultCommand::Sync { .. }));
            let FaultCommand::Act {
                id,
                action: Action::PurgeDeadLetters { message_id: None, .. },
            } = service.next().await
            else {
                panic!("another order than the one given");
            };
            let failed = json!({"result": "failed", "detail": "the disk is full"});
            assert_eq!(report(&rig, &id, "broker", failed).await, 204);
        }
    );
    assert_eq!(problem(answer).await.0, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_answer_is_told_as_such() {
    let rig = Rig::start().await;
    tell(&rig, "broker", "message.dead_lettered", LETTER, None).await;
    let mut service = Service::connect(&rig, "broker").await;
    let (answer, id) = tokio::join!(
        act(&rig, "dead-letters/purge", json!({"destination": "orders.events"})),
        async { order(&mut service).await.0 }
    );
    assert_eq!(answer.status(), 504);
    assert!(
        answer.json::<Value>().await.unwrap()["detail"]
            .as_str()
            .unwrap()
            .contains("may still do it")
    );
    eventually("the late word to find nobody", || async {
        (report(&rig, &id, "broker", done()).await == 404).then_some(())
    })
    .await;
    assert_eq!(
        rig.get("/api/v1/dead-letters").await["items"].as_array().map(Vec::len),
        Some(1)
    );
}

/// A coordinator that stays away is not asked: those that said yes are.
#[tokio::test(flavor = "multi_thread")]
async fn the_doubt_of_a_two_phase_commit_is_ended_by_those_who_voted() {
    let rig = Rig::start().await;
    let of = |step: &'static str| {
        [
            ("saga.name", "booking-2pc"),
            ("saga.id", "b-1"),
            ("saga.step.name", step),
        ]
    };
    for (sequence, step) in [(1, "prepare.hotels"), (2, "prepare.cars"), (3, "decide")] {
        tell(&rig, "booking", "saga.step.started", &of(step), Some(sequence)).await;
    }
    tell(&rig, "orders", "saga.step.started", SAGA, Some(1)).await;
    let (mut hotels, mut cars) = (
        Service::connect(&rig, "hotels").await,
        Service::connect(&rig, "cars").await,
    );
    eventually("the vote is in the picture", || async {
        let saga = rig.get("/api/v1/sagas/b-1").await;
        (saga["steps"].as_array().map(Vec::len) == Some(3)).then_some(())
    })
    .await;
    let saga = json!({"kind": "abort_in_doubt", "name": "booking-2pc", "id": "b-1"});
    let (answer, ()) = tokio::join!(act(&rig, "sagas/b-1/abort-in-doubt", json!({})), async {
        let (id, action) = order(&mut cars).await;
        assert_eq!(json!(action), saga);
        let refused = json!({"result": "refused", "detail": "Nothing is in doubt there."});
        assert_eq!(report(&rig, &id, "cars", refused).await, 204);
        let (id, _) = order(&mut hotels).await;
        let done = json!({"result": "done", "count": 1, "detail": "room 7 is given back."});
        assert_eq!(report(&rig, &id, "hotels", done).await, 204);
    });
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["services"], &answer["verified"]),
        (&json!(["hotels"]), &json!("answer"))
    );
    assert_eq!(answer["detail"], "room 7 is given back. Nothing is in doubt there.");
    let votes = act(&rig, "sagas/o-1/commit-in-doubt", json!({})).await;
    assert_eq!(problem(votes).await.0, 409, "nobody votes in an order");
}
