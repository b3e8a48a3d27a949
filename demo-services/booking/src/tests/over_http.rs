//! The service over HTTP.

use serde_json::{Value, json};
use shop_kit::day::Day;
use shop_kit::retention::Rule;
use shop_kit::testing::{TestServer, eventually};
use tempfile::TempDir;

use super::fakes::{Desk, Peers, Trouble, open};
use crate::booking_store;

async fn start(peers: &Peers) -> (Desk, TestServer, TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    let mut desk = open(&folder, peers);
    desk.run();
    let server = desk.serve().await;
    (desk, server, folder)
}

fn wish() -> Value {
    json!({
        "customer_id": "c-1",
        "room_id": "hotel-1-room-2",
        "arrival": Day::today().plus(7),
        "nights": 2,
        "car": { "class": "van", "optional": true },
    })
}

async fn shows(server: &TestServer, url: &str, status: &str) -> Value {
    let look = || async {
        let (code, booking) = server.get(url).await;
        assert_eq!(code, 200, "never a 404 behind the Location");
        (booking["status"] == status).then_some(booking)
    };
    eventually(status, look).await
}

fn url_of(accepted: &Value) -> String {
    accepted["status_url"].as_str().expect("a link").to_owned()
}

#[tokio::test]
async fn a_booking_is_accepted_and_then_confirmed_at_the_price_of_room_and_car() {
    let (_desk, server, _folder) = start(&Peers::default()).await;
    let (status, accepted) = server.post("/api/v1/bookings", Some("k-1"), &wish()).await;
    assert_eq!((status, &accepted["status"]), (202, &json!("pending")));
    let seen = shows(&server, &url_of(&accepted), "confirmed").await;
    assert_eq!(seen["price"], json!({ "total_minor": 21_200, "currency": "EUR" }));
    assert_eq!(seen["progress"]["state"], "completed");
    for (customer, found) in [("c-1", 1), ("c-2", 0)] {
        let (_, list) = server.get(&format!("/api/v1/bookings?customer_id={customer}")).await;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(found));
    }
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(
        (&audit["agrees"], &audit["confirmed_total_minor"]),
        (&json!(true), &json!(21_200))
    );
}

#[tokio::test]
async fn a_refused_booking_is_cancelled_with_its_reason() {
    let peers = Peers::default();
    peers.trouble("reserve room", Trouble::Refused("no_room"), 1);
    let (_desk, server, _folder) = start(&peers).await;
    let (_, accepted) = server.post("/api/v1/bookings", Some("k-1"), &wish()).await;
    let seen = shows(&server, &url_of(&accepted), "cancelled").await;
    assert!(seen["reason"].is_string(), "{seen}");
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(audit["agrees"], true, "{audit}");
}

#[tokio::test]
async fn inv_06_a_repeated_key_is_the_same_booking_and_another_wish_or_protocol_is_refused() {
    let (_desk, server, _folder) = start(&Peers::default()).await;
    let body = wish();
    let place = || server.post("/api/v1/bookings", Some("k"), &body);
    let (first, again) = tokio::join!(place(), place());
    assert_eq!(first, again);
    let mut other = wish();
    other["nights"] = json!(3);
    for (path, body) in [("/api/v1/bookings", &other), ("/api/v1/bookings?protocol=2pc", &body)] {
        let (status, problem) = server.post(path, Some("k"), body).await;
        assert_eq!((status, &problem["code"]), (409, &json!("key_reused")));
    }
    shows(&server, &url_of(&first.1), "confirmed").await;
    let (_, list) = server.get("/api/v1/bookings").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn bad_bookings_name_the_field_and_have_no_effect() {
    let (_desk, server, _folder) = start(&Peers::default()).await;
    let with = |field: &str, value: Value| {
        let mut body = wish();
        body[field] = value;
        body
    };
    for (body, status, field) in [
        (json!({}), 400, "customer_id"),
        (with("customer_id", json!("c 1")), 400, "customer_id"),
        (with("room_id", json!("../x")), 400, "room_id"),
        (with("arrival", json!("soon")), 400, "arrival"),
        (with("arrival", json!("2020-01-01")), 422, "arrival"),
        (with("arrival", json!(Day::today().plus(500))), 422, "arrival"),
        (with("nights", json!(0)), 400, "nights"),
        (with("nights", json!(31)), 400, "nights"),
        (with("car", json!({ "class": "" })), 400, "car.class"),
        (with("car", json!({ "class": "van", "seats": 9 })), 400, "car.seats"),
        (with("price", json!(1)), 400, "price"),
    ] {
        let (answered, problem) = server.post("/api/v1/bookings", Some("k"), &body).await;
        assert_eq!((answered, problem["field"].as_str()), (status, Some(field)), "{body}");
    }
    let (status, problem) = server.post("/api/v1/bookings", None, &wish()).await;
    assert_eq!((status, problem["field"].as_str()), (400, Some("Idempotency-Key")));
    let (status, problem) = server.post("/api/v1/bookings?protocol=3pc", Some("k"), &wish()).await;
    assert_eq!((status, problem["field"].as_str()), (400, Some("protocol")));
    assert_eq!(server.get("/api/v1/bookings/none").await.0, 404);
    let (_, list) = server.get("/api/v1/bookings").await;
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn the_same_booking_by_two_phase_commit() {
    let (_desk, server, _folder) = start(&Peers::default()).await;
    for (key, ends, decision) in [("k-1", "confirmed", "commit"), ("k-2", "cancelled", "abort")] {
        let (status, accepted) = server.post("/api/v1/bookings?protocol=2pc", Some(key), &wish()).await;
        assert_eq!((status, &accepted["protocol"]), (202, &json!("2pc")));
        let seen = shows(&server, &url_of(&accepted), ends).await;
        assert_eq!(seen["protocol"], "2pc");
        let id = accepted["booking_id"].as_str().expect("an id");
        let (_, known) = server.get(&format!("/api/v1/transactions/{id}")).await;
        assert_eq!(known["decision"], decision);
    }
    let (_, unknown) = server.get("/api/v1/transactions/never-begun").await;
    assert_eq!(unknown["decision"], "abort", "an abort is presumed");
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(audit["agrees"], true, "{audit}");
    assert_eq!(audit["bookings"], json!({ "2pc/cancelled": 1, "2pc/confirmed": 1 }));
}

#[tokio::test]
async fn bookings_can_be_paged_through_and_the_audit_outlives_them() {
    let (desk, server, _folder) = start(&Peers::default()).await;
    for n in 0..5 {
        let (_, accepted) = server.post("/api/v1/bookings", Some(&format!("k-{n}")), &wish()).await;
        let ends = if n == 0 { "confirmed" } else { "cancelled" };
        shows(&server, &url_of(&accepted), ends).await;
    }
    let (_, first) = server.get("/api/v1/bookings?limit=3").await;
    let cursor = first["next_cursor"].as_str().expect("more");
    let (_, rest) = server.get(&format!("/api/v1/bookings?limit=3&cursor={cursor}")).await;
    assert_eq!(
        (rest["items"].as_array().map(Vec::len), &rest["next_cursor"]),
        (Some(2), &Value::Null)
    );

    let all_go = Rule::Ended {
        kept: 0,
        let_go: booking_store::let_go,
    };
    desk.db.write(move |tx| all_go.apply(tx)).await.expect("gone");
    let (_, list) = server.get("/api/v1/bookings").await;
    assert_eq!(list["items"], json!([]));
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(
        (&audit["agrees"], &audit["bookings"]),
        (&json!(true), &json!({ "saga/cancelled": 4, "saga/confirmed": 1 }))
    );
    assert_eq!(audit["confirmed_total_minor"], 21_200);
}
