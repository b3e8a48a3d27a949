//! A crash at any call to the disk: what the durability promises is there, and nothing that was never sent.
//!
//! A failure names its seed; `SEED=n` repeats that one alone (which appends share a write is up to the threads).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;

use super::sim::{Crash, Dice, Event, Events, SimDisk, image};
use super::*;

/// Records of the workload.
const RECORDS: u64 = 500;

/// The message of a record follows from its number.
fn message(n: u64) -> Vec<u8> {
    let mut dice = Dice::new(n);
    (0..30 + dice.below(90)).map(|_| dice.below(256) as u8).collect()
}

fn seeds(all: Range<u64>) -> Vec<u64> {
    let chosen = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    chosen.map_or_else(|| all.collect(), |seed| vec![seed])
}

/// What happened while the workload ran: small files, groups of one to four records, now and then a release.
fn workload(durability: Durability, seed: u64) -> Vec<Event> {
    let events = Events::default();
    let dir = tempfile::tempdir().unwrap();
    let small = WalOptions {
        durability,
        segment_bytes: 2_000,
        ..options(dir.path())
    };
    let disk = Box::new(SimDisk(Arc::clone(&events)));
    let (wal, _) = Wal::open_on(small, disk, Clock::system()).unwrap();
    let mut dice = Dice::new(seed);
    let mut places = Vec::new();
    let mut n = 0;
    while n < RECORDS {
        let (tx, rx) = mpsc::channel();
        for _ in 0..1 + dice.below(4) {
            let (tx, events, number) = (tx.clone(), Arc::clone(&events), n);
            let done = move |outcome: Outcome| {
                events.lock().unwrap().push(Event::Acknowledged(number));
                tx.send(outcome.unwrap()).unwrap();
            };
            let frame = Frame::encode(Signal::Logs, Time(n), &message(n)).unwrap();
            wal.append(frame, done).unwrap();
            n += 1;
        }
        drop(tx);
        places.extend(rx.iter());
        if dice.below(20) == 0 {
            let last = n - 1 - dice.below(n.min(30));
            events.lock().unwrap().push(Event::Released(last));
            wal.release(places[last as usize]);
        }
    }
    drop(wal);
    let recorded = events.lock().unwrap().clone();
    assert!(recorded.iter().any(|event| matches!(event, Event::Remove(_))));
    recorded
}

fn lay_out(dir: &Path, files: &BTreeMap<OsString, Vec<u8>>) {
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

/// The numbers of the records that a log hands out, each checked against what was sent.
fn read(dir: &Path, case: &str) -> Vec<u64> {
    let (_wal, replay) = Wal::open(options(dir)).unwrap();
    let records: Vec<_> = replay.collect();
    assert!(records.is_sorted_by(|(a, _), (b, _)| a < b), "{case}: places rise");
    let numbers: Vec<_> = records.iter().map(|(_, record)| record.received_at.0).collect();
    for (number, (_, record)) in numbers.iter().zip(&records) {
        assert_eq!(
            record.bytes,
            message(*number),
            "{case}: record {number} is what was sent"
        );
        assert_eq!(record.signal, Signal::Logs, "{case}");
    }
    assert!(
        numbers.is_sorted_by(|a, b| a < b),
        "{case}: each once, in order: {numbers:?}"
    );
    numbers
}

/// Numbers that must be there when only these events have happened.
fn promised(events: &[Event]) -> Vec<u64> {
    let released = events.iter().filter_map(|event| match event {
        Event::Released(last) => Some(*last),
        _ => None,
    });
    let released = released.max();
    let acknowledged = events.iter().filter_map(|event| match event {
        Event::Acknowledged(number) => Some(*number),
        _ => None,
    });
    acknowledged.filter(|number| Some(*number) > released).collect()
}

/// Opens what a crash after these events leaves, and checks it.
fn check(events: &[Event], crash: Crash, dice: &mut Dice, case: &str) {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &image(events, crash, dice));
    let found = read(dir.path(), case);
    let missing: Vec<_> = promised(events)
        .into_iter()
        .filter(|n| found.binary_search(n).is_err())
        .collect();
    assert!(missing.is_empty(), "{case}: {missing:?} were acknowledged and are gone");
}

#[test]
fn c02_a_crash_at_each_sync_keeps_what_was_acknowledged() {
    for seed in seeds(0..1) {
        let events = workload(Durability::Fsync, seed);
        let syncs: Vec<_> = (0..events.len()).filter(|at| events[*at].is_sync()).collect();
        assert!(syncs.len() > 100, "{} syncs", syncs.len());
        let mut dice = Dice::new(seed);
        for at in syncs {
            for (end, when) in [(at, "before"), (at + 1, "after")] {
                let case = format!("SEED={seed}, {when} call {at}");
                check(&events[..end], Crash::Power, &mut dice, &case);
                check(&events[..end], Crash::Process, &mut dice, &case);
            }
        }
    }
}

#[test]
fn c03_power_lost_anywhere_keeps_what_fsync_acknowledged() {
    for seed in seeds(1..9) {
        let events = workload(Durability::Fsync, seed);
        let mut dice = Dice::new(seed);
        for _ in 0..60 {
            let end = dice.below(events.len() as u64 + 1) as usize;
            check(
                &events[..end],
                Crash::Power,
                &mut dice,
                &format!("SEED={seed}, at call {end}"),
            );
        }
    }
}

#[test]
fn c03_a_kill_anywhere_keeps_what_os_acknowledged() {
    for seed in seeds(10..14) {
        let events = workload(Durability::Os, seed);
        assert!(!events.iter().any(Event::is_sync), "os does not wait for the disk");
        let mut dice = Dice::new(seed);
        for _ in 0..60 {
            let end = dice.below(events.len() as u64 + 1) as usize;
            check(
                &events[..end],
                Crash::Process,
                &mut dice,
                &format!("SEED={seed}, at call {end}"),
            );
        }
    }
}

/// `os` promises nothing here, but what is found was sent.
#[test]
fn c03_power_lost_under_os_leaves_no_garbage() {
    for seed in seeds(20..24) {
        let events = workload(Durability::Os, seed);
        let mut dice = Dice::new(seed);
        for _ in 0..60 {
            let end = dice.below(events.len() as u64 + 1) as usize;
            let dir = tempfile::tempdir().unwrap();
            lay_out(dir.path(), &image(&events[..end], Crash::Power, &mut dice));
            read(dir.path(), &format!("SEED={seed}, at call {end}"));
        }
    }
}

#[test]
fn c07_a_crash_around_each_new_file_and_each_removal_loses_nothing() {
    for seed in seeds(30..32) {
        let events = workload(Durability::Fsync, seed);
        let mut dice = Dice::new(seed);
        for at in 0..events.len() {
            if matches!(events[at], Event::Create(_) | Event::Remove(_)) {
                for end in at..(at + 5).min(events.len()) {
                    check(
                        &events[..end],
                        Crash::Power,
                        &mut dice,
                        &format!("SEED={seed}, at call {end}"),
                    );
                }
            }
        }
    }
}

#[test]
fn c07_what_was_released_is_not_handed_out_again_by_place() {
    let events = workload(Durability::Fsync, 40);
    let dir = tempfile::tempdir().unwrap();
    // Files that were removed without a sync of the folder may come back.
    let mut dice = Dice::new(40);
    lay_out(dir.path(), &image(&events, Crash::Power, &mut dice));
    let (_wal, replay) = Wal::open(options(dir.path())).unwrap();
    let records: Vec<_> = replay.map(|(place, record)| (place, record.received_at.0)).collect();
    let (place, number) = records[records.len() / 2];
    drop(_wal);
    let (_wal, mut replay) = Wal::open(options(dir.path())).unwrap();
    replay.begin_after(Some(place));
    assert!(times(replay).iter().all(|later| *later > number));
}

#[test]
fn c10_twenty_crashes_in_recovery_come_to_the_same_end() {
    for seed in seeds(50..54) {
        let events = workload(Durability::Fsync, seed);
        let mut dice = Dice::new(seed);
        let end = events.len() - 1 - dice.below(200) as usize;
        let dir = tempfile::tempdir().unwrap();
        lay_out(dir.path(), &image(&events[..end], Crash::Power, &mut dice));
        let mut expected = promised(&events[..end]);
        for round in 0..20 {
            let (wal, mut replay) = Wal::open(options(dir.path())).unwrap();
            // Anywhere in the replay; intake is open meanwhile.
            replay.by_ref().take(dice.below(RECORDS) as usize).for_each(drop);
            let number = RECORDS + round;
            let (tx, rx) = mpsc::channel();
            let frame = Frame::encode(Signal::Logs, Time(number), &message(number)).unwrap();
            wal.append(frame, move |outcome| tx.send(outcome).unwrap()).unwrap();
            rx.recv().unwrap().unwrap();
            expected.push(number);
        }
        let case = format!("SEED={seed}");
        let found = read(dir.path(), &case);
        assert!(expected.iter().all(|n| found.binary_search(n).is_ok()), "{case}");
        assert_eq!(found, read(dir.path(), &case), "and again the same");
    }
}

#[test]
fn memory_promises_nothing_and_writes_nothing() {
    let events = Events::default();
    let dir = tempfile::tempdir().unwrap();
    let memory = WalOptions {
        durability: Durability::Memory,
        ..options(dir.path())
    };
    let disk = Box::new(SimDisk(Arc::clone(&events)));
    let (wal, _) = Wal::open_on(memory, disk, Clock::system()).unwrap();
    append(&wal, 1).unwrap();
    drop(wal);
    assert!(events.lock().unwrap().is_empty());
}
