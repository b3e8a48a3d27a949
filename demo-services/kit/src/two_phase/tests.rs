//! A participant with one lock, over HTTP and by its own inquiry.

use std::sync::{Arc, Mutex, PoisonError};

use sagascope_conventions::action::{Action, ActionOutcome, SagaRef};
use serde_json::{Value, json};

use super::inquiry::ask_once;
use super::*;
use crate::caller::CallError;
use crate::database::{Database, testing};
use crate::testing::TestServer;

const SCHEMA: &[&str] = &["CREATE TABLE IF NOT EXISTS seat (id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT"];

/// One seat: the first who is prepared, or has it, keeps others out.
struct Seat;

fn states(tx: &Tx<'_>, sql: &str, id: &str) -> Result<Option<String>, rusqlite::Error> {
    let mut query = tx.prepare_cached(sql)?;
    let mut rows = query.query([id])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

fn put(tx: &Tx<'_>, id: &str, state: &str) -> Result<(), Problem> {
    tx.execute("INSERT OR REPLACE INTO seat VALUES (?, ?)", [id, state])?;
    Ok(())
}

impl Participant for Seat {
    type Wish = Value;
    type Checked = Value;

    async fn check(&self, _: &str, wish: Value) -> Result<Value, Problem> {
        Ok(wish)
    }

    fn prepare(&self, tx: &Tx<'_>, id: &str, _: Value, _: &Context) -> Result<Vote, Problem> {
        let own = states(tx, "SELECT state FROM seat WHERE id = ?", id)?;
        let other = states(tx, "SELECT state FROM seat WHERE id <> ? AND state <> 'aborted'", id)?;
        match (own.as_deref(), other.as_deref()) {
            (Some("aborted"), _) => return Err(Problem::conflict("aborted", "too late")),
            (None, Some("prepared")) => return Err(Problem::conflict("in_doubt", "locked")),
            (None, Some(_)) => return Err(Problem::conflict("taken", "taken")),
            (None, None) => put(tx, id, "prepared")?,
            (Some(_), _) => {}
        }
        let holds = (own.as_deref() != Some("committed")).then(|| "the seat".to_owned());
        let answer = json!({ "price": 1 });
        Ok(Vote::Yes { answer, holds })
    }

    fn commit(&self, tx: &Tx<'_>, id: &str, _: &Context) -> Result<(), Problem> {
        match states(tx, "SELECT state FROM seat WHERE id = ?", id)?.as_deref() {
            Some("prepared" | "committed") => put(tx, id, "committed"),
            _ => Err(Problem::conflict("not_prepared", "there was no vote")),
        }
    }

    fn abort(&self, tx: &Tx<'_>, id: &str, _: &Context) -> Result<(), Problem> {
        put(tx, id, "aborted")
    }
}

struct Open {
    server: TestServer,
    db: Database,
    seat: Arc<Seat>,
    folder: tempfile::TempDir,
}

async fn open() -> Open {
    let folder = tempfile::tempdir().expect("folder");
    open_in(folder).await
}

async fn open_in(folder: tempfile::TempDir) -> Open {
    let (db, seat) = (testing::open_with_schema(folder.path(), SCHEMA), Arc::new(Seat));
    let server = TestServer::start(router(db.clone(), seat.clone())).await;
    Open {
        server,
        db,
        seat,
        folder,
    }
}

impl Open {
    async fn tell(&self, id: &str, word: &str) -> (u16, Value) {
        let path = format!("/api/v1/transactions/{id}/{word}");
        self.server.post(&path, None, &json!({})).await
    }

    async fn count(&self) -> u64 {
        let (_, doubts) = self.server.get("/api/v1/in-doubt").await;
        assert_eq!(
            doubts["count"].as_u64(),
            doubts["items"].as_array().map(|items| items.len() as u64)
        );
        doubts["count"].as_u64().expect("a count")
    }
}

#[tokio::test]
async fn a_vote_is_in_doubt_until_it_is_decided_and_keeps_others_out_also_after_a_restart() {
    for (decision, then) in [("commit", (409, json!("taken"))), ("abort", (200, Value::Null))] {
        let seat = open().await;
        for _ in 0..2 {
            assert_eq!(seat.tell("t-1", "prepare").await, (200, json!({ "price": 1 })));
        }
        assert_eq!(seat.count().await, 1);
        let seat = open_in(seat.folder).await;
        let (_, doubts) = seat.server.get("/api/v1/in-doubt").await;
        assert_eq!(doubts["items"][0]["holds"], "the seat");
        let (status, problem) = seat.tell("t-2", "prepare").await;
        assert_eq!((status, &problem["code"]), (409, &json!("in_doubt")), "blocked");
        for _ in 0..2 {
            assert_eq!(seat.tell("t-1", decision).await.0, 200);
        }
        assert_eq!(seat.count().await, 0);
        let (status, answer) = seat.tell("t-3", "prepare").await;
        assert_eq!((status, answer["code"].clone()), then, "{decision}");
    }
}

#[tokio::test]
async fn a_vote_that_comes_again_after_the_commit_is_no_doubt() {
    let seat = open().await;
    for word in ["prepare", "commit", "prepare"] {
        assert_eq!(seat.tell("t-1", word).await.0, 200);
    }
    assert_eq!(seat.count().await, 0);
}

#[tokio::test]
async fn g06_an_abort_that_overtakes_the_vote_refuses_it() {
    let seat = open().await;
    assert_eq!(seat.tell("t-1", "abort").await.0, 200);
    assert_eq!(seat.tell("t-1", "prepare").await.1["code"], "aborted");
    assert_eq!(seat.tell("t-1", "commit").await.1["code"], "not_prepared");
    assert_eq!(seat.count().await, 0);
}

#[tokio::test]
async fn what_is_no_decision_is_not_found() {
    let seat = open().await;
    assert_eq!(seat.tell("t-1", "perhaps").await.0, 404);
    assert_eq!(seat.tell("a b", "abort").await.0, 400);
}

#[tokio::test]
async fn a_person_ends_a_doubt_in_place_of_the_coordinator_once() {
    for (commits, then, late) in [(true, "taken", ("commit", 200)), (false, "", ("commit", 409))] {
        let seat = open().await;
        let saga = SagaRef {
            name: "booking-2pc".into(),
            id: "t-1".into(),
        };
        let action = match commits {
            true => Action::CommitInDoubt(saga.clone()),
            false => Action::AbortInDoubt(saga.clone()),
        };
        let carry_out = |action: &Action| by_hand::carry_out(seat.db.clone(), seat.seat.clone(), action.clone());
        assert!(
            matches!(carry_out(&action).await, ActionOutcome::Refused { .. }),
            "it has no vote"
        );
        seat.tell("t-1", "prepare").await;
        assert_eq!(carry_out(&Action::RetrySaga(saga)).await, ActionOutcome::Unknown);
        let ActionOutcome::Done { count: 1, detail } = carry_out(&action).await else {
            panic!("in doubt, and not ended")
        };
        assert!(detail.starts_with("the seat is "), "{detail}");
        assert_eq!(seat.count().await, 0);
        assert!(
            matches!(carry_out(&action).await, ActionOutcome::Refused { .. }),
            "nothing is in doubt"
        );
        assert_eq!(seat.tell("t-2", "prepare").await.1["code"].as_str().unwrap_or(""), then);
        assert_eq!(seat.tell("t-1", late.0).await.0, late.1, "the coordinator finds out");
    }
}

/// Answers the same to every question, and counts them.
struct Says(Result<Option<Decision>, ()>, Mutex<u32>);

impl Knows for Says {
    async fn decision(&self, _: &str) -> Result<Option<Decision>, CallError> {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.map_err(|()| CallError::Unavailable {
            reason: "away".into(),
            status: None,
            retry_after: None,
        })
    }
}

#[tokio::test]
async fn whoever_is_in_doubt_asks_and_goes_on_waiting_while_nobody_knows() {
    let seat = open().await;
    seat.tell("t-1", "prepare").await;
    let says = |answer| Says(answer, Mutex::default());
    for (answer, old_enough, asked, left) in [
        (Ok(Some(Decision::Commit)), u64::MAX, 0, 1),
        (Err(()), 0, 1, 1),
        (Ok(None), 0, 1, 1),
        (Ok(Some(Decision::Commit)), 0, 1, 0),
        (Ok(Some(Decision::Commit)), 0, 0, 0),
    ] {
        let coordinator = says(answer);
        ask_once(&seat.db, &seat.seat, &coordinator, old_enough)
            .await
            .expect("asked");
        let questions = *coordinator.1.lock().expect("lock");
        assert_eq!((questions, seat.count().await), (asked, left), "{answer:?}");
    }
    assert_eq!(seat.tell("t-2", "prepare").await.1["code"], "taken");
}
