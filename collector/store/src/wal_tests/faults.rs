//! A disk that stalls, fills up, fails or has no descriptors left: nothing is acknowledged early, and what can go on does.

use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, mpsc};

use super::*;
use crate::disk::LogFile;

/// What a test changes while the log is open.
struct Conditions {
    /// Bytes that files may still take.
    room: AtomicU64,
    /// What the system says is free.
    free: AtomicU64,
    /// Makes the next sync fail.
    sync_fails: AtomicBool,
    /// Makes new files fail.
    no_descriptors: AtomicBool,
    stalled: Mutex<bool>,
    goes_on: Condvar,
    syncs: AtomicU64,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            room: AtomicU64::new(u64::MAX),
            free: AtomicU64::new(u64::MAX),
            sync_fails: AtomicBool::default(),
            no_descriptors: AtomicBool::default(),
            stalled: Mutex::default(),
            goes_on: Condvar::default(),
            syncs: AtomicU64::default(),
        }
    }
}

impl Conditions {
    fn stall(&self, stalled: bool) {
        *self.stalled.lock().unwrap() = stalled;
        self.goes_on.notify_all();
    }
}

/// The real disk under these conditions.
struct Hard(Arc<Conditions>);

struct HardFile(Box<dyn LogFile>, Arc<Conditions>);

impl Disk for Hard {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        if self.0.no_descriptors.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(24));
        }
        let file = RealDisk.create(path)?;
        Ok(Box::new(HardFile(file, Arc::clone(&self.0))))
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn free_bytes(&mut self, _: &Path) -> Option<u64> {
        Some(self.0.free.load(Ordering::Relaxed))
    }
}

impl LogFile for HardFile {
    /// Writes what there is room for, as a real one does.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.1.room.load(Ordering::Relaxed);
        let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.0.append(&bytes[..fits])?;
        if room != u64::MAX {
            self.1.room.fetch_sub(fits as u64, Ordering::Relaxed);
        }
        if fits < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut stalled = self.1.stalled.lock().unwrap();
        while *stalled {
            stalled = self.1.goes_on.wait(stalled).unwrap();
        }
        drop(stalled);
        if self.1.sync_fails.swap(false, Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        self.0.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

fn open(options: WalOptions) -> (Wal, Arc<Conditions>) {
    let conditions = Arc::new(Conditions::default());
    let disk = Box::new(Hard(Arc::clone(&conditions)));
    let clock = clock(&Arc::default());
    (Wal::open_on(options, disk, clock).unwrap().0, conditions)
}

#[test]
fn b03_a_stalled_disk_pushes_back_and_nothing_is_answered_early() {
    let dir = tempfile::tempdir().unwrap();
    let tight = WalOptions {
        queue_bytes: 2_000,
        ..options(dir.path())
    };
    let (wal, conditions) = open(tight);
    append(&wal, 0).unwrap();
    let synced = conditions.syncs.load(Ordering::Relaxed);
    conditions.stall(true);
    let (tx, rx) = mpsc::channel();
    let mut queued = 0;
    let refused = loop {
        let tx = tx.clone();
        let n = queued + 1;
        match wal.append(frame(n), move |outcome| tx.send((n, outcome)).unwrap()) {
            Ok(()) => queued = n,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AppendError::Full);
    let size = frame(1).as_bytes().len() as u64;
    assert_eq!(queued, 2_000 / size, "as much waits as may wait");
    for _ in 0..1_000 {
        assert_eq!(append(&wal, 99), Err(AppendError::Full), "however often it is asked");
    }
    assert!(rx.try_recv().is_err(), "nothing is synced, so nothing is answered");
    assert_eq!(conditions.syncs.load(Ordering::Relaxed), synced);
    conditions.stall(false);
    let answers: Vec<_> = (0..queued).map(|_| rx.recv().unwrap()).collect();
    assert!(answers.iter().all(|(_, outcome)| outcome.is_ok()));
    append(&wal, queued + 1).unwrap();
    drop(wal);
    let kept = times(Wal::open(options(dir.path())).unwrap().1);
    assert_eq!(
        kept,
        (0..=queued + 1).collect::<Vec<_>>(),
        "what was refused is not there"
    );
}

#[test]
fn b04_a_disk_that_fills_in_mid_write_refuses_and_goes_on_when_there_is_room() {
    let size = frame(0).as_bytes().len() as u64;
    for room in (0..size * 3).step_by(7) {
        let dir = tempfile::tempdir().unwrap();
        let (wal, conditions) = open(options(dir.path()));
        conditions.room.store(room, Ordering::Relaxed);
        let outcomes: Vec<_> = (0..4).map(|n| append(&wal, n)).collect();
        assert_eq!(outcomes[3], Err(AppendError::NoSpace), "room for {room} bytes");
        assert!(wal.status().no_space);
        conditions.room.store(u64::MAX, Ordering::Relaxed);
        append(&wal, 9).unwrap();
        assert!(!wal.status().no_space);
        drop(wal);
        let done = (0..4).filter(|n| outcomes[*n as usize].is_ok());
        let (_wal, mut replay) = Wal::open(options(dir.path())).unwrap();
        let kept: Vec<_> = replay.by_ref().map(|(_, record)| record.received_at.0).collect();
        assert_eq!(kept, done.chain([9]).collect::<Vec<_>>(), "room for {room} bytes");
        assert_eq!((replay.recovered().skipped, replay.recovered().torn_bytes), (0, 0));
    }
}

#[test]
fn b05_too_little_free_space_at_start_refuses_until_there_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let floor = WalOptions {
        free_floor_bytes: 11,
        ..WalOptions::new(dir.path())
    };
    let (wal, conditions) = open(floor);
    conditions.free.store(10, Ordering::Relaxed);
    let refused = append(&wal, 1).unwrap_err();
    assert_eq!(refused, AppendError::NoSpace);
    assert!(
        refused.to_string().contains("--storage-cap"),
        "it says what to do: {refused}"
    );
    assert!(wal.status().no_space);
    conditions.free.store(11, Ordering::Relaxed);
    append(&wal, 2).unwrap();
    assert!(!wal.status().no_space);
}

#[test]
fn b06_a_failed_sync_is_never_acknowledged_nor_retried() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, conditions) = open(options(dir.path()));
    append(&wal, 0).unwrap();
    conditions.sync_fails.store(true, Ordering::Relaxed);
    assert!(matches!(append(&wal, 1), Err(AppendError::Failed(_))));
    assert!(
        matches!(append(&wal, 2), Err(AppendError::Failed(_))),
        "the next sync would succeed, and prove nothing"
    );
    assert!(wal.status().failed.is_some());
    drop(wal);
    let (wal, replay) = Wal::open(options(dir.path())).unwrap();
    assert!(times(replay).contains(&0), "what was acknowledged before is there");
    append(&wal, 3).unwrap();
}

#[test]
fn b06_a_failed_sync_of_a_new_file_is_never_acknowledged_either() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, conditions) = open(options(dir.path()));
    conditions.sync_fails.store(true, Ordering::Relaxed);
    assert!(matches!(append(&wal, 1), Err(AppendError::Failed(_))));
    assert!(matches!(append(&wal, 2), Err(AppendError::Failed(_))));
}

#[test]
fn b07_without_descriptors_a_new_file_waits_for_some() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, conditions) = open(options(dir.path()));
    conditions.no_descriptors.store(true, Ordering::Relaxed);
    assert!(matches!(append(&wal, 1), Err(AppendError::Hindered(_))));
    assert_eq!(
        wal.status().failed,
        None,
        "nothing is lost, so nothing has failed for good"
    );
    conditions.no_descriptors.store(false, Ordering::Relaxed);
    append(&wal, 2).unwrap();
    drop(wal);
    assert_eq!(times(Wal::open(options(dir.path())).unwrap().1), [2]);
}

#[test]
fn b12_a_clock_that_jumps_takes_no_more_than_it_jumped() {
    const HOUR: u64 = 3_600_000_000_000;
    let dir = tempfile::tempdir().unwrap();
    let short = WalOptions {
        segment_bytes: 100,
        retention: Some(Duration::from_secs(3 * 3_600)),
        ..options(dir.path())
    };
    let now = Arc::new(AtomicU64::new(10 * HOUR));
    let (wal, _) = Wal::open_on(short, Box::new(RealDisk), clock(&now)).unwrap();
    let mut places = Vec::new();
    for at in [10 * HOUR, 9 * HOUR, 11 * HOUR, 10 * HOUR] {
        now.store(at, Ordering::Relaxed);
        places.push(append(&wal, at).unwrap());
    }
    assert!(places.is_sorted_by(|a, b| a < b), "places do not follow the clock");
    drop(wal);
    let (_, replay) = Wal::open(options(dir.path())).unwrap();
    assert_eq!(times(replay), [10 * HOUR, 9 * HOUR, 11 * HOUR, 10 * HOUR]);
}

#[test]
fn b04_a_full_log_refuses_until_something_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let tight = WalOptions {
        cap_bytes: 400,
        segment_bytes: 100,
        ..options(dir.path())
    };
    let (wal, _) = Wal::open(tight).unwrap();
    let mut last = append(&wal, 0).unwrap();
    let refused = (1..100).find_map(|n| append(&wal, n).map(|position| last = position).err());
    assert_eq!(refused, Some(AppendError::Unsealed));
    wal.release(last);
    eventually(&wal, "room", |status| status.bytes == 0);
    append(&wal, 100).unwrap();
}
