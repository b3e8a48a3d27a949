//! What the event store promises, over a small aggregate: a counter whose events had another form once.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::context::Context;
use crate::database::{Database, Tx, testing};

/// Counts; form 1 told the amount as text, form 2 tells it as a number, and may say who (a weak field).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counter {
    sum: i64,
    by: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Added {
    amount: i64,
    #[serde(default = "somebody")]
    by: String,
}

fn somebody() -> String {
    "somebody".to_owned()
}

fn text_to_number(mut data: Value) -> Result<Value, serde_json::Error> {
    let text = data["amount"].as_str().unwrap_or_default();
    let amount: i64 = text.parse().map_err(serde::de::Error::custom)?;
    data["amount"] = amount.into();
    Ok(data)
}

static FORMS: LazyLock<Upcasters> = LazyLock::new(|| Upcasters::new().event("Added", &[text_to_number]));

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    const SNAPSHOT_SCHEMA: u32 = 1;
    const SNAPSHOT_EVERY: u64 = 4;
    type Event = Added;

    fn read(stored: StoredEvent) -> Result<Option<Added>, serde_json::Error> {
        let known = FORMS.read(stored)?.known();
        known.map(|event| serde_json::from_value(event.data)).transpose()
    }

    fn apply(&mut self, event: &Added) {
        self.sum += event.amount;
        self.by.push(event.by.clone());
    }
}

fn added(amount: i64) -> (Added, NewEvent) {
    let event = Added { amount, by: somebody() };
    let stored = FORMS.new_event("Added", serde_json::to_value(&event).expect("has a JSON form"));
    (event, stored)
}

fn old_form(amount: i64) -> NewEvent {
    NewEvent {
        event_type: "Added".to_owned(),
        data: json!({ "amount": amount.to_string() }),
        schema_version: 1,
    }
}

async fn raw(db: &Database, id: &'static str, expected: u64, events: Vec<NewEvent>) -> Result<Vec<u64>, AppendError> {
    db.write(move |tx| append(tx, Counter::TYPE, id, expected, &events, &Context::default()))
        .await
}

async fn add(db: &Database, id: &'static str, amount: i64) -> Appended<Counter> {
    let write = db.write(move |tx| {
        let (event, stored) = added(amount);
        append_to(tx, id, &fold(tx, id)?, &[event], &[stored], &Context::default())
    });
    write
        .await
        .map_err(|error: AppendError| error.to_string())
        .expect("appended")
}

async fn folded(db: &Database, id: &'static str) -> Loaded<Counter> {
    db.read(move |conn| fold(conn, id)).await.expect("folds")
}

async fn loaded(db: &Database, id: &'static str) -> Vec<StoredEvent> {
    db.read(move |conn| load(conn, id, 1)).await.expect("loads")
}

fn fold_of(events: &[StoredEvent]) -> Counter {
    let mut counter = Counter::default();
    for event in events {
        if let Some(event) = Counter::read(event.clone()).expect("reads") {
            counter.apply(&event);
        }
    }
    counter
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

#[tokio::test]
async fn inv_08_versions_have_no_gap_and_of_two_writers_one_wins() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    for version in 0..5 {
        let write = || raw(&db, "c-1", version, vec![added(1).1]);
        let (first, second) = tokio::join!(write(), write());
        assert!(first.is_ok() != second.is_ok(), "INV-08: exactly one writer wins");
        let lost = first.err().or(second.err()).expect("one lost");
        assert!(
            matches!(lost, AppendError::Conflict { expected, actual, .. } if (expected, actual) == (version, version + 1))
        );
    }
    let events = loaded(&db, "c-1").await;
    assert_eq!(
        events.iter().map(|event| event.version).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    let tail = db.read(|conn| load(conn, "c-1", 4)).await.expect("loads");
    assert_eq!(tail, events[3..]);
}

#[tokio::test]
async fn g14_rolled_back_writes_leave_no_gap_in_the_order_over_all_streams() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    for id in ["c-0", "c-1", "c-2", "c-3"] {
        let (won, lost) = tokio::join!(
            raw(&db, id, 0, vec![added(1).1, added(2).1]),
            raw(&db, "c-0", 99, vec![added(3).1])
        );
        won.expect("appended");
        lost.expect_err("conflict");
    }
    let first = db.read(|conn| read_all(conn, 0, 5)).await.expect("reads");
    let rest = db.read(|conn| read_all(conn, 5, 100)).await.expect("reads");
    let positions: Vec<_> = first.iter().chain(&rest).map(|event| event.position).collect();
    assert_eq!(positions, (1..=8).collect::<Vec<_>>());
    assert_eq!(db.read(head).await.expect("reads"), 8);
}

#[tokio::test]
async fn a_snapshot_is_kept_every_so_many_events_and_one_of_another_form_is_passed_over() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    for amount in 1..=9 {
        add(&db, "c-1", amount).await;
    }
    let from_snapshot = folded(&db, "c-1").await;
    assert_eq!(
        (
            from_snapshot.from_snapshot,
            from_snapshot.version,
            from_snapshot.state.sum
        ),
        (8, 9, 45)
    );
    for spoil in [
        "UPDATE snapshots SET state = '{' WHERE event_version = 8",
        "UPDATE snapshots SET schema_version = 7",
    ] {
        let write = db.write(move |tx| Ok::<_, DatabaseError>(tx.execute(spoil, [])?));
        write.await.expect("spoiled");
        let full = folded(&db, "c-1").await;
        assert_eq!((full.from_snapshot, &full.state), (0, &from_snapshot.state));
    }
}

#[tokio::test]
async fn a_state_that_passed_over_unknown_events_is_not_kept_as_a_snapshot() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    let unknown = NewEvent::new("Doubled", &json!({})).expect("has a JSON form");
    raw(&db, "c-1", 0, vec![unknown]).await.expect("appended");
    for amount in 1..=8 {
        add(&db, "c-1", amount).await;
    }
    let seen = folded(&db, "c-1").await;
    assert_eq!((seen.from_snapshot, seen.unknown, seen.version), (0, 1, 9));
}

#[tokio::test]
async fn g15_old_forms_are_brought_up_and_unknown_ones_are_kept_and_counted() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    let newer = added(100).1.of_schema(3);
    let unknown = NewEvent::new("Doubled", &json!({ "times": 2 })).expect("has a JSON form");
    let events = vec![old_form(5), added(7).1, newer.clone(), unknown.clone(), old_form(1)];
    raw(&db, "c-1", 0, events.clone()).await.expect("appended");
    let seen = folded(&db, "c-1").await;
    assert_eq!((seen.state.sum, seen.unknown, seen.version), (13, 2, 5));
    let stored = loaded(&db, "c-1").await;
    let as_written: Vec<NewEvent> = stored
        .into_iter()
        .map(|event| NewEvent {
            event_type: event.event_type,
            data: event.data,
            schema_version: event.schema_version,
        })
        .collect();
    assert_eq!(as_written, events, "what is stored is never changed");
    let kinds = db.read(|conn| census(conn, &FORMS)).await.expect("counts");
    let told: Vec<_> = kinds
        .iter()
        .map(|kind| (&*kind.event_type, kind.schema_version, kind.events, kind.standing))
        .collect();
    assert_eq!(
        told,
        [
            ("Added", 1, 2, Standing::Upcast),
            ("Added", 2, 1, Standing::Current),
            ("Added", 3, 1, Standing::Unknown),
            ("Doubled", 1, 1, Standing::Unknown),
        ]
    );
}

#[tokio::test]
async fn an_old_form_that_cannot_be_read_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    let broken = NewEvent::new("Added", &json!({ "amount": "many" })).expect("has a JSON form");
    raw(&db, "c-1", 0, vec![broken]).await.expect("appended");
    let error = db
        .read(|conn| fold::<Counter>(conn, "c-1"))
        .await
        .expect_err("cannot be read");
    assert!(matches!(error, DatabaseError::Decode(_)), "{error}");
}

#[tokio::test]
async fn several_handlers_of_a_type_all_run_and_those_of_another_form_do_not() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open_with_schema(folder.path(), &["CREATE TABLE IF NOT EXISTS told (word TEXT) STRICT"]);
    let tell = |word: &'static str| {
        move |tx: &Tx<'_>, _: &StoredEvent| Ok(tx.execute("INSERT INTO told VALUES (?)", [word]).map(drop)?)
    };
    let handlers = Handlers::new()
        .on("Added", tell("all"))
        .on_form("Added", 1, tell("first form"))
        .on_form("Added", 2, tell("second form"))
        .on("Added", tell("again"));
    let unknown = NewEvent::new("Doubled", &json!({})).expect("has a JSON form");
    raw(&db, "c-1", 0, vec![old_form(1), added(1).1, unknown])
        .await
        .expect("appended");
    let write = db.write(move |tx| {
        let events = load(tx, "c-1", 1)?;
        events
            .iter()
            .map(|event| handlers.handle(tx, event))
            .collect::<anyhow::Result<Vec<_>>>()
    });
    assert_eq!(write.await.expect("handled"), [3, 3, 0]);
    let read = db.read(|conn| {
        let mut query = conn.prepare("SELECT word FROM told ORDER BY rowid")?;
        let words = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok::<Vec<String>, DatabaseError>(words)
    });
    assert_eq!(
        read.await.expect("reads"),
        ["all", "first form", "again", "all", "second form", "again"]
    );
}

/// Brings every event into its newest form.
fn newest_form(event: &StoredEvent) -> anyhow::Result<Vec<NewEvent>> {
    let known = FORMS.read(event.clone())?.known();
    let event = known.ok_or_else(|| anyhow::anyhow!("not known"))?;
    Ok(vec![FORMS.new_event(&event.event_type, event.data)])
}

async fn replace(db: &Database, old: &'static str, new: &'static str) -> Result<Replaced, RewriteError> {
    db.write(move |tx| copy_and_replace(tx, old, new, newest_form, &Context::default()))
        .await
}

#[tokio::test]
async fn copy_and_replace_keeps_the_old_stream_marked_and_done_again_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    raw(&db, "c-1", 0, vec![old_form(5), old_form(-2), added(7).1])
        .await
        .expect("appended");
    let before = folded(&db, "c-1").await;
    let old = loaded(&db, "c-1").await;
    assert_eq!(replace(&db, "c-1", "c-1.v2").await.expect("copied"), Replaced::Now(3));
    assert_eq!(replace(&db, "c-1", "c-1.v2").await.expect("known"), Replaced::Before);

    let kept = loaded(&db, "c-1").await;
    assert_eq!((&kept[..3], &*kept[3].event_type), (&old[..], REPLACED));
    assert_eq!(
        db.read(|conn| replaced_by(conn, "c-1")).await.expect("reads"),
        Some("c-1.v2".to_owned())
    );
    let new = loaded(&db, "c-1.v2").await;
    assert!(new.iter().all(|event| event.schema_version == 2));
    assert_eq!(
        new.iter()
            .map(|event| (event.version, event.created_at))
            .collect::<Vec<_>>(),
        old.iter()
            .map(|event| (event.version, event.created_at))
            .collect::<Vec<_>>(),
    );
    assert_eq!(folded(&db, "c-1.v2").await.state, before.state);
    let closed = raw(&db, "c-1", 4, vec![added(1).1]).await;
    assert!(matches!(closed, Err(AppendError::Replaced { .. })));
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("folder");
    let db = testing::open(folder.path());
    let unknown = NewEvent::new("Doubled", &json!({})).expect("has a JSON form");
    raw(&db, "c-1", 0, vec![old_form(5), unknown]).await.expect("appended");
    raw(&db, "c-2", 0, vec![old_form(5)]).await.expect("appended");
    let failed = replace(&db, "c-1", "c-1.v2").await;
    assert!(matches!(failed, Err(RewriteError::Event { version: 2, .. })));
    assert_eq!(
        (loaded(&db, "c-1").await.len(), loaded(&db, "c-1.v2").await.len()),
        (2, 0)
    );
    assert!(matches!(
        replace(&db, "c-9", "c-9.v2").await,
        Err(RewriteError::NoSuchStream(_))
    ));
    assert!(matches!(replace(&db, "c-2", "c-1").await, Err(RewriteError::Taken(_))));
    replace(&db, "c-2", "c-2.v2").await.expect("copied");
    assert!(matches!(
        replace(&db, "c-2", "c-2.v3").await,
        Err(RewriteError::Elsewhere { .. })
    ));
}

#[test]
fn a_file_from_before_events_had_a_form_is_brought_up_to_date() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("test.sqlite");
    let before = Connection::open(&path).expect("opens");
    let tables = TABLES.replace(
        "    schema_version INTEGER NOT NULL DEFAULT 1,\n    UNIQUE",
        "    UNIQUE",
    );
    before.execute_batch(&tables).expect("made");
    let insert = "INSERT INTO events VALUES (1, 'e-1', 'counter', 'c-1', 1, 'Added', '{\"amount\":\"5\"}', '{}', 7)";
    before.execute(insert, []).expect("inserted");
    drop(before);
    runtime().block_on(async {
        for _ in 0..2 {
            let db = testing::open(folder.path());
            assert_eq!(folded(&db, "c-1").await.state.sum, 5);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever was appended in whatever bunches: snapshot and tail are the full fold, for every prefix and every time.
    #[test]
    fn a_snapshot_and_its_tail_are_the_full_fold_at_every_moment(bunches in prop::collection::vec(prop::collection::vec(-100..100_i64, 1..6), 1..8)) {
        let folder = tempfile::tempdir().expect("folder");
        runtime().block_on(async {
            let db = testing::open(folder.path());
            for bunch in bunches {
                let write = db.write(move |tx| {
                    let (events, stored): (Vec<_>, Vec<_>) = bunch.iter().map(|&amount| added(amount)).unzip();
                    append_to(tx, "c-1", &fold::<Counter>(tx, "c-1")?, &events, &stored, &Context::default())
                });
                let appended = write.await.map_err(|error: AppendError| error.to_string()).expect("appended");
                assert_eq!(appended.state, fold_of(&loaded(&db, "c-1").await));
            }
            let all = loaded(&db, "c-1").await;
            for event in &all {
                let at = event.created_at;
                let seen: Loaded<Counter> = db.read(move |conn| fold_as_of(conn, "c-1", at)).await.expect("folds");
                let until = all.partition_point(|event| event.created_at <= at);
                assert_eq!((&seen.state, seen.version), (&fold_of(&all[..until]), until as u64));
                assert_eq!(db.read(move |conn| load_as_of(conn, "c-1", at)).await.expect("loads"), all[..until]);
            }
            let before: Loaded<Counter> = db.read(|conn| fold_as_of(conn, "c-1", 0)).await.expect("folds");
            assert_eq!(before, Loaded::default());
        });
    }

    /// An event written in its first form reads as the same event written in the second.
    #[test]
    fn the_first_form_brought_up_is_the_second(amount in any::<i64>()) {
        let stored = |new: NewEvent| StoredEvent {
            position: 1,
            event_id: "e-1".to_owned(),
            aggregate_type: Counter::TYPE.to_owned(),
            aggregate_id: "c-1".to_owned(),
            version: 1,
            event_type: new.event_type,
            schema_version: new.schema_version,
            data: new.data,
            headers: crate::sql::Headers::default(),
            created_at: 1,
        };
        let (event, second) = added(amount);
        prop_assert_eq!(Counter::read(stored(old_form(amount))).expect("reads"), Some(event.clone()));
        prop_assert_eq!(Counter::read(stored(second)).expect("reads"), Some(event));
    }
}
