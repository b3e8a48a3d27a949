//! The service over HTTP: money moves once, and the books always balance.

use sagascope_conventions::FaultTarget;
use sagascope_conventions::fault::{ArmedFault, Fault, FaultKind, FaultStrength};
use serde_json::{Value, json};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::outside::Outside;
use shop_kit::retention::Rule;
use shop_kit::testing::TestServer;
use tempfile::TempDir;

use crate::cards::{self, Card};
use crate::http::{Payments, router};
use crate::{store, two_phase};

const SEED: u64 = 1;

struct Bank {
    db: Database,
    server: TestServer,
    faults: Switchboard,
    folder: TempDir,
}

async fn open() -> Bank {
    open_in(tempfile::tempdir().expect("folder")).await
}

async fn open_in(folder: TempDir) -> Bank {
    let faults = Switchboard::idle();
    let schema = [store::SCHEMA, &[two_phase::SCHEMA]].concat();
    let db = Database::open(&folder.path().join("payments.sqlite"), &schema, faults.clone()).expect("opens");
    let server = TestServer::start(router(Payments {
        db: db.clone(),
        faults: faults.clone(),
        seed: SEED,
        bank: Outside::instant("bank"),
    }))
    .await;
    Bank {
        db,
        server,
        faults,
        folder,
    }
}

impl Bank {
    async fn charge(&self, order_id: &str, key: &str, amount_minor: i64) -> (u16, Value) {
        let body =
            json!({ "order_id": order_id, "customer_id": "c-1", "amount_minor": amount_minor, "currency": "EUR" });
        self.server.post("/api/v1/charges", Some(key), &body).await
    }

    async fn refund(&self, order_id: &str, key: &str) -> (u16, Value) {
        let body = json!({ "order_id": order_id, "reason": "the order was cancelled" });
        self.server.post("/api/v1/refunds", Some(key), &body).await
    }

    /// (captured, refunded); the books must balance.
    async fn totals(&self) -> (i64, i64) {
        let (status, audit) = self.server.get("/api/v1/audit").await;
        assert_eq!(status, 200);
        assert_eq!(audit["agrees"], true, "INV-01: {audit}");
        let sum = |of: &str| audit[of].as_i64().expect("a number");
        (sum("captured_minor"), sum("refunded_minor"))
    }
}

#[tokio::test]
async fn a_repeated_charge_gets_the_same_answer_and_moves_money_once() {
    let bank = open().await;
    let first = bank.charge("o-1", "o-1/charge", 13_000).await;
    assert_eq!((first.0, &first.1["payment"]["state"]), (201, &json!("captured")));
    assert_eq!(bank.charge("o-1", "o-1/charge", 13_000).await, first, "INV-06");
    assert_eq!(bank.charge("o-1", "another-key", 13_000).await.0, 201);
    assert_eq!(bank.totals().await, (13_000, 0), "INV-05");
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused_without_effect() {
    let bank = open().await;
    bank.charge("o-1", "k", 13_000).await;
    let (status, problem) = bank.charge("o-2", "k", 500).await;
    assert_eq!(
        (status, &problem["code"], &problem["field"]),
        (409, &json!("key_reused"), &json!("Idempotency-Key"))
    );
    let (status, problem) = bank.charge("o-1", "k2", 999).await;
    assert_eq!((status, &problem["code"]), (409, &json!("other_amount")));
    assert_eq!(bank.totals().await, (13_000, 0));
}

#[tokio::test]
async fn a_refund_is_a_row_of_its_own_and_done_once() {
    let bank = open().await;
    bank.charge("o-1", "c", 13_000).await;
    for key in ["r", "r", "r2"] {
        let (status, answer) = bank.refund("o-1", key).await;
        assert_eq!((status, &answer["payment"]["state"]), (201, &json!("refunded")));
    }
    assert_eq!(bank.totals().await, (13_000, 13_000));
    let (_, history) = bank.server.get("/api/v1/payments/o-1").await;
    let events: Vec<_> = history["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| &event["event_type"])
        .collect();
    assert_eq!(events, ["PaymentCaptured", "PaymentRefunded"]);
    assert_eq!(bank.charge("o-1", "c2", 13_000).await.1["code"], "payment_undone");
}

#[tokio::test]
async fn g06_a_charge_that_comes_after_its_refund_is_refused() {
    let bank = open().await;
    assert_eq!(bank.refund("o-1", "r").await.1["payment"]["state"], "voided");
    assert_eq!(bank.charge("o-1", "c", 13_000).await.0, 409);
    assert_eq!(bank.totals().await, (0, 0));
}

#[tokio::test]
async fn cards_declined_by_nature_and_by_fault_move_no_money() {
    let bank = open().await;
    let unlucky = (0..)
        .map(|n| format!("o-{n}"))
        .find(|id| cards::ask(SEED, id) != Card::Accepts)
        .expect("2 of 100");
    let (status, problem) = bank.charge(&unlucky, "c", 13_000).await;
    assert_eq!((status, &problem["code"]), (402, &json!("card_declined")));
    assert_eq!(bank.charge(&unlucky, "c", 13_000).await.0, 402);

    let fault = Fault {
        id: "f-1".into(),
        target: FaultTarget {
            service: "payments".into(),
            ..FaultTarget::default()
        },
        kind: FaultKind::DeclinedCards,
        strength: FaultStrength {
            percent: Some(100),
            ..FaultStrength::default()
        },
        duration_seconds: 60,
        seed: 1,
    };
    assert!(bank.faults.arm(ArmedFault {
        fault,
        remaining_ms: 60_000
    }));
    assert_eq!(bank.charge("lucky", "c-2", 100).await.0, 402);
    bank.faults.clear("f-1");
    assert_eq!(bank.charge("lucky", "c-3", 100).await.0, 201);
    assert_eq!(bank.totals().await, (100, 0));
}

#[tokio::test]
async fn bad_commands_name_the_field_and_have_no_effect() {
    let bank = open().await;
    let good = json!({ "order_id": "o-1", "customer_id": "c-1", "amount_minor": 1, "currency": "EUR" });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, field) in [
        (with("order_id", json!("")), "order_id"),
        (with("customer_id", json!("\u{1b}[2J")), "customer_id"),
        (with("amount_minor", json!(0)), "amount_minor"),
        (with("amount_minor", json!(-5)), "amount_minor"),
        (with("amount_minor", json!(1.5)), "amount_minor"),
        (with("amount_minor", json!(i64::MAX)), "amount_minor"),
        (with("currency", json!("euro")), "currency"),
        (with("tip", json!(1)), "tip"),
    ] {
        let (status, problem) = bank.server.post("/api/v1/charges", Some("k"), &body).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{body}: {problem}");
    }
    let (status, problem) = bank.server.post("/api/v1/charges", None, &good).await;
    assert_eq!((status, &problem["field"]), (400, &json!("Idempotency-Key")));
    assert_eq!(bank.server.get("/api/v1/payments/o-1").await.0, 404);
    assert_eq!(bank.totals().await, (0, 0));
}

#[tokio::test]
async fn the_audit_goes_page_by_page_and_survives_a_restart() {
    let bank = open().await;
    let accepted: Vec<String> = (0..200)
        .map(|n| format!("o-{n:03}"))
        .filter(|id| cards::ask(SEED, id) == Card::Accepts)
        .take(5)
        .collect();
    for id in &accepted {
        bank.charge(id, id, 100).await;
    }
    bank.refund(&accepted[0], "r").await;
    let Bank { server, folder, .. } = bank;
    drop(server);
    let bank = open_in(folder).await;
    let (_, first) = bank.server.get("/api/v1/audit?limit=3").await;
    let cursor = first["next_cursor"].as_str().expect("more").to_owned();
    let (_, rest) = bank.server.get(&format!("/api/v1/audit?limit=3&after={cursor}")).await;
    let orders = |page: &Value| page["orders"].as_array().expect("a list").clone();
    let all = [orders(&first), orders(&rest)].concat();
    assert_eq!(
        all.iter()
            .map(|order| order["order_id"].as_str().expect("an id"))
            .collect::<Vec<_>>(),
        accepted
    );
    assert_eq!(
        (&all[0]["refunded_minor"], &all[1]["refunded_minor"]),
        (&json!(100), &json!(0))
    );
    assert_eq!((rest["next_cursor"].is_null(), bank.totals().await), (true, (500, 100)));
}

#[tokio::test]
async fn payments_that_were_let_go_stay_in_the_books() {
    let bank = open().await;
    bank.charge("o-1", "k-1", 5_000).await;
    bank.refund("o-1", "k-2").await;
    bank.charge("o-2", "k-3", 700).await;
    let before = bank.server.get("/api/v1/ledger").await;
    let db = Database::open(
        &bank.folder.path().join("payments.sqlite"),
        store::SCHEMA,
        Switchboard::idle(),
    )
    .expect("opens");
    let rule = Rule::Ended {
        kept: 0,
        let_go: store::let_go,
    };
    assert_eq!(db.write(move |tx| rule.apply(tx)).await.expect("let go"), 2);
    assert_eq!(bank.server.get("/api/v1/payments/o-1").await.0, 404);
    assert_eq!(bank.server.get("/api/v1/ledger").await, before);
    assert_eq!(bank.totals().await, (5_700, 5_000));
}

#[tokio::test]
async fn the_audit_trail_tells_every_event_its_cause_and_that_the_rows_agree() {
    let bank = open().await;
    bank.charge("o-1", "c", 13_000).await;
    bank.refund("o-1", "r").await;
    let (_, trail) = bank.server.get("/api/v1/payments/o-1/audit").await;
    assert_eq!(
        (&trail["agrees"], &trail["payment"]["state"]),
        (&json!(true), &json!("refunded"))
    );
    let told: Vec<_> = trail["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            (
                entry["version"].clone(),
                entry["event_type"].clone(),
                entry["payment"]["state"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!(1), json!("PaymentCaptured"), json!("captured")),
            (json!(2), json!("PaymentRefunded"), json!("refunded")),
        ]
    );
    let row = |kind: &str| json!({ "kind": kind, "amount_minor": 13_000, "currency": "EUR" });
    assert_eq!(
        trail["rows"],
        json!([row("CHARGE"), row("REFUND")]),
        "a refund is inserted, nothing is changed"
    );
    let first = trail["entries"][0]["created_at"].as_str().expect("a time");
    let (_, then) = bank
        .server
        .get(&format!("/api/v1/payments/o-1/audit?as_of={first}"))
        .await;
    assert_eq!(
        (&then["payment"]["state"], &then["entries"][1]),
        (&json!("captured"), &json!(null))
    );

    let spoil = bank.db.write(|tx| {
        Ok::<_, shop_kit::database::DatabaseError>(
            tx.execute("UPDATE transactions SET amount_minor = 1 WHERE kind = 'REFUND'", [])?,
        )
    });
    spoil.await.expect("spoiled");
    assert_eq!(bank.server.get("/api/v1/payments/o-1/audit").await.1["agrees"], false);
    assert_eq!(bank.server.get("/api/v1/payments/nobody/audit").await.0, 404);
    assert_eq!(bank.server.get("/api/v1/payments/o-1/audit?as_of=then").await.0, 400);
}

impl Bank {
    async fn prepare(&self, id: &str, amount_minor: i64) -> (u16, Value) {
        let wish = json!({ "customer_id": "c-1", "amount_minor": amount_minor, "currency": "EUR" });
        let path = format!("/api/v1/transactions/{id}/prepare");
        self.server.post(&path, None, &wish).await
    }

    async fn decide(&self, id: &str, decision: &str) -> u16 {
        let path = format!("/api/v1/transactions/{id}/{decision}");
        self.server.post(&path, None, &json!({})).await.0
    }
}

#[tokio::test]
async fn a_held_amount_moves_at_the_commit_and_once() {
    let bank = open().await;
    for _ in 0..2 {
        assert_eq!(bank.prepare("order-1", 5_000).await.0, 200);
    }
    assert_eq!(bank.totals().await, (0, 0));
    assert_eq!(bank.charge("order-1", "k-1", 5_000).await.1["code"], "in_doubt");
    assert_eq!(bank.refund("order-1", "k-2").await.1["code"], "in_doubt");
    assert_eq!(bank.prepare("order-1", 6_000).await.1["code"], "other_amount");
    for _ in 0..3 {
        assert_eq!(bank.decide("order-1", "commit").await, 200);
    }
    assert_eq!(bank.prepare("order-1", 5_000).await.0, 200, "a late repeat");
    assert_eq!(bank.totals().await, (5_000, 0));
    let (_, doubts) = bank.server.get("/api/v1/in-doubt").await;
    assert_eq!(doubts["count"], 0);
    assert_eq!(bank.refund("order-1", "k-3").await.0, 201, "free again");
}

#[tokio::test]
async fn an_aborted_hold_moves_nothing_and_a_late_vote_is_refused() {
    let bank = open().await;
    bank.prepare("order-1", 5_000).await;
    for id in ["order-1", "order-2", "order-1"] {
        assert_eq!(bank.decide(id, "abort").await, 200);
    }
    for id in ["order-1", "order-2"] {
        assert_eq!(bank.prepare(id, 5_000).await.1["code"], "payment_undone");
        assert_eq!(bank.decide(id, "commit").await, 409, "nothing is held");
    }
    assert_eq!(bank.totals().await, (0, 0));
}

#[tokio::test]
async fn a_vote_for_a_declined_card_is_a_no() {
    let bank = open().await;
    let declined = (0..)
        .map(|n| format!("order-{n}"))
        .find(|id| cards::ask(SEED, id) != Card::Accepts);
    let id = declined.expect("some card");
    let (status, problem) = bank.prepare(&id, 5_000).await;
    assert_eq!((status, &problem["code"]), (402, &json!("card_declined")));
    let (_, doubts) = bank.server.get("/api/v1/in-doubt").await;
    assert_eq!(doubts["count"], 0);
}
