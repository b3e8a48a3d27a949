//! The service over HTTP: cars are promised, confirmed and given back, and never more than there are.

use serde_json::{Value, json};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::outside::Outside;
use shop_kit::retention::Rule;
use shop_kit::testing::TestServer;
use tempfile::TempDir;

use crate::http::{Cars, router};
use crate::store;

/// There are four of them.
const CLASS: &str = "convertible";

struct Depot {
    server: TestServer,
    db: Database,
    _folder: TempDir,
}

async fn open() -> Depot {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("cars.sqlite");
    let db = Database::open(&path, store::SCHEMA, Switchboard::idle()).expect("opens");
    db.write(store::fill).await.expect("fills");
    let server = TestServer::start(router(Cars {
        db: db.clone(),
        depot: Outside::instant("depot"),
    }))
    .await;
    Depot {
        server,
        db,
        _folder: folder,
    }
}

impl Depot {
    async fn reserve(&self, id: &str, from: &str, days: u32) -> (u16, Value) {
        let body = json!({ "reservation_id": id, "class": CLASS, "from": from, "days": days });
        self.server.post("/api/v1/reservations", None, &body).await
    }

    async fn act(&self, id: &str, verb: &str) -> (u16, Value) {
        let path = format!("/api/v1/reservations/{id}/{verb}");
        self.server.post(&path, None, &json!({})).await
    }

    /// Car days counted, after a look at the books.
    async fn days(&self) -> u64 {
        let (_, audit) = self.server.get("/api/v1/audit").await;
        assert_eq!(audit["agrees"], true, "no car is rented twice or lost: {audit}");
        audit["days_counted"].as_u64().expect("a number")
    }
}

#[tokio::test]
async fn as_many_are_rented_on_a_day_as_there_are() {
    let depot = open().await;
    for n in 0..4 {
        let (status, reservation) = depot.reserve(&format!("b-{n}"), "2027-01-04", 2).await;
        assert_eq!((status, &reservation["total_minor"]), (201, &json!(19_800)));
    }
    let (status, problem) = depot.reserve("b-4", "2027-01-03", 2).await;
    assert_eq!((status, &problem["code"]), (409, &json!("no_car")));
    assert_eq!(depot.reserve("b-5", "2027-01-06", 30).await.0, 201);
    assert_eq!(depot.days().await, 4 * 2 + 30);
}

#[tokio::test]
async fn confirming_and_releasing_count_once_however_often_they_come() {
    let depot = open().await;
    for _ in 0..3 {
        assert_eq!(depot.reserve("b-1", "2027-01-04", 2).await.0, 201);
    }
    for _ in 0..3 {
        assert_eq!(depot.act("b-1", "confirm").await.1["state"], "confirmed");
    }
    assert_eq!(depot.days().await, 2);
    for _ in 0..5 {
        assert_eq!(depot.act("b-1", "release").await.1["state"], "released");
    }
    assert_eq!(depot.days().await, 0);
}

#[tokio::test]
async fn g06_a_reserve_that_comes_after_its_release_is_refused() {
    let depot = open().await;
    assert_eq!(depot.act("b-1", "release").await.0, 200);
    let (status, problem) = depot.reserve("b-1", "2027-01-04", 1).await;
    assert_eq!((status, &problem["code"]), (409, &json!("released")));
    assert_eq!(depot.days().await, 0);
}

#[tokio::test]
async fn bad_commands_name_the_field_and_have_no_effect() {
    let depot = open().await;
    let with = |field: &str, value: Value| {
        let mut body = json!({ "reservation_id": "b", "class": CLASS, "from": "2027-01-04", "days": 1 });
        body[field] = value;
        body
    };
    for (body, status, field) in [
        (with("reservation_id", json!("")), 400, "reservation_id"),
        (with("class", json!("a b")), 400, "class"),
        (with("class", json!("balloon")), 422, "class"),
        (with("from", json!("tomorrow")), 400, "from"),
        (with("days", json!(0)), 400, "days"),
        (with("days", json!(31)), 400, "days"),
        (with("colour", json!("red")), 400, "colour"),
    ] {
        let (answered, problem) = depot.server.post("/api/v1/reservations", None, &body).await;
        assert_eq!((answered, problem["field"].as_str()), (status, Some(field)), "{body}");
    }
    assert_eq!(depot.act("b", "confirm").await.0, 404);
    assert_eq!(depot.server.get("/api/v1/cars/balloon").await.0, 404);
    let (_, classes) = depot.server.get("/api/v1/cars").await;
    assert_eq!(classes["items"].as_array().map(Vec::len), Some(4));
    assert_eq!(depot.days().await, 0);
}

#[tokio::test]
async fn rentals_that_are_long_over_free_their_car_and_are_counted_on() {
    let depot = open().await;
    for (id, verb) in [("b-1", "confirm"), ("b-2", "release")] {
        depot.reserve(id, "2027-01-04", 2).await;
        depot.act(id, verb).await;
    }
    let all_go = Rule::Ended {
        kept: 0,
        let_go: store::let_go,
    };
    depot.db.write(move |tx| all_go.apply(tx)).await.expect("gone");
    assert_eq!(depot.days().await, 0);
    let (_, audit) = depot.server.get("/api/v1/audit").await;
    assert_eq!(audit["reservations"], json!({ "confirmed": 1, "released": 1 }));
}

/// Whoever was refused undoes nothing, and whoever travels without a car as well: should a second copy of the request take
/// one, it would be out for ever.
#[tokio::test]
async fn inv_06_a_refused_rental_stays_refused_when_a_car_has_come_back() {
    let depot = open().await;
    for n in 0..4 {
        assert_eq!(depot.reserve(&format!("b-{n}"), "2027-01-04", 2).await.0, 201);
    }
    let wish = json!({ "class": CLASS, "from": "2027-01-04", "days": 1 });
    let vote = || depot.server.post("/api/v1/transactions/t-1/prepare", None, &wish);
    let (refused, voted) = (depot.reserve("b-4", "2027-01-04", 1).await, vote().await);
    for (status, problem) in [&refused, &voted] {
        assert_eq!((*status, &problem["code"]), (409, &json!("no_car")));
    }
    for n in 0..4 {
        assert_eq!(depot.act(&format!("b-{n}"), "release").await.0, 200);
    }

    assert_eq!(
        depot.reserve("b-4", "2027-01-04", 1).await,
        refused,
        "as it was answered"
    );
    assert_eq!(vote().await, voted, "a no is a no");
    assert_eq!(depot.reserve("b-4", "2027-01-04", 2).await.1["code"], "other_rental");
    assert_eq!(
        depot.act("b-4", "release").await.0,
        200,
        "an undo is welcome all the same"
    );
    assert_eq!(depot.server.get("/api/v1/in-doubt").await.1["count"], 0);
    assert_eq!(depot.days().await, 0);
    assert_eq!(depot.reserve("b-5", "2027-01-04", 1).await.0, 201);
}

#[tokio::test]
async fn cars_in_doubt_are_locked_until_it_is_decided() {
    let depot = open().await;
    let wish = json!({ "class": CLASS, "from": "2027-01-04", "days": 1 });
    for n in 0..4 {
        let path = format!("/api/v1/transactions/t-{n}/prepare");
        assert_eq!(depot.server.post(&path, None, &wish).await.0, 200);
    }
    assert_eq!(depot.reserve("b-1", "2027-01-04", 1).await.1["code"], "in_doubt");
    for (id, decision, then) in [("t-0", "commit", "in_doubt"), ("t-1", "abort", "")] {
        let path = format!("/api/v1/transactions/{id}/{decision}");
        assert_eq!(depot.server.post(&path, None, &json!({})).await.0, 200);
        let (_, answer) = depot.reserve(&format!("b-{id}"), "2027-01-04", 1).await;
        assert_eq!(answer["code"].as_str().unwrap_or_default(), then);
    }
    let (_, doubts) = depot.server.get("/api/v1/in-doubt").await;
    assert_eq!((&doubts["count"], depot.days().await), (&json!(2), 4));
}
