//! The service over HTTP: stock is promised, sold and given back, and never oversold.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sagascope_conventions::fault::{ArmedFault, Fault, FaultKind};
use serde_json::{Value, json};
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError};
use shop_kit::faults::Switchboard;
use shop_kit::outside::Outside;
use shop_kit::retention::Rule;
use shop_kit::testing::TestServer;
use tempfile::TempDir;

use crate::commands::{self, CommandError};
use crate::http::{Inventory, router};
use crate::reservation::Line;
use crate::{first_filling, store};

struct Shop {
    server: TestServer,
    db: Database,
    faults: Switchboard,
    folder: TempDir,
}

async fn open() -> Shop {
    open_in(tempfile::tempdir().expect("folder")).await
}

async fn open_in(folder: TempDir) -> Shop {
    let faults = Switchboard::idle();
    let db = Database::open(&folder.path().join("inventory.sqlite"), store::SCHEMA, faults.clone()).expect("opens");
    db.write(store::fill).await.expect("fills");
    let server = TestServer::start(router(Inventory {
        db: db.clone(),
        faults: faults.clone(),
        warehouse: Outside::instant("warehouse"),
    }))
    .await;
    Shop {
        server,
        db,
        faults,
        folder,
    }
}

impl Shop {
    async fn reserve(&self, id: &str, product_id: &str, quantity: u32) -> (u16, Value) {
        let body = json!({ "reservation_id": id, "lines": [{ "product_id": product_id, "quantity": quantity }] });
        self.server.post("/api/v1/reservations", None, &body).await
    }

    async fn act(&self, id: &str, verb: &str) -> (u16, Value) {
        self.server
            .post(&format!("/api/v1/reservations/{id}/{verb}"), None, &json!({}))
            .await
    }

    async fn shelf(&self, product_id: &str) -> (u64, u64, u64) {
        let (status, shelf) = self.server.get(&format!("/api/v1/stock/{product_id}")).await;
        assert_eq!(status, 200);
        let pieces = |at: &str| shelf[at].as_u64().expect("a number");
        (pieces("on_hand"), pieces("reserved"), pieces("sold"))
    }

    async fn audit(&self) -> Value {
        let (status, audit) = self.server.get("/api/v1/audit").await;
        assert_eq!(status, 200);
        assert_eq!(audit["agrees"], true, "INV-02: {audit}");
        audit
    }
}

#[tokio::test]
async fn goods_are_reserved_then_sold_and_each_repeat_changes_nothing() {
    let shop = open().await;
    for _ in 0..2 {
        let (status, reservation) = shop.reserve("o-1", "product-1", 3).await;
        assert_eq!((status, &reservation["state"]), (201, &json!("reserved")));
    }
    assert_eq!(shop.shelf("product-1").await, (1_197, 3, 0));
    for _ in 0..2 {
        let (status, reservation) = shop.act("o-1", "confirm").await;
        assert_eq!((status, &reservation["state"]), (200, &json!("confirmed")));
    }
    assert_eq!(shop.shelf("product-1").await, (1_197, 0, 3));
    assert_eq!(shop.audit().await["reservations"], json!({ "confirmed": 1 }));
}

#[tokio::test]
async fn released_goods_come_back_once_reserved_or_sold() {
    let shop = open().await;
    shop.reserve("o-1", "product-1", 3).await;
    shop.reserve("o-2", "product-1", 4).await;
    shop.act("o-2", "confirm").await;
    for id in ["o-1", "o-2", "o-1", "o-2"] {
        assert_eq!(shop.act(id, "release").await.1["state"], "released");
    }
    assert_eq!(shop.shelf("product-1").await, (1_200, 0, 0));
    assert_eq!(shop.act("o-1", "confirm").await.1["code"], "released");
    shop.audit().await;
}

#[tokio::test]
async fn g06_a_reserve_that_comes_after_its_release_is_refused() {
    let shop = open().await;
    assert_eq!(shop.act("o-1", "release").await.0, 200);
    let (status, problem) = shop.reserve("o-1", "product-1", 1).await;
    assert_eq!((status, &problem["code"]), (409, &json!("released")));
    assert_eq!(shop.shelf("product-1").await, (1_200, 0, 0));
}

#[tokio::test]
async fn g07_of_many_who_want_the_last_pieces_exactly_as_many_win_as_there_are() {
    let shop = open().await;
    let orders: Vec<String> = (0..70).map(|n| format!("o-{n}")).collect();
    let answers = orders.iter().map(|id| shop.reserve(id, "product-24", 10));
    let answers = futures_util::future::join_all(answers).await;
    let won = answers.iter().filter(|(status, _)| *status == 201).count();
    let refused = answers
        .iter()
        .filter(|(status, body)| *status == 409 && body["code"] == "out_of_stock")
        .count();
    assert_eq!((won, refused), (40, 30));
    assert_eq!(shop.shelf("product-24").await, (0, 400, 0));
    shop.audit().await;
}

#[tokio::test]
async fn a_low_shelf_gets_a_delivery_and_the_books_agree() {
    let shop = open().await;
    shop.reserve("o-1", "product-24", 320).await;
    shop.act("o-1", "confirm").await;
    assert_eq!(shop.shelf("product-24").await, (480, 0, 320));
    assert_eq!(shop.audit().await["restocked"], 400);
}

#[tokio::test]
async fn the_out_of_stock_fault_refuses_and_takes_nothing() {
    let shop = open().await;
    let fault = Fault {
        id: "f-1".into(),
        target: sagascope_conventions::FaultTarget {
            service: "inventory".into(),
            ..Default::default()
        },
        kind: FaultKind::OutOfStock,
        strength: Default::default(),
        duration_seconds: 60,
        seed: 1,
    };
    assert!(shop.faults.arm(ArmedFault {
        fault,
        remaining_ms: 60_000
    }));
    assert_eq!(shop.reserve("o-1", "product-1", 1).await.1["code"], "out_of_stock");
    shop.faults.clear("f-1");
    assert_eq!(shop.reserve("o-2", "product-1", 1).await.0, 201);
    assert_eq!(shop.shelf("product-1").await, (1_199, 1, 0));
}

/// Whoever was refused undoes nothing: should a second copy of the request take goods, they would wait for ever.
#[tokio::test]
async fn inv_06_a_refused_reservation_stays_refused_when_goods_have_come_in() {
    let shop = open().await;
    assert_eq!(shop.reserve("o-1", "product-24", 400).await.0, 201);
    let refused = shop.reserve("o-2", "product-24", 1).await;
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("out_of_stock")));
    assert_eq!(shop.act("o-1", "release").await.0, 200);

    assert_eq!(
        shop.reserve("o-2", "product-24", 1).await,
        refused,
        "as it was answered"
    );
    let other = shop.reserve("o-2", "product-24", 2).await;
    assert_eq!((other.0, &other.1["code"]), (409, &json!("other_lines")));
    assert_eq!(
        shop.act("o-2", "release").await.0,
        200,
        "an undo is welcome all the same"
    );
    assert_eq!(shop.reserve("o-3", "product-24", 1).await.0, 201);
    assert_eq!(shop.shelf("product-24").await, (399, 1, 0));
    shop.audit().await;
}

#[tokio::test]
async fn bad_commands_name_the_field_and_have_no_effect() {
    let shop = open().await;
    let line = |product_id: &str, quantity: i64| json!({ "product_id": product_id, "quantity": quantity });
    for (body, status, field) in [
        (json!({ "lines": [line("product-1", 1)] }), 400, "reservation_id"),
        (
            json!({ "reservation_id": "a/b", "lines": [line("product-1", 1)] }),
            400,
            "reservation_id",
        ),
        (json!({ "reservation_id": "o-1", "lines": [] }), 400, "lines"),
        (
            json!({ "reservation_id": "o-1", "lines": [line("product-1", 0)] }),
            400,
            "lines[0].quantity",
        ),
        (
            json!({ "reservation_id": "o-1", "lines": [line("product-1", -1)] }),
            400,
            "lines[0].quantity",
        ),
        (
            json!({ "reservation_id": "o-1", "lines": [line("product-1", 1), line("product-1", 1)] }),
            400,
            "lines[1].product_id",
        ),
        (
            json!({ "reservation_id": "o-1", "lines": [line("product-99", 1)] }),
            422,
            "lines",
        ),
        (
            json!({ "reservation_id": "o-1", "lines": [], "colour": 1 }),
            400,
            "colour",
        ),
    ] {
        let (answered, problem) = shop.server.post("/api/v1/reservations", None, &body).await;
        assert_eq!(
            (answered, &problem["field"]),
            (status, &json!(field)),
            "{body}: {problem}"
        );
    }
    assert_eq!(shop.act("o-9", "confirm").await.0, 404);
    assert_eq!(shop.server.get("/api/v1/stock/product-99").await.0, 404);
    let audit = shop.audit().await;
    assert_eq!((&audit["reserved"], &audit["reservations"]), (&json!(0), &json!({})));
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let Shop { server, db, folder, .. } = {
        let shop = open().await;
        shop.reserve("o-1", "product-1", 5).await;
        shop
    };
    drop((server, db));
    let shop = open_in(folder).await;
    assert_eq!(shop.shelf("product-1").await, (1_195, 5, 0));
    assert_eq!(shop.reserve("o-1", "product-1", 5).await.0, 201);
    assert_eq!(shop.shelf("product-1").await, (1_195, 5, 0));
}

/// INV-02 after every one of a few hundred commands in any order, repeats and refusals included.
#[tokio::test]
async fn the_books_agree_after_any_commands() {
    let shop = open().await;
    let mut dice = StdRng::seed_from_u64(7);
    for _ in 0..400 {
        let (id, what) = (format!("o-{}", dice.random_range(0..40)), dice.random_range(0..3));
        let lines = vec![Line {
            product_id: "product-24".into(),
            quantity: dice.random_range(1..40),
        }];
        let command = shop.db.write(move |tx| {
            let context = Context::default();
            match what {
                0 => commands::reserve_goods(tx, &id, lines, &context),
                1 => commands::release_goods(tx, &id, &context),
                _ => commands::confirm_goods(tx, &id, &context),
            }
        });
        assert!(
            !matches!(command.await, Err(CommandError::Database(_))),
            "refusals only"
        );
        let shelf = shop
            .db
            .read(|conn| store::find_shelf(conn, "product-24"))
            .await
            .expect("reads")
            .expect("is there");
        assert!(shelf.agrees(), "INV-02: {shelf:?}");
    }
    assert_eq!(
        moved(&shop.db).await,
        standing(&shop.db).await,
        "the trail adds up to the shelves"
    );
}

/// Net pieces by product as the trail of movements has them: (on hand, reserved, sold) against the first filling.
async fn moved(db: &Database) -> BTreeMap<String, (i64, i64, i64)> {
    let read = |conn: &rusqlite::Connection| {
        let mut query = conn.prepare("SELECT product_id, kind, sum(quantity) FROM movements GROUP BY 1, 2")?;
        let mut rows = query.query([])?;
        let mut moved: BTreeMap<String, (i64, i64, i64)> = first_filling::shelves()
            .map(|shelf| (shelf.product_id, (i64::from(shelf.initial), 0, 0)))
            .collect();
        while let Some(row) = rows.next()? {
            let (product, kind, n): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let at = moved.get_mut(&product).expect("a product of ours");
            let (on_hand, reserved, sold) = match kind.as_str() {
                "reserved" => (-n, n, 0),
                "released" => (n, -n, 0),
                "sold" => (0, -n, n),
                "returned" => (n, 0, -n),
                _ => (n, 0, 0),
            };
            *at = (at.0 + on_hand, at.1 + reserved, at.2 + sold);
        }
        Ok::<_, DatabaseError>(moved)
    };
    db.read(read).await.expect("reads")
}

async fn standing(db: &Database) -> BTreeMap<String, (i64, i64, i64)> {
    let shelves = db.read(store::shelves).await.expect("reads");
    let stands = |shelf: crate::stock::Shelf| {
        (
            i64::from(shelf.on_hand),
            i64::from(shelf.reserved),
            i64::from(shelf.sold),
        )
    };
    shelves
        .into_iter()
        .map(|shelf| (shelf.product_id.clone(), stands(shelf)))
        .collect()
}

#[tokio::test]
async fn reservations_that_were_let_go_are_counted_on_and_open_ones_stay() {
    let shop = open().await;
    for (id, verb) in [("r-1", "confirm"), ("r-2", "release")] {
        shop.reserve(id, "product-1", 2).await;
        shop.act(id, verb).await;
    }
    shop.reserve("r-3", "product-1", 1).await;
    let before = shop.server.get("/api/v1/audit").await;
    let rule = Rule::Ended {
        kept: 0,
        let_go: store::let_go,
    };
    assert_eq!(shop.db.write(move |tx| rule.apply(tx)).await.expect("let go"), 2);
    assert_eq!(shop.server.get("/api/v1/audit").await, before);
    assert_eq!(shop.server.get("/api/v1/reservations/r-1").await.0, 404);
    assert_eq!(shop.server.get("/api/v1/reservations/r-3").await.0, 200);
}
