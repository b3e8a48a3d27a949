//! A whole data folder with a byte flipped or a file cut: it opens, or says clearly why not; what is found in it is what
//! was written; what is not found any more is counted.
//!
//! Some places of each file are tried, evenly spread; `SAGASCOPE_EVERY_BYTE=1` tries all.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use sagascope_api::Time;
use sagascope_core::projections::{Limits, Projections};
use sagascope_core::search::Query;
use sagascope_store::find::{self, Budget, LogQuery, Parts, TraceQuery};
use sagascope_store::head::{Head, HeadBlocks};
use sagascope_store::picture::{self, KeptPicture};
use sagascope_store::segments::{Columns, ReadError, SealUnit, SealedFile, Segments, Table};
use sagascope_store::{Frame, Position, Recovered, Signal, Wal, WalOptions};

const REQUESTS: [(Signal, &[u8]); 3] = [
    (Signal::Traces, include_bytes!("../../fuzz/corpus/traces/shop")),
    (Signal::Logs, include_bytes!("../../fuzz/corpus/logs/shop")),
    (Signal::Metrics, include_bytes!("../../fuzz/corpus/metrics/shop")),
];
const NOW: u64 = 1_763_000_000_000_000_000;
/// Rounds of requests in the folder; a unit is sealed after each of [`SEALED_AFTER`].
const ROUNDS: u64 = 3;
const SEALED_AFTER: [u64; 2] = [1, 2];
/// Places that are flipped in the catalogue, and in other files, all of which have tests of their own; and places of cuts.
const FLIPS: (usize, usize) = (500, 24);
const CUTS: usize = 9;

/// Rows in words, each with how often it is there. Sealed ones have their sequence with them.
type Rows = HashMap<String, u64>;

#[test]
fn c05_a_damaged_folder_serves_what_was_written_or_counts_what_it_lacks() {
    let good = tempfile::tempdir().unwrap();
    write(good.path());
    let original = Opened::of(copy_of(good.path()).path(), true).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(!original.lacks_something() && original.is_found_whole());
    assert!(original.sealed.len() > 20 && original.held.len() > 10 && original.has_picture);

    let cases = Mutex::new(cases(good.path()).into_iter());
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let tried = std::thread::scope(|scope| {
        let work = || {
            let mut tried = 0;
            loop {
                let Some(case) = cases.lock().unwrap().next() else {
                    return tried;
                };
                check(good.path(), &case, &original);
                tried += 1;
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>()
    });
    assert!(tried > 700, "{tried}");
}

/// A log of some rounds of requests of each signal, units sealed from it, and a picture kept with the last of them.
fn write(dir: &Path) {
    let (wal, _) = Wal::open(options(dir)).unwrap();
    let mut segments = Segments::open(dir.join("segments")).unwrap();
    let mut head = Head::new(Default::default());
    let mut projections = Projections::new(Limits::default());
    let mut from = Position::default();
    for round in 0..ROUNDS {
        let at = Time(NOW + round);
        let mut last = Position::default();
        for (signal, bytes) in REQUESTS {
            last = append(&wal, signal, at, bytes);
            take(&mut head, signal, at, bytes);
        }
        projections.apply_spans(head.open_spans(), 0..head.open_spans().len(), at);
        if SEALED_AFTER.contains(&(round + 1)) {
            let blocks = head.cut().unwrap();
            let range = from..last.next();
            from = last.next();
            let next = head.next();
            segments.seal(&SealUnit { range, blocks, next }).unwrap();
            head.sealed();
            let bytes = projections.to_snapshot();
            picture::keep(dir, &KeptPicture { position: last, bytes }).unwrap();
        }
    }
}

fn options(dir: &Path) -> WalOptions {
    WalOptions {
        free_floor_bytes: 0,
        segment_bytes: 6_000,
        ..WalOptions::new(dir.join("wal"))
    }
}

fn append(wal: &Wal, signal: Signal, at: Time, bytes: &[u8]) -> Position {
    let (done, outcome) = mpsc::channel();
    let frame = Frame::encode(signal, at, bytes).unwrap();
    wal.append(frame, move |outcome| done.send(outcome).unwrap()).unwrap();
    outcome.recv().unwrap().unwrap()
}

fn take(head: &mut Head, signal: Signal, at: Time, bytes: &[u8]) {
    match signal {
        Signal::Traces => head.take_spans(bytes, at),
        Signal::Logs => head.take_logs(bytes, at),
        Signal::Metrics => head.take_points(bytes, at),
    }
    .unwrap();
}

/// What is done to one file.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
}

fn cases(dir: &Path) -> Vec<(PathBuf, Damage)> {
    let mut cases = Vec::new();
    for path in files_in(dir) {
        let content = fs::read(dir.join(&path)).unwrap();
        let bytes = content.len();
        let tried = if is_catalogue(&path) { FLIPS.0 } else { FLIPS.1 };
        for (n, place) in places(&content, tried).into_iter().enumerate() {
            let mask = [0x01, 0x80, 0xff, 0x10][n % 4];
            cases.push((path.clone(), Damage::Flip(place, mask)));
        }
        let cuts = (0..CUTS)
            .map(|n| n * bytes / CUTS + n * 7 % 5)
            .filter(|cut| *cut < bytes);
        cases.extend(cuts.map(|cut| (path.clone(), Damage::Cut(cut))));
    }
    cases
}

/// Places in a file, spread over all that is not zero: most of a catalogue is room for more.
fn places(content: &[u8], tried: usize) -> Vec<usize> {
    if std::env::var_os("SAGASCOPE_EVERY_BYTE").is_some() {
        return (0..content.len()).collect();
    }
    let told: Vec<usize> = (0..content.len()).filter(|place| content[*place] != 0).collect();
    let step = told.len().div_ceil(tried).max(1);
    // Irregular, so that all kinds of bytes are come upon.
    let irregular = (0..told.len())
        .step_by(step)
        .enumerate()
        .map(|(n, place)| place + n * 5 % step);
    irregular.filter_map(|place| told.get(place).copied()).collect()
}

fn is_catalogue(path: &Path) -> bool {
    path.ends_with("catalogue.sqlite")
}

/// Files below a folder, in an order that stays.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, &mut found);
    found.sort();
    found
        .iter()
        .map(|path| path.strip_prefix(dir).unwrap().to_owned())
        .collect()
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    // In memory where that is possible: what is tried here is not the disk.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .unwrap();
    for path in files_in(folder) {
        let to = dir.path().join(&path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(folder.join(path), to).unwrap();
    }
    dir
}

fn check(good: &Path, case: &(PathBuf, Damage), original: &Opened) {
    let dir = copy_of(good);
    let path = dir.path().join(&case.0);
    let mut content = fs::read(&path).unwrap();
    match case.1 {
        Damage::Flip(place, mask) => content[place] ^= mask,
        Damage::Cut(length) => content.truncate(length),
    }
    fs::write(&path, content).unwrap();
    match Opened::of(dir.path(), is_catalogue(&case.0)) {
        Ok(found) => found.is_part_of(original, case),
        // The one thing that a flip can turn into and that must not be touched.
        Err(refusal) => assert!(refusal.contains("version"), "{case:?}: {refusal}"),
    }
}

/// What a folder holds, as a collector opens it.
struct Opened {
    sealed: Rows,
    held: Rows,
    /// Rows of all, without sequences: those shift behind a record of the log that is lost.
    all: Rows,
    traces: usize,
    logs: usize,
    says_incomplete: bool,
    damaged_files: u64,
    recovered: Recovered,
    has_picture: bool,
}

impl Opened {
    /// With `seals`, what the log still had is sealed then: the folder is of use, too.
    fn of(dir: &Path, seals: bool) -> Result<Self, String> {
        let (_wal, mut replay) = Wal::open(options(dir)).map_err(|error| error.to_string())?;
        let mut segments = Segments::open(dir.join("segments")).map_err(|error| error.to_string())?;
        let (sealed_to, next) = segments.sealed_to().map_err(|error| error.to_string())?;
        let sealed_to = sealed_to.and_then(Position::before);
        let picture = picture::kept(dir);
        let projections = (picture.as_ref())
            .and_then(|kept| Projections::from_snapshot(&kept.bytes, Limits::default(), Time(NOW)).ok());
        replay.begin_after(sealed_to);
        let mut head = Head::new(next);
        for (position, record) in replay.by_ref() {
            if Some(position) > sealed_to {
                take(&mut head, record.signal, record.received_at, &record.bytes);
            }
        }
        let view = segments.view();
        let (mut sealed, mut all, mut held) = (Rows::new(), Rows::new(), Rows::new());
        for file in view.files() {
            for (row, sequence) in rows_of(file).unwrap_or_default() {
                *sealed.entry(format!("{sequence} {row}")).or_default() += 1;
                *all.entry(row).or_default() += 1;
            }
        }
        let blocks = head.blocks();
        for row in rows_in(&blocks) {
            *all.entry(row.clone()).or_default() += 1;
            *held.entry(row).or_default() += 1;
        }
        if let Some(blocks) = head.cut().filter(|_| seals) {
            let from = sealed_to.map_or(Position::default(), Position::next);
            let range = from..Position { file: 99, offset: 0 };
            let next = head.next();
            segments
                .seal(&SealUnit { range, blocks, next })
                .map_err(|error| format!("cannot seal: {error}"))?;
        }
        let parts = Parts::of(blocks, &view);
        let (traces, logs) = (traces(&parts), logs(&parts));
        Ok(Self {
            sealed,
            held,
            all,
            traces,
            logs,
            says_incomplete: parts.is_incomplete(),
            damaged_files: view.damaged(),
            recovered: replay.recovered(),
            has_picture: projections.is_some(),
        })
    }

    fn is_part_of(&self, original: &Self, case: &(PathBuf, Damage)) {
        for (row, count) in &self.sealed {
            assert_eq!(original.sealed.get(row), Some(count), "{case:?} serves {row}");
        }
        for (row, count) in &self.all {
            let written = original.all.get(row).copied().unwrap_or_default();
            assert!(*count <= written, "{case:?} serves {count} instead of {written}: {row}");
        }
        // Where a file of the log ends nobody knows but the file.
        let may_be_silent = case.0.starts_with("wal") && matches!(case.1, Damage::Cut(_));
        if self.all != original.all && !may_be_silent {
            assert!(self.lacks_something(), "{case:?}: nothing tells what is absent");
        }
        let is_less = self.traces < original.traces || self.logs < original.logs;
        let is_told =
            may_be_silent || self.says_incomplete || self.recovered.skipped > 0 || self.recovered.torn_bytes > 0;
        assert!(!is_less || is_told, "{case:?}: queries lack something");
        assert!(self.traces <= original.traces && self.logs <= original.logs, "{case:?}");
    }

    const fn lacks_something(&self) -> bool {
        self.damaged_files > 0 || self.recovered.skipped > 0 || self.recovered.torn_bytes > 0
    }

    const fn is_found_whole(&self) -> bool {
        self.traces > 0 && self.logs > 0 && !self.says_incomplete
    }
}

/// Rows of a file with their sequences.
fn rows_of(file: &SealedFile) -> Result<Vec<(String, u64)>, ReadError> {
    let mut blocks = HeadBlocks::default();
    for group in 0..file.groups()?.len() {
        match file.meta().table {
            Table::Traces => blocks.spans.push(Arc::new(file.spans(group, Columns::ALL, None)?)),
            Table::Logs => blocks.logs.push(Arc::new(file.logs(group, Columns::ALL, None)?)),
            _ => blocks.points.push(Arc::new(file.points(group, Columns::ALL, None)?)),
        }
    }
    let spans = blocks.spans.iter().flat_map(|block| &block.sequence);
    let logs = blocks.logs.iter().flat_map(|block| &block.sequence);
    let points = blocks.points.iter().flat_map(|block| &block.sequence);
    let sequences = spans.chain(logs).chain(points).copied();
    Ok(rows_in(&blocks).into_iter().zip(sequences).collect())
}

fn rows_in(blocks: &HeadBlocks) -> Vec<String> {
    let spans = blocks.spans.iter().flat_map(|block| block.rows());
    let logs = blocks.logs.iter().flat_map(|block| block.rows());
    let points = blocks.points.iter().flat_map(|block| block.rows());
    let spans = spans.map(|row| format!("{} {:?}", row.received_at().0, row.to_row()));
    let logs = logs.map(|row| format!("{} {:?}", row.received_at().0, row.to_row()));
    let points = points.map(|row| format!("{} {:?}", row.received_at().0, row.to_row()));
    spans.chain(logs).chain(points).collect()
}

fn budget() -> Budget {
    Budget::new(Duration::from_secs(60), Arc::default())
}

/// Traces that carry a value, which filters are asked for, and all others.
fn traces(parts: &Parts) -> usize {
    let queries = ["", "resource.service.name:orders", "NOT resource.service.name:orders"];
    let found = queries.map(|query| {
        let search = TraceQuery {
            query: &Query::parse(query).unwrap(),
            since: Some(Time(1)),
            until: Some(Time(NOW)),
            limit: 1_000,
            columns: Columns::ALL,
            after: None,
        };
        let page = find::traces(parts, &search, &budget());
        page.traces.iter().map(|(_, spans)| spans.len()).sum::<usize>()
    });
    found.iter().sum()
}

fn logs(parts: &Parts) -> usize {
    let search = LogQuery {
        query: &Query::parse("").unwrap(),
        since: Some(Time(1)),
        until: Some(Time(NOW)),
        limit: 1_000,
        after: None,
    };
    let all = find::logs(parts, &search, &budget()).logs.len();
    let known = find::catalogue(parts, search.query, (Time(0), Time(u64::MAX)), &budget());
    all + known.metrics.len()
}
