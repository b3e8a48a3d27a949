//! The service over HTTP: nights are promised, confirmed and given back, and never let twice.

use futures_util::future::join_all;
use sagascope_conventions::fault::{ArmedFault, Fault, FaultKind};
use serde_json::{Value, json};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::outside::Outside;
use shop_kit::retention::Rule;
use shop_kit::testing::TestServer;
use tempfile::TempDir;

use crate::http::{Hotels, router};
use crate::store;

const ROOM: &str = "hotel-1-room-2";

struct House {
    server: TestServer,
    db: Database,
    faults: Switchboard,
    _folder: TempDir,
}

async fn open() -> House {
    let (folder, faults) = (tempfile::tempdir().expect("folder"), Switchboard::idle());
    let db = Database::open(&folder.path().join("hotels.sqlite"), store::SCHEMA, faults.clone()).expect("opens");
    db.write(store::fill).await.expect("fills");
    let server = TestServer::start(router(Hotels {
        db: db.clone(),
        reception: Outside::instant("reception"),
    }))
    .await;
    House {
        server,
        db,
        faults,
        _folder: folder,
    }
}

impl House {
    async fn reserve(&self, id: &str, arrival: &str, nights: u32) -> (u16, Value) {
        let body = json!({ "reservation_id": id, "room_id": ROOM, "arrival": arrival, "nights": nights });
        self.server.post("/api/v1/reservations", None, &body).await
    }

    async fn act(&self, id: &str, verb: &str) -> (u16, Value) {
        let path = format!("/api/v1/reservations/{id}/{verb}");
        self.server.post(&path, None, &json!({})).await
    }

    /// Nights held, after a look at the books.
    async fn nights(&self) -> u64 {
        let (_, audit) = self.server.get("/api/v1/audit").await;
        assert_eq!(audit["agrees"], true, "no night is let twice or lost: {audit}");
        audit["nights_held"].as_u64().expect("a number")
    }
}

#[tokio::test]
async fn a_stay_is_reserved_then_confirmed_and_each_repeat_changes_nothing() {
    let house = open().await;
    for _ in 0..2 {
        let (status, reservation) = house.reserve("b-1", "2027-01-04", 3).await;
        assert_eq!((status, &reservation["state"]), (201, &json!("reserved")));
        assert_eq!(reservation["total_minor"], 3 * (4_500 + 2_500 + 100));
    }
    for _ in 0..2 {
        let (status, reservation) = house.act("b-1", "confirm").await;
        assert_eq!((status, &reservation["state"]), (200, &json!("confirmed")));
    }
    assert_eq!(house.nights().await, 3);
}

#[tokio::test]
async fn released_nights_can_be_let_again_reserved_or_confirmed() {
    let house = open().await;
    house.reserve("b-1", "2027-01-04", 2).await;
    house.reserve("b-2", "2027-01-06", 2).await;
    house.act("b-2", "confirm").await;
    for id in ["b-1", "b-2", "b-1", "b-2"] {
        assert_eq!(house.act(id, "release").await.1["state"], "released");
    }
    assert_eq!(house.nights().await, 0);
    assert_eq!(house.act("b-1", "confirm").await.1["code"], "released");
    assert_eq!(house.reserve("b-3", "2027-01-04", 4).await.0, 201);
}

#[tokio::test]
async fn g06_a_reserve_that_comes_after_its_release_is_refused() {
    let house = open().await;
    assert_eq!(house.act("b-1", "release").await.0, 200);
    let (status, problem) = house.reserve("b-1", "2027-01-04", 1).await;
    assert_eq!((status, &problem["code"]), (409, &json!("released")));
    assert_eq!(house.nights().await, 0);
}

#[tokio::test]
async fn g07_of_many_who_want_overlapping_nights_no_two_win() {
    let house = open().await;
    let wishes = (0..60).map(|n| {
        let (id, house) = (format!("b-{n}"), &house);
        // Three nights each, a night apart: of three neighbours one can win.
        async move { house.reserve(&id, &format!("2027-03-{:02}", 1 + n % 20), 3).await }
    });
    let answers: Vec<(u16, Value)> = join_all(wishes).await;
    let won = answers.iter().filter(|(status, _)| *status == 201).count() as u64;
    assert!((1..=7).contains(&won), "{won} of 22 nights, three each");
    for (_, problem) in answers.iter().filter(|(status, _)| *status != 201) {
        assert_eq!(problem["code"], "no_room");
    }
    assert_eq!(house.nights().await, 3 * won);
}

#[tokio::test]
async fn bad_commands_name_the_field_and_have_no_effect() {
    let house = open().await;
    let with = |field: &str, value: Value| {
        let mut body = json!({ "reservation_id": "b", "room_id": ROOM, "arrival": "2027-01-04", "nights": 1 });
        body[field] = value;
        body
    };
    for (body, status, field) in [
        (with("reservation_id", json!("")), 400, "reservation_id"),
        (with("room_id", json!("a b")), 400, "room_id"),
        (with("room_id", json!("hotel-0-room-1")), 422, "room_id"),
        (with("arrival", json!("2027-02-30")), 400, "arrival"),
        (with("arrival", json!(20_270_104)), 400, "arrival"),
        (with("nights", json!(0)), 400, "nights"),
        (with("nights", json!(31)), 400, "nights"),
        (with("nights", json!(-1)), 400, "nights"),
        (with("colour", json!("red")), 400, "colour"),
    ] {
        let (answered, problem) = house.server.post("/api/v1/reservations", None, &body).await;
        assert_eq!((answered, problem["field"].as_str()), (status, Some(field)), "{body}");
    }
    assert_eq!(house.act("b", "confirm").await.0, 404);
    assert_eq!(house.server.get("/api/v1/reservations/b").await.0, 404);
    assert_eq!(house.server.get("/api/v1/rooms/hotel-0-room-1").await.0, 404);
    assert_eq!(house.nights().await, 0);
}

#[tokio::test]
async fn every_room_can_be_paged_through() {
    let house = open().await;
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let (_, page) = house.server.get(&format!("/api/v1/rooms?limit=150{cursor}")).await;
        seen += page["items"].as_array().expect("rooms").len();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 1_000);
}

#[tokio::test]
async fn without_rooms_nothing_can_be_reserved() {
    let house = open().await;
    sell_out(&house);
    assert_eq!(house.reserve("b-1", "2027-01-04", 1).await.1["code"], "no_room");
    assert_eq!(house.nights().await, 0);
    house.faults.clear("f");
    assert_eq!(
        house.reserve("b-1", "2027-01-04", 1).await.1["code"],
        "no_room",
        "it was refused"
    );
}

fn sell_out(house: &House) {
    let fault = Fault {
        id: "f".into(),
        target: sagascope_conventions::FaultTarget::default(),
        kind: FaultKind::OutOfStock,
        strength: sagascope_conventions::FaultStrength::default(),
        duration_seconds: 60,
        seed: 1,
    };
    house.faults.arm(ArmedFault {
        fault,
        remaining_ms: 60_000,
    });
}

#[tokio::test]
async fn stays_that_are_long_over_free_their_nights_and_are_counted_on() {
    let house = open().await;
    house.reserve("b-1", "2027-01-04", 2).await;
    house.act("b-1", "confirm").await;
    house.reserve("b-2", "2027-02-04", 2).await;
    let all_go = Rule::Ended {
        kept: 0,
        let_go: store::let_go,
    };
    house.db.write(move |tx| all_go.apply(tx)).await.expect("gone");
    assert_eq!(house.nights().await, 2, "those under way stay");
    let (_, audit) = house.server.get("/api/v1/audit").await;
    assert_eq!(audit["reservations"], json!({ "confirmed": 1, "reserved": 1 }));
}

/// Whoever was refused undoes nothing: should a second copy of the request take the room, it would be held for ever.
#[tokio::test]
async fn inv_06_a_refused_stay_stays_refused_when_the_room_has_come_free() {
    let house = open().await;
    assert_eq!(house.reserve("b-1", "2027-01-04", 2).await.0, 201);
    let refused = house.reserve("b-2", "2027-01-04", 1).await;
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("no_room")));
    let voted = vote(&house, "t-1", "2027-01-05").await;
    assert_eq!((voted.0, &voted.1["code"]), (409, &json!("no_room")));
    assert_eq!(house.act("b-1", "release").await.0, 200);

    assert_eq!(
        house.reserve("b-2", "2027-01-04", 1).await,
        refused,
        "as it was answered"
    );
    assert_eq!(vote(&house, "t-1", "2027-01-05").await, voted, "a no is a no");
    assert_eq!(house.reserve("b-2", "2027-01-04", 2).await.1["code"], "other_stay");
    assert_eq!(
        house.act("b-2", "release").await.0,
        200,
        "an undo is welcome all the same"
    );
    assert_eq!(house.server.get("/api/v1/in-doubt").await.1["count"], 0);
    assert_eq!(house.nights().await, 0);
    assert_eq!(house.reserve("b-3", "2027-01-04", 1).await.0, 201);
}

/// An attempt took the room and its answer was lost; what the next one meets must not make it a refusal.
#[tokio::test]
async fn a_stay_that_is_promised_is_not_refused_by_a_repeat_that_finds_no_room() {
    let house = open().await;
    assert_eq!(house.reserve("b-1", "2027-01-04", 1).await.0, 201);
    sell_out(&house);
    assert_eq!(house.reserve("b-1", "2027-01-04", 1).await.0, 201);
    assert_eq!(house.nights().await, 1);
}

async fn vote(house: &House, id: &str, arrival: &str) -> (u16, Value) {
    let wish = json!({ "room_id": ROOM, "arrival": arrival, "nights": 2 });
    let path = format!("/api/v1/transactions/{id}/prepare");
    house.server.post(&path, None, &wish).await
}

async fn tell(house: &House, id: &str, decision: &str) -> u16 {
    let path = format!("/api/v1/transactions/{id}/{decision}");
    house.server.post(&path, None, &json!({})).await.0
}

#[tokio::test]
async fn a_vote_blocks_the_room_for_sagas_and_transactions_until_it_is_decided() {
    for (decision, then) in [("commit", "no_room"), ("abort", "")] {
        let house = open().await;
        for _ in 0..2 {
            let (status, vote) = vote(&house, "t-1", "2027-01-04").await;
            assert_eq!((status, &vote["state"]), (200, &json!("prepared")));
        }
        let (_, doubts) = house.server.get("/api/v1/in-doubt").await;
        assert_eq!(
            (&doubts["count"], &doubts["items"][0]["transaction_id"]),
            (&json!(1), &json!("t-1"))
        );
        assert_eq!(vote(&house, "t-2", "2027-01-05").await.1["code"], "in_doubt");
        assert_eq!(house.reserve("b-1", "2027-01-05", 1).await.1["code"], "in_doubt");
        assert_eq!(house.nights().await, 2);

        assert_eq!(tell(&house, "t-1", decision).await, 200);
        let (_, doubts) = house.server.get("/api/v1/in-doubt").await;
        assert_eq!(doubts["count"], 0);
        let (_, answer) = house.reserve("b-2", "2027-01-05", 1).await;
        assert_eq!(answer["code"].as_str().unwrap_or_default(), then, "{decision}");
        house.nights().await;
    }
}

#[tokio::test]
async fn g06_an_abort_that_overtakes_the_vote_refuses_it() {
    let house = open().await;
    assert_eq!(tell(&house, "t-1", "abort").await, 200);
    assert_eq!(vote(&house, "t-1", "2027-01-04").await.1["code"], "released");
    assert_eq!(tell(&house, "t-2", "commit").await, 404, "nothing was promised");
    assert_eq!(house.nights().await, 0);
}
