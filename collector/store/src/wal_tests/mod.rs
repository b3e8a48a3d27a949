//! What is acknowledged is found again; what failed is never acknowledged.

mod crash;
mod damage;
mod faults;
mod sim;

use std::sync::mpsc;

use super::*;
use crate::Signal;

type Outcome = Result<Position, AppendError>;

fn frame(n: u64) -> Frame {
    Frame::encode(Signal::Traces, Time(n), &[n as u8; 100]).unwrap()
}

fn append(wal: &Wal, n: u64) -> Outcome {
    let (tx, rx) = mpsc::channel();
    wal.append(frame(n), move |outcome| tx.send(outcome).unwrap())?;
    rx.recv().unwrap()
}

fn options(dir: &Path) -> WalOptions {
    WalOptions {
        free_floor_bytes: 0,
        ..WalOptions::new(dir)
    }
}

fn times(replay: Replay) -> Vec<u64> {
    replay.map(|(_, record)| record.received_at.0).collect()
}

#[test]
fn acknowledged_records_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let (wal, replay) = Wal::open(options(dir.path())).unwrap();
        assert_eq!(times(replay), (0..run * 10).collect::<Vec<_>>());
        for n in run * 10..run * 10 + 10 {
            append(&wal, n).unwrap();
        }
    }
}

#[test]
fn many_appends_share_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(options(dir.path())).unwrap();
    let (tx, rx) = mpsc::channel();
    for n in 0..1_000 {
        let tx = tx.clone();
        wal.append(frame(n), move |outcome| tx.send((n, outcome)).unwrap())
            .unwrap();
    }
    drop(tx);
    let answers: Vec<_> = rx.iter().collect();
    assert!(answers.iter().all(|(_, outcome)| outcome.is_ok()));
    assert_eq!(
        answers.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        (0..1_000).collect::<Vec<_>>()
    );
    let status = wal.status();
    assert_eq!(status.appended, 1_000);
    assert!(status.commits < 1_000, "{} commits for 1000 records", status.commits);
}

#[test]
fn the_oldest_files_go_above_the_cap() {
    let dir = tempfile::tempdir().unwrap();
    let small = WalOptions {
        segment_bytes: 1_000,
        cap_bytes: 4_000,
        unreleased: Unreleased::Drop,
        ..options(dir.path())
    };
    let (wal, _) = Wal::open(small.clone()).unwrap();
    for n in 0..500 {
        append(&wal, n).unwrap();
    }
    let status = wal.status();
    assert!(status.bytes <= 4_000 && status.files_removed > 0, "{status:?}");
    drop(wal);
    let kept = times(Wal::open(small).unwrap().1);
    assert_eq!(kept.last(), Some(&499));
    let first = kept[0];
    assert_eq!(kept, (first..500).collect::<Vec<_>>(), "a suffix without gaps");
}

/// A clock that stands until it is set, and a writer that looks at it all the time.
fn clock(now: &Arc<AtomicU64>) -> Clock {
    let now = Arc::clone(now);
    Clock {
        now: Box::new(move || Time(now.load(Ordering::Relaxed))),
        age_check: Duration::from_millis(1),
        space_check: Duration::ZERO,
    }
}

fn eventually(wal: &Wal, what: &str, is_so: impl Fn(&WalStatus) -> bool) -> WalStatus {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let status = wal.status();
        if is_so(&status) {
            return status;
        }
        assert!(std::time::Instant::now() < deadline, "{what}: {status:?}");
        std::thread::yield_now();
    }
}

#[test]
fn files_go_once_their_newest_record_is_too_old_also_when_nothing_comes() {
    let dir = tempfile::tempdir().unwrap();
    let short = WalOptions {
        segment_bytes: 1_000,
        retention: Some(Duration::from_nanos(100)),
        ..options(dir.path())
    };
    let now = Arc::new(AtomicU64::new(0));
    let (wal, _) = Wal::open_on(short.clone(), Box::new(RealDisk), clock(&now)).unwrap();
    for n in 0..100 {
        append(&wal, n).unwrap();
    }
    assert_eq!(wal.status().files_removed, 0, "all of it is young");
    now.store(150, Ordering::Relaxed);
    let status = eventually(&wal, "old files to go", |status| status.files_removed > 0);
    drop(wal);
    let (wal, replay) = Wal::open_on(short, Box::new(RealDisk), clock(&now)).unwrap();
    let kept = times(replay);
    assert_eq!(status.oldest, Some(Time(kept[0])));
    assert!(
        kept[0] > 0 && kept[0] <= 50,
        "a file stays while one record of it is young: {kept:?}"
    );
    assert_eq!(kept, (kept[0]..100).collect::<Vec<_>>(), "a suffix without gaps");
    drop(wal);
}

#[test]
fn a_quiet_log_is_emptied_too_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let short = WalOptions {
        retention: Some(Duration::from_nanos(100)),
        ..options(dir.path())
    };
    let now = Arc::new(AtomicU64::new(0));
    let (wal, _) = Wal::open_on(short, Box::new(RealDisk), clock(&now)).unwrap();
    append(&wal, 1).unwrap();
    now.store(500, Ordering::Relaxed);
    let status = eventually(&wal, "the only file to go", |status| status.bytes == 0);
    assert_eq!((status.files_removed, status.oldest), (1, None));
    append(&wal, 499).unwrap();
    drop(wal);
    assert_eq!(times(Wal::open(options(dir.path())).unwrap().1), [499]);
}

#[test]
fn what_is_too_old_at_start_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=2 {
        let (wal, _) = Wal::open(options(dir.path())).unwrap();
        append(&wal, n).unwrap();
    }
    let old = File::options().write(true).open(files::path_of(dir.path(), 1)).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    let hour = WalOptions {
        retention: Some(Duration::from_secs(3_600)),
        ..options(dir.path())
    };
    let (wal, replay) = Wal::open(hour).unwrap();
    assert_eq!(times(replay), [2]);
    assert_eq!(wal.status().files_removed, 1);
}

#[test]
fn memory_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let memory = WalOptions {
        durability: Durability::Memory,
        ..options(dir.path())
    };
    let (wal, _) = Wal::open(memory).unwrap();
    append(&wal, 1).unwrap();
    drop(wal);
    assert_eq!(times(Wal::open(options(dir.path())).unwrap().1), Vec::<u64>::new());
}

#[test]
fn places_rise_and_are_the_same_when_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let small = WalOptions {
        segment_bytes: 100,
        ..options(dir.path())
    };
    let mut places = Vec::new();
    for run in 0..3 {
        let (wal, _) = Wal::open(small.clone()).unwrap();
        places.extend((0..7).map(|n| append(&wal, run * 10 + n).unwrap()));
    }
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    let after = |position| {
        let (_wal, mut replay) = Wal::open(small.clone()).unwrap();
        replay.begin_after(position);
        replay.map(|(position, _)| position).collect::<Vec<_>>()
    };
    assert_eq!(after(None), places);
    for (n, place) in places.iter().enumerate() {
        assert_eq!(after(Some(*place)), places[n + 1..]);
    }
}

#[test]
fn files_that_hold_nothing_but_what_was_released_go() {
    let dir = tempfile::tempdir().unwrap();
    let small = WalOptions {
        segment_bytes: 100,
        ..options(dir.path())
    };
    let (wal, _) = Wal::open(small.clone()).unwrap();
    let places: Vec<_> = (0..9).map(|n| append(&wal, n).unwrap()).collect();
    wal.release(places[4]);
    eventually(&wal, "released files to go", |status| status.files_removed > 0);
    drop(wal);
    let (wal, replay) = Wal::open(small.clone()).unwrap();
    let left = times(replay);
    assert!(left.contains(&5) && !left.contains(&0), "{left:?}");
    let last = append(&wal, 9).unwrap();
    wal.release(last);
    eventually(&wal, "the open file to go too", |status| status.bytes == 0);
    wal.begin_after(Some(last));
    assert!(append(&wal, 10).unwrap() > last);
}

#[test]
fn places_rise_though_every_file_has_gone() {
    for durability in [Durability::Os, Durability::Memory] {
        let dir = tempfile::tempdir().unwrap();
        let options = WalOptions {
            durability,
            ..options(dir.path())
        };
        let (wal, _) = Wal::open(options.clone()).unwrap();
        let last = append(&wal, 1).unwrap();
        assert!(append(&wal, 2).unwrap() > last);
        wal.release(append(&wal, 3).unwrap());
        drop(wal);
        let (wal, _) = Wal::open(options).unwrap();
        wal.begin_after(Some(last));
        assert!(append(&wal, 4).unwrap() > last, "{durability:?}");
    }
}
