//! Sealed rows, end to end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};
use sagascope_core::rows::{
    Attributes, Dropped, Exemplar, ExponentialValue, HistogramValue, LinkRow, LogRow, Metric, MetricKind, Number,
    PointRow, PointValue, Resource, Scope, SpanEventRow, SpanId, SpanKind, SpanRow, SpanStatus, SummaryValue,
    Temporality, TraceId, Value,
};

use super::*;

mod random;

use random::{logs, points, spans};

/// A unit of these rows, whose sequences begin at `first` and whose range is a file of the log.
fn unit(number: u64, first: u64, spans: &[SpanRow], logs: &[LogRow], points: &[PointRow]) -> SealUnit {
    let received_at = |n: usize| Time((number + 1) * 1_000_000_000 + n as u64);
    let mut blocks = HeadBlocks::default();
    for (n, rows) in spans.chunks(7).enumerate() {
        let mut block = SpanBlock::begin_at(first + n as u64 * 7);
        rows.iter()
            .enumerate()
            .for_each(|(n, row)| block.push_row(row, received_at(n)));
        blocks.spans.push(Arc::new(block));
    }
    for (n, rows) in logs.chunks(7).enumerate() {
        let mut block = LogBlock::begin_at(first + n as u64 * 7);
        rows.iter()
            .enumerate()
            .for_each(|(n, row)| block.push_row(row, received_at(n)));
        blocks.logs.push(Arc::new(block));
    }
    for (n, rows) in points.chunks(7).enumerate() {
        let mut block = PointBlock::begin_at(first + n as u64 * 7);
        rows.iter()
            .enumerate()
            .for_each(|(n, row)| block.push_row(row, received_at(n)));
        blocks.points.push(Arc::new(block));
    }
    SealUnit {
        range: at(number)..at(number + 1),
        blocks,
        next: Sequences {
            spans: first + spans.len() as u64,
            logs: first + logs.len() as u64,
            points: first + points.len() as u64,
        },
    }
}

fn at(number: u64) -> Position {
    Position {
        file: number,
        offset: 12,
    }
}

/// Every row of a view, by sequence.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) spans: Vec<(u64, Time, SpanRow)>,
    pub(super) logs: Vec<(u64, Time, LogRow)>,
    pub(super) points: Vec<(u64, Time, PointRow)>,
}

impl Rows {
    fn sort(&mut self) {
        self.spans.sort_by_key(|(sequence, ..)| *sequence);
        self.logs.sort_by_key(|(sequence, ..)| *sequence);
        self.points.sort_by_key(|(sequence, ..)| *sequence);
    }

    /// Texts among the values of their attributes, in lower case.
    pub(super) fn values(&self) -> Vec<String> {
        let spans = self.spans.iter().map(|(_, _, row)| &row.attributes);
        let logs = self.logs.iter().map(|(_, _, row)| &row.attributes);
        let points = self.points.iter().map(|(_, _, row)| &row.attributes);
        let values = spans.chain(logs).chain(points).flat_map(|attributes| &attributes.0);
        let texts = values.filter_map(|(_, value)| match value {
            Value::Text(text) => Some(text.to_ascii_lowercase()),
            _ => None,
        });
        texts.collect()
    }
}

fn rows_of(view: &View) -> Rows {
    let mut rows = Rows::default();
    for file in view.files() {
        let of_file = rows_of_file(file).unwrap();
        rows.spans.extend(of_file.spans);
        rows.logs.extend(of_file.logs);
        rows.points.extend(of_file.points);
    }
    rows.sort();
    rows
}

pub(super) fn rows_of_file(file: &SealedFile) -> Result<Rows, ReadError> {
    let mut rows = Rows::default();
    for group in 0..file.groups()?.len() {
        match file.meta().table {
            Table::Traces => {
                let block = file.spans(group, Columns::ALL, None)?;
                let of_block = block.rows();
                rows.spans
                    .extend(of_block.map(|row| (row.sequence(), row.received_at(), row.to_row())));
            }
            Table::Logs => {
                let block = file.logs(group, Columns::ALL, None)?;
                let of_block = block.rows();
                rows.logs
                    .extend(of_block.map(|row| (row.sequence(), row.received_at(), row.to_row())));
            }
            _ => {
                let block = file.points(group, Columns::ALL, None)?;
                let of_block = block.rows();
                rows.points
                    .extend(of_block.map(|row| (row.sequence(), row.received_at(), row.to_row())));
            }
        }
    }
    rows.sort();
    Ok(rows)
}

fn rows_in(units: &[SealUnit]) -> Rows {
    let mut rows = Rows::default();
    for unit in units {
        let blocks = &unit.blocks;
        let spans = blocks.spans.iter().flat_map(|block| block.rows());
        rows.spans
            .extend(spans.map(|row| (row.sequence(), row.received_at(), row.to_row())));
        let logs = blocks.logs.iter().flat_map(|block| block.rows());
        rows.logs
            .extend(logs.map(|row| (row.sequence(), row.received_at(), row.to_row())));
        let points = blocks.points.iter().flat_map(|block| block.rows());
        rows.points
            .extend(points.map(|row| (row.sequence(), row.received_at(), row.to_row())));
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_come_out_as_they_went_in(spans in spans(40), logs in logs(40), points in points(40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(dir.path()).unwrap();
        let unit = unit(1, 5, &spans, &logs, &points);
        let view = segments.seal(&unit).unwrap();
        prop_assert_eq!(rows_of(&view), rows_in(std::slice::from_ref(&unit)));
        drop(segments);
        let again = Segments::open(dir.path()).unwrap();
        prop_assert_eq!(rows_of(&again.view()), rows_in(&[unit]));
    }

    #[test]
    fn chosen_rows_and_columns_are_those_of_all(spans in spans(40), from in 0_usize..40, len in 0_usize..40) {
        let dir = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(dir.path()).unwrap();
        let view = segments.seal(&unit(1, 0, &spans, &[], &[])).unwrap();
        let Some(file) = view.files().first() else { return Ok(()) };
        let all = file.spans(0, Columns::ALL, None).unwrap();
        let from = from.min(all.len());
        let rows = [from..from.midpoint(all.len()), all.len().min(from + len).max(from.midpoint(all.len()))..all.len()];
        let some = file.spans(0, Columns::ALL, Some(&rows)).unwrap();
        let wanted: Vec<_> = rows.iter().cloned().flatten().map(|row| all.row(row).to_row()).collect();
        prop_assert_eq!(some.rows().map(|row| row.to_row()).collect::<Vec<_>>(), wanted);
        let names = file.spans(0, Columns::NAME, Some(&rows)).unwrap();
        prop_assert!(names.rows().map(|row| row.name()).eq(some.rows().map(|row| row.name())));
    }
}

/// One set of rows that has everything, from a fixed seed.
fn examples(count: usize) -> (Vec<SpanRow>, Vec<LogRow>, Vec<PointRow>) {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let exactly = |rows: usize| rows..=rows;
    let spans = prop::collection::vec(random::span(), exactly(count))
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let logs = prop::collection::vec(random::log(), exactly(count))
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let points = prop::collection::vec(random::point(), exactly(count))
        .new_tree(&mut runner)
        .unwrap()
        .current();
    (spans, logs, points)
}

pub(super) fn units(count: u64, rows: usize) -> Vec<SealUnit> {
    let (spans, logs, points) = examples(rows);
    let of = |number| unit(number, number * rows as u64, &spans, &logs, &points);
    (0..count).map(of).collect()
}

#[test]
fn rows_as_large_as_they_may_be_come_out_as_they_went_in() {
    let (mut spans, mut logs, mut points) = examples(2);
    let long = |n: usize| "ü".repeat((512 << 10) - n);
    let many = |n: usize| {
        (0..1_024)
            .map(|key| (format!("{n}.{key}").into(), Value::Int(key)))
            .collect()
    };
    for (n, log) in logs.iter_mut().enumerate() {
        log.body = Value::Text(long(n).into());
        log.attributes = Attributes(vec![
            ("k".repeat(4_096).into(), Value::List(vec![Value::Bool(true); 100_000])),
            ("v".into(), Value::Bytes(vec![7; 1 << 20].into())),
        ]);
    }
    for (n, span) in spans.iter_mut().enumerate() {
        span.name = "n".repeat(4_096 - n).into();
        span.status_message = long(n).into();
        span.attributes = Attributes(many(n));
        let event = SpanEventRow {
            at: Time(n as u64),
            name: "e".into(),
            attributes: Attributes(vec![("short".into(), Value::Int(1))]),
            dropped_attributes: 0,
        };
        span.events = vec![event; 1_024];
    }
    for point in &mut points {
        point.value = PointValue::Histogram(HistogramValue {
            count: 1,
            sum: Some(f64::INFINITY),
            ..HistogramValue::default()
        });
    }
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    let unit = unit(0, 0, &spans, &logs, &points);
    let view = segments.seal(&unit).unwrap();
    let (found, expected) = (rows_of(&view), rows_in(&[unit]));
    // Too much to print.
    assert!(found.spans == expected.spans && found.logs == expected.logs && found.points == expected.points);
    assert_eq!(found.logs[0].2.body, logs[0].body);
}

#[test]
fn a_trace_is_found_and_another_is_not() {
    let (spans, ..) = examples(40);
    let dir = tempfile::tempdir().unwrap();
    let view = Segments::open(dir.path())
        .unwrap()
        .seal(&unit(1, 0, &spans, &[], &[]))
        .unwrap();
    let file = &view.files()[0];
    let wanted = spans[3].trace_id;
    let rows = file.rows_of_trace(0, wanted).unwrap();
    let found = file.spans(0, Columns::ALL, Some(&rows)).unwrap();
    let count = spans.iter().filter(|span| span.trace_id == wanted).count();
    assert_eq!(found.len(), count);
    assert!(found.rows().all(|row| row.trace_id() == wanted));
    assert!(file.rows_of_trace(0, TraceId([99; 16])).unwrap().is_empty());
    let text = spans
        .iter()
        .flat_map(|span| &span.attributes.0)
        .find_map(|(_, value)| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
    assert!(file.may_have_value(0, &text.unwrap()).unwrap());
    assert!(!file.may_have_value(0, "nobody has this value").unwrap());
}

/// A crash or a full disk at each step of a seal: the unit is whole or not there, and no stray file stays.
#[test]
fn c07_a_seal_that_ends_early_leaves_all_or_nothing() {
    let units = units(2, 6);
    for fails_at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(dir.path()).unwrap();
        segments.seal(&units[0]).unwrap();
        segments.steps = failing(fails_at);
        let sealed = segments.seal(&units[1]).is_ok();
        let kept = &units[..1 + usize::from(sealed)];
        assert_eq!(rows_of(&segments.view()), rows_in(kept), "at step {fails_at}");
        drop(segments);
        assert_whole(dir.path(), kept);
        if sealed {
            assert!(fails_at > 10, "each step was tried");
            return;
        }
    }
}

/// The same when the process ends in the middle and cleans nothing up.
#[test]
fn c07_files_of_a_unit_that_was_not_committed_are_removed_at_start() {
    let units = units(2, 6);
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    segments.seal(&units[0]).unwrap();
    let before = fs::read(dir.path().join("catalogue.sqlite")).unwrap();
    segments.seal(&units[1]).unwrap();
    drop(segments);
    fs::write(dir.path().join("catalogue.sqlite"), before).unwrap();
    fs::write(dir.path().join("otel_logs/half.parquet.tmp"), b"half").unwrap();
    assert_whole(dir.path(), &units[..1]);
    assert!(!dir.path().join("otel_logs/half.parquet.tmp").exists());
}

#[test]
fn c07_compaction_that_ends_early_loses_nothing() {
    let units = units(9, 6);
    let sealed = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(sealed.path()).unwrap();
    units.iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
    drop(segments);
    for fails_at in 0.. {
        let dir = copy_of(sealed.path());
        let mut segments = Segments::open(dir.path()).unwrap();
        segments.steps = failing(fails_at);
        let merged = segments.compact().is_ok();
        assert_eq!(rows_of(&segments.view()), rows_in(&units), "at step {fails_at}");
        drop(segments);
        assert_whole(dir.path(), &units);
        if merged {
            let files = files_in(dir.path()).unwrap();
            assert_eq!(files.len(), units[0].tables());
            assert!(fails_at > 10, "each step was tried");
            return;
        }
    }
}

/// Compaction is tried again every few seconds: one file that cannot be read must not stop the others for ever.
#[test]
fn a_damaged_file_stays_where_it_is_and_those_around_it_are_merged() {
    let units = units(25, 3);
    for damage in [cut as fn(&Path), flip, |path| fs::remove_file(path).unwrap()] {
        let dir = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(dir.path()).unwrap();
        units.iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
        let view = segments.view();
        let victim = Arc::clone(view.of(Table::Logs).nth(9).unwrap());
        let of_its_unit = victim.meta().unit.tables.len();
        damage(victim.path());
        while segments.compact().unwrap() {}
        let left = segments.view();
        assert_eq!(left.damaged(), 1);
        assert!(
            left.files().iter().any(|file| Arc::ptr_eq(file, &victim)),
            "it still counts"
        );
        // Of 25 units the tenth stays, and what lies before and behind it becomes one each.
        assert_eq!(left.units().len(), 3);
        let whole: Vec<SealUnit> = [&units[..9], &units[10..]].concat();
        let others = left.files.iter().filter(|file| file.meta().unit != victim.meta().unit);
        let merged = View {
            files: others.cloned().collect(),
        };
        assert_eq!(rows_of(&merged), rows_in(&whole));
        assert_eq!(left.files().len() - merged.files.len(), of_its_unit);
        // It goes with age like any other.
        let keep = Keep {
            age: None,
            bytes: Some(0),
        };
        segments.retain(keep, Time(0)).unwrap();
        drop((view, left, merged, victim));
        assert_eq!(files_in(dir.path()).unwrap(), Vec::<PathBuf>::new());
    }
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    // In the first page, behind its header.
    bytes[40] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for table in Table::ALL {
        fs::create_dir(dir.path().join(table.name())).unwrap();
    }
    let catalogue = folder.join("catalogue.sqlite");
    for path in files_in(folder).unwrap().iter().chain([&catalogue]) {
        fs::copy(path, dir.path().join(path.strip_prefix(folder).unwrap())).unwrap();
    }
    dir
}

impl SealUnit {
    fn tables(&self) -> usize {
        let has = |table: &Table| !seal::order(&self.blocks, *table).is_empty();
        Table::ALL.iter().filter(|table| has(table)).count()
    }
}

fn failing(at: usize) -> Steps {
    let done = AtomicUsize::new(0);
    Box::new(move |_| {
        if done.fetch_add(1, Ordering::Relaxed) == at {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    })
}

/// Opened again it has these units, and no file of any other.
fn assert_whole(dir: &Path, units: &[SealUnit]) {
    let segments = Segments::open(dir).unwrap();
    let view = segments.view();
    assert_eq!(rows_of(&view), rows_in(units));
    assert_eq!(files_in(dir).unwrap().len(), view.files().len());
    assert!(entries(dir, ".tmp").unwrap().is_empty());
    let last = units.last().unwrap();
    assert_eq!(segments.sealed_to().unwrap(), (Some(last.range.end), last.next));
}

#[test]
fn c08_a_lost_or_damaged_catalogue_is_made_anew() {
    let units = units(9, 6);
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    units.iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
    drop(segments);
    fs::remove_file(dir.path().join("catalogue.sqlite")).unwrap();
    assert_whole(dir.path(), &units);
    fs::write(dir.path().join("catalogue.sqlite"), b"no database").unwrap();
    assert_whole(dir.path(), &units);
    assert!(dir.path().join("catalogue.sqlite.damaged").exists());
    // Merged files beside those they were made of: each row counts once.
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    let small: Vec<_> = files_in(dir.path()).unwrap().into_iter().map(read).collect();
    assert!(Segments::open(dir.path()).unwrap().compact().unwrap());
    small.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    fs::remove_file(dir.path().join("catalogue.sqlite")).unwrap();
    assert_whole(dir.path(), &units);
}

#[test]
fn c08_a_unit_that_lacks_a_file_is_left_out_of_a_new_catalogue() {
    let units = units(2, 6);
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    units.iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
    let last = segments.view().of(Table::Logs).next_back().unwrap().path().to_owned();
    drop(segments);
    fs::remove_file(last).unwrap();
    fs::remove_file(dir.path().join("catalogue.sqlite")).unwrap();
    assert_whole(dir.path(), &units[..1]);
}

#[test]
fn a_damaged_or_missing_file_is_told_and_the_others_are_read() {
    let units = units(2, 6);
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    units.iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
    let file = Arc::clone(segments.view().of(Table::Traces).next().unwrap());
    let (victim, meta) = (file.path().to_owned(), file.meta().clone());
    drop(segments);
    let mut bytes = fs::read(&victim).unwrap();
    let half = bytes.len() / 2;
    for place in (0..bytes.len()).step_by(97) {
        let before = bytes[place];
        bytes[place] ^= 0x5a;
        fs::write(&victim, &bytes).unwrap();
        let file = SealedFile::new(meta.clone(), victim.clone(), Arc::default());
        // Whatever it says, it does not panic.
        if let Ok(groups) = file.groups() {
            for group in 0..groups.len() {
                let _ = file.spans(group, Columns::ALL, None);
                let _ = file.rows_of_trace(group, TraceId([1; 16]));
            }
        }
        bytes[place] = before;
    }
    fs::write(&victim, &bytes[..half]).unwrap();
    let view = Segments::open(dir.path()).unwrap().view();
    assert_eq!((view.damaged(), view.of(Table::Traces).count()), (1, 2));
}

#[test]
fn a_newer_catalogue_is_refused_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(Segments::open(dir.path()).unwrap());
    let path = dir.path().join("catalogue.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = fs::read(&path).unwrap();
    let refused = Segments::open(dir.path()).err().unwrap();
    assert!(matches!(refused, SegmentsError::Newer { found: 99, .. }), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn c12_the_oldest_go_first_and_a_query_keeps_what_it_looks_at() {
    let units = units(4, 6);
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    units.iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
    let query = segments.view();
    let second = Duration::from_secs(1);
    let by_age = Keep {
        age: Some(second * 2),
        bytes: None,
    };
    // Units were received at 1, 2, 3 and 4 seconds.
    let removed = segments.retain(by_age, Time(4_000_000_000)).unwrap();
    assert_eq!(removed.files as usize, units[0].tables());
    assert_eq!(rows_of(&query), rows_in(&units));
    let left = segments.view();
    assert_eq!(rows_of(&left), rows_in(&units[1..]));
    drop(query);
    assert_eq!(files_in(dir.path()).unwrap().len(), left.files().len());
    let by_bytes = Keep {
        age: None,
        bytes: Some(left.bytes() - 1),
    };
    drop(left);
    segments.retain(by_bytes, Time(0)).unwrap();
    assert_eq!(segments.retain(by_bytes, Time(0)).unwrap(), Removed::default());
    drop(segments);
    assert_whole(dir.path(), &units[2..]);
}

/// When age has taken every file, no footer tells any more how far the log was sealed.
#[test]
fn c08_a_lost_catalogue_of_an_emptied_folder_still_knows_how_far_it_was() {
    let units = units(3, 6);
    let nothing = Keep {
        age: None,
        bytes: Some(0),
    };
    let known = (Some(units[1].range.end), units[1].next);
    for fails_at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = dir.path().join("catalogue.sqlite");
        let mut segments = Segments::open(dir.path()).unwrap();
        units[..2].iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
        segments.steps = failing(fails_at);
        let is_emptied = segments.retain(nothing, Time(0)).is_ok();
        drop(segments);
        fs::remove_file(&catalogue).unwrap();
        let mut segments = Segments::open(dir.path()).unwrap();
        assert_eq!(segments.sealed_to().unwrap(), known, "at step {fails_at}");
        assert_eq!(segments.view().files().is_empty(), is_emptied, "at step {fails_at}");
        // What is sealed after that counts more, and is known again without it.
        segments.seal(&units[2]).unwrap();
        drop(segments);
        fs::write(&catalogue, b"no database").unwrap();
        let segments = Segments::open(dir.path()).unwrap();
        let last = (Some(units[2].range.end), units[2].next);
        assert_eq!(segments.sealed_to().unwrap(), last);
        if is_emptied {
            assert!(fails_at > 1, "each step was tried");
            return;
        }
    }
}

/// What version 1 wrote is read by every later one: `SAGASCOPE_NEW_FIXTURE=1` writes a folder for a new version.
#[test]
fn c11_a_folder_of_version_1_is_read() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/segments-1");
    let rows_file = fixture.join("rows.txt");
    if std::env::var_os("SAGASCOPE_NEW_FIXTURE").is_some() {
        let mut segments = Segments::open(&fixture).unwrap();
        units(2, 20).iter().for_each(|unit| drop(segments.seal(unit).unwrap()));
        fs::write(&rows_file, format!("{:#?}", rows_of(&segments.view()))).unwrap();
    }
    let dir = copy_of(&fixture);
    let expected = fs::read_to_string(rows_file).unwrap();
    let with_catalogue = Segments::open(dir.path()).unwrap();
    assert_eq!(format!("{:#?}", rows_of(&with_catalogue.view())), expected);
    drop(with_catalogue);
    fs::remove_file(dir.path().join("catalogue.sqlite")).unwrap();
    let from_footers = Segments::open(dir.path()).unwrap();
    assert_eq!(format!("{:#?}", rows_of(&from_footers.view())), expected);
}

#[test]
fn the_oldest_is_the_first_received_whatever_senders_say() {
    let (mut spans, logs, points) = examples(6);
    spans[0].start = Time(1);
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    assert_eq!(segments.view().oldest(), None);
    for number in 0..8 {
        segments
            .seal(&unit(number, number * 6, &spans, &logs, &points))
            .unwrap();
    }
    assert_eq!(segments.view().oldest(), Some(Time(1_000_000_000)));
    while segments.compact().unwrap() {}
    assert_eq!(
        segments.view().oldest(),
        Some(Time(1_000_000_000)),
        "also of merged files"
    );
    drop(segments);
    fs::remove_file(dir.path().join("catalogue.sqlite")).unwrap();
    let again = Segments::open(dir.path()).unwrap();
    assert_eq!(
        again.view().oldest(),
        Some(Time(1_000_000_000)),
        "and from their footers"
    );
}

#[test]
fn views_are_shared_with_other_threads() {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<View>();
    is_shared::<Mutex<Segments>>();
}
