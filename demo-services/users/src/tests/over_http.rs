//! Users come, change and go; nobody overwrites another's change, and nothing personal lies in the open.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use shop_kit::database::{Database, DatabaseError};
use shop_kit::faults::Switchboard;
use shop_kit::testing::TestServer;
use tempfile::TempDir;

use crate::http::{Users, ensure_admin, router};
use crate::password::Passwords;
use crate::store;
use crate::token::{Issuer, tests::KEY};
use crate::vault::Vault;

const PASSWORD: &str = "correct horse";

struct Office {
    server: TestServer,
    users: Users,
    folder: TempDir,
}

async fn open() -> Office {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("users.sqlite");
    let users = Users {
        db: Database::open(&path, store::SCHEMA, Switchboard::idle()).expect("opens"),
        vault: Arc::new(Vault::new(&[7; 32])),
        issuer: Arc::new(Issuer::new(&KEY).expect("an issuer")),
        passwords: Passwords::default(),
    };
    let server = TestServer::start(router(users.clone())).await;
    Office { server, users, folder }
}

fn ada() -> Value {
    json!({ "email": "ada@example.org", "name": "Ada Lovelace", "password": PASSWORD })
}

impl Office {
    async fn register(&self, body: &Value) -> (u16, Value) {
        self.server.post("/api/v1/users", None, body).await
    }

    async fn id_of(&self, body: &Value) -> String {
        let (status, user) = self.register(body).await;
        assert_eq!(status, 201, "{user}");
        user["id"].as_str().expect("an id").to_owned()
    }

    async fn put(&self, id: &str, tag: Option<&str>, body: &Value) -> (u16, HeaderMap, Value) {
        let headers: Vec<_> = tag.iter().map(|tag| ("if-match", *tag)).collect();
        let path = format!("/api/v1/users/{id}");
        self.server.send(Method::PUT, &path, &headers, Some(body)).await
    }

    async fn login(&self, email: &str, password: &str) -> (u16, Value) {
        let body = json!({ "email": email, "password": password });
        self.server.post("/api/v1/login", None, &body).await
    }

    async fn outbox(&self) -> Vec<(String, Value)> {
        let read = |conn: &rusqlite::Connection| {
            let mut query = conn.prepare("SELECT event_type, payload FROM outbox ORDER BY number")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            Ok::<_, DatabaseError>(rows.collect::<Result<Vec<_>, _>>()?)
        };
        let rows = self.users.db.read(read).await.expect("reads");
        let json = |(name, payload): (String, String)| (name, serde_json::from_str(&payload).expect("JSON"));
        rows.into_iter().map(json).collect()
    }
}

#[tokio::test]
async fn a_user_registers_logs_in_changes_and_goes() {
    let office = open().await;
    let (status, headers, user) = office
        .server
        .send(Method::POST, "/api/v1/users", &[], Some(&ada()))
        .await;
    assert_eq!((status, &headers["etag"]), (201, &"\"1\"".parse().unwrap()));
    let id = user["id"].as_str().expect("an id").to_owned();
    assert_eq!(headers["location"], format!("/api/v1/users/{id}"));
    assert_eq!(
        (&user["email"], &user["tier"], &user["status"]),
        (&json!("ada@example.org"), &json!("standard"), &json!("active"))
    );
    assert!(user.get("password").is_none() && user.get("password_hash").is_none());

    let (status, login) = office.login("ADA@example.org", PASSWORD).await;
    assert_eq!((status, &login["user_id"]), (200, &json!(id)));
    assert!(login["expires_in"].as_u64().expect("seconds") <= 3_600);

    let change = json!({ "email": "ada@example.org", "name": "Ada King", "tier": "gold", "status": "suspended" });
    let (status, headers, changed) = office.put(&id, Some("\"1\""), &change).await;
    assert_eq!((status, &changed["name"]), (200, &json!("Ada King")));
    assert_eq!(headers["etag"], "\"2\"");
    assert_eq!(office.login("ada@example.org", PASSWORD).await.0, 403, "suspended");

    let path = format!("/api/v1/users/{id}");
    assert_eq!(
        office
            .server
            .send(Method::DELETE, &path, &[("if-match", "\"1\"")], None)
            .await
            .0,
        412
    );
    assert_eq!(office.server.send(Method::DELETE, &path, &[], None).await.0, 204);
    assert_eq!(office.server.get(&path).await.0, 404);
    assert_eq!(office.server.send(Method::DELETE, &path, &[], None).await.0, 404);
    assert_eq!(office.login("ada@example.org", PASSWORD).await.0, 401);
    assert_ne!(office.id_of(&ada()).await, id, "the address is free again");

    let told = office.outbox().await;
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["UserRegistered", "UserChanged", "UserDeleted", "UserRegistered"]
    );
    assert_eq!(told[1].1["tier"], "gold");
}

#[tokio::test]
async fn an_address_is_taken_once_also_by_a_change_and_under_a_race() {
    let office = open().await;
    let body = ada();
    let register = || office.register(&body);
    let (a, b, c, d) = tokio::join!(register(), register(), register(), register());
    let mut answers = [a.0, b.0, c.0, d.0];
    answers.sort_unstable();
    assert_eq!(answers, [201, 409, 409, 409]);
    let eve = office
        .id_of(&json!({ "email": "eve@example.org", "name": "Eve", "password": PASSWORD }))
        .await;
    let (status, _, problem) = office
        .put(
            &eve,
            Some("\"1\""),
            &json!({ "email": "Ada@Example.org", "name": "Eve" }),
        )
        .await;
    assert_eq!(
        (status, &problem["code"], &problem["field"]),
        (409, &json!("email_taken"), &json!("email"))
    );
    let (_, page) = office.server.get(&format!("/api/v1/users/{eve}")).await;
    assert_eq!(
        (&page["email"], &page["version"]),
        (&json!("eve@example.org"), &json!(1)),
        "no effect"
    );
}

#[tokio::test]
async fn of_two_changes_on_one_version_one_wins() {
    let office = open().await;
    let id = office.id_of(&ada()).await;
    let body = |name: &str| json!({ "email": "ada@example.org", "name": name });
    let (one, other) = (body("One"), body("Other"));
    let (first, second) = tokio::join!(
        office.put(&id, Some("\"1\""), &one),
        office.put(&id, Some("\"1\""), &other)
    );
    let mut answers = [first.0, second.0];
    answers.sort_unstable();
    assert_eq!(answers, [200, 412]);
    assert_eq!(office.put(&id, None, &one).await.0, 428);
    assert_eq!(office.put(&id, Some("2"), &one).await.0, 400);
    assert_eq!(office.put("nobody", Some("\"1\""), &one).await.0, 404);
}

#[tokio::test]
async fn bad_input_names_its_field_and_has_no_effect() {
    let office = open().await;
    let cases = [
        (json!({ "email": "x", "name": "Ada", "password": PASSWORD }), "email"),
        (
            json!({ "email": "ada@example.org", "name": "\u{1b}[2J", "password": PASSWORD }),
            "name",
        ),
        (
            json!({ "email": "ada@example.org", "name": "Ada", "password": "short" }),
            "password",
        ),
        (json!({ "email": "ada@example.org", "name": "Ada" }), "password"),
        (
            json!({ "email": "ada@example.org", "name": "Ada", "password": PASSWORD, "tier": "platinum" }),
            "tier",
        ),
        (
            json!({ "email": "ada@example.org", "name": "Ada", "password": PASSWORD, "role": "admin" }),
            "role",
        ),
        (json!({ "email": 7, "name": "Ada", "password": PASSWORD }), "email"),
        (json!([]), "body"),
    ];
    for (body, field) in cases {
        let (status, problem) = office.register(&body).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{body}");
    }
    let (_, page) = office.server.get("/api/v1/users").await;
    assert_eq!(page["items"], json!([]));
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x", "status=happy"] {
        assert_eq!(
            office.server.get(&format!("/api/v1/users?{query}")).await.0,
            400,
            "{query}"
        );
    }
    assert_eq!(office.server.get("/api/v1/users/a%20b").await.0, 400);
    let long = json!({ "email": "x".repeat(513), "password": "y" });
    assert_eq!(office.server.post("/api/v1/login", None, &long).await.0, 400);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let office = open().await;
    office.id_of(&ada()).await;
    let wrong = office.login("ada@example.org", "wrong horse").await;
    assert_eq!(wrong.0, 401);
    assert_eq!(office.login("eve@example.org", PASSWORD).await, wrong);
}

#[tokio::test]
async fn pages_join_to_the_whole_and_only_an_administrator_has_the_scope() {
    let office = open().await;
    ensure_admin(&office.users, "admin's own".to_owned())
        .await
        .expect("made");
    ensure_admin(&office.users, "another".to_owned())
        .await
        .expect("there already");
    let (_, login) = office.login("admin@shop.example", "admin's own").await;
    assert!(login["scope"].as_str().expect("scope").contains("admin"));
    for n in 0..4 {
        let body = json!({ "email": format!("u{n}@example.org"), "name": format!("User {n}"), "password": PASSWORD });
        office.id_of(&body).await;
    }
    let (mut names, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let (_, page) = office
            .server
            .get(&format!("/api/v1/users?status=active&limit=2&cursor={cursor}"))
            .await;
        let items = page["items"].as_array().expect("items").clone();
        names.extend(
            items
                .iter()
                .map(|user| user["name"].as_str().expect("a name").to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = next.to_owned();
    }
    assert_eq!(names, ["Administrator", "User 0", "User 1", "User 2", "User 3"]);
}

#[tokio::test]
async fn nothing_personal_lies_in_the_open() {
    let office = open().await;
    let id = office.id_of(&ada()).await;
    let change = json!({ "email": "ada@example.org", "name": "Ada King" });
    assert_eq!(office.put(&id, Some("\"1\""), &change).await.0, 200);
    for (_, payload) in office.outbox().await {
        assert!(!payload.to_string().to_lowercase().contains("ada"), "{payload}");
    }
    let bytes = everything_in(office.folder.path());
    for word in ["ada@example.org", "Lovelace", "Ada King", PASSWORD] {
        let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!found, "{word} is in a file");
    }
}

#[tokio::test]
async fn another_master_key_is_refused_at_start() {
    let office = open().await;
    let vault = |byte: u8| Arc::new(Vault::new(&[byte; 32]));
    store::check_vault(&office.users.db, vault(7)).await.expect("the first");
    store::check_vault(&office.users.db, vault(7)).await.expect("the same");
    let error = store::check_vault(&office.users.db, vault(8))
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("SAGASCOPE_PII_KEY"), "{error}");
}

fn everything_in(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).expect("readable");
    files
        .flat_map(|file| std::fs::read(file.expect("a file").path()).expect("readable"))
        .collect()
}
