//! Files cut, flipped, foreign or in the wrong place: the rest is read, or the message says what to do.

use super::*;
use crate::Recovered;

/// A folder with a log of several files, and what is in it.
fn folder(records: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let small = WalOptions {
        segment_bytes: 400,
        ..options(dir.path())
    };
    let (wal, _) = Wal::open(small).unwrap();
    for n in 0..records {
        append(&wal, n).unwrap();
    }
    dir
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let segments = files::list(dir).unwrap();
    segments.into_iter().map(|segment| segment.path).collect()
}

fn read_back(dir: &Path) -> (Vec<u64>, Recovered) {
    let (_wal, mut replay) = Wal::open(options(dir)).unwrap();
    let found = replay.by_ref().map(|(_, record)| record.received_at.0).collect();
    (found, replay.recovered())
}

#[test]
fn c04_a_cut_at_every_byte_loses_only_the_torn_record() {
    let dir = folder(20);
    let files = files_of(dir.path());
    assert!(files.len() > 2);
    let last = files.last().unwrap();
    let content = std::fs::read(last).unwrap();
    let size = frame(1).as_bytes().len();
    let in_last = ((content.len() - files::FILE_HEADER) / size) as u64;
    for cut in (0..content.len()).rev() {
        std::fs::write(last, &content[..cut]).unwrap();
        let whole = cut.saturating_sub(files::FILE_HEADER) / size;
        let (found, recovered) = read_back(dir.path());
        let expected: Vec<_> = (0..20 - in_last + whole as u64).collect();
        assert_eq!(found, expected, "cut at {cut}");
        assert_eq!(recovered.skipped, 0, "cut at {cut}");
    }
}

/// Every byte of the folder, in steps that a run can afford; another `SEED` takes others.
#[test]
fn c05_a_flip_of_any_byte_of_the_folder_loses_only_its_own_record() {
    const STEP: usize = 3;
    let offset = std::env::var("SEED").ok().and_then(|seed| seed.parse::<usize>().ok());
    let dir = folder(12);
    let size = frame(1).as_bytes().len();
    let mut first = 0;
    for path in files_of(dir.path()) {
        let content = std::fs::read(&path).unwrap();
        let in_file = ((content.len() - files::FILE_HEADER) / size) as u64;
        for at in (offset.unwrap_or(0) % STEP..content.len()).step_by(STEP) {
            // The version is what is left out: another one is refused, see c06.
            if (8..files::FILE_HEADER).contains(&at) {
                continue;
            }
            let mut flipped = content.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, &flipped).unwrap();
            let hit = at.checked_sub(files::FILE_HEADER).map(|at| first + (at / size) as u64);
            let (found, recovered) = read_back(dir.path());
            let expected: Vec<_> = (0..12).filter(|n| Some(*n) != hit).collect();
            assert_eq!(found, expected, "{}: byte {at}", path.display());
            let told = recovered.skipped + u64::from(recovered.torn_bytes > 0);
            assert_eq!(told, u64::from(hit.is_some()), "{}: byte {at}", path.display());
            std::fs::write(&path, &content).unwrap();
        }
        first += in_file;
    }
}

#[test]
fn c06_a_record_of_an_unknown_kind_is_skipped_and_left_where_it_is() {
    let dir = folder(3);
    let path = files_of(dir.path()).remove(0);
    let mut content = std::fs::read(&path).unwrap();
    let unknown = crate::frame::of_unknown_signal(&frame(0));
    content.splice(files::FILE_HEADER..files::FILE_HEADER, unknown);
    std::fs::write(&path, &content).unwrap();
    let (found, recovered) = read_back(dir.path());
    assert_eq!((found.as_slice(), recovered.skipped), (&[0, 1, 2][..], 1));
    assert_eq!(std::fs::read(&path).unwrap(), content, "nothing was deleted");
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(options(dir.path())).unwrap();
    for n in 0..3 {
        append(&wal, n).unwrap();
    }
    drop(wal);
    let path = files::path_of(dir.path(), 1);
    let content = std::fs::read(&path).unwrap();
    std::fs::write(&path, &content[..content.len() - 5]).unwrap();

    let (wal, mut replay) = Wal::open(options(dir.path())).unwrap();
    assert_eq!(
        replay
            .by_ref()
            .map(|(_, record)| record.received_at.0)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    assert!(replay.recovered().torn_bytes > 0);
    append(&wal, 7).unwrap();
    drop(wal);
    let (_, mut replay) = Wal::open(options(dir.path())).unwrap();
    assert_eq!(
        replay
            .by_ref()
            .map(|(_, record)| record.received_at.0)
            .collect::<Vec<_>>(),
        [0, 1, 7]
    );
    assert_eq!(replay.recovered().torn_bytes, 0, "cut once");
}

#[test]
fn a_damaged_record_is_skipped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(options(dir.path())).unwrap();
    for n in 0..3 {
        append(&wal, n).unwrap();
    }
    drop(wal);
    let path = files::path_of(dir.path(), 1);
    let mut content = std::fs::read(&path).unwrap();
    content[files::FILE_HEADER + frame(0).as_bytes().len() + 30] ^= 1;
    std::fs::write(&path, content).unwrap();
    let (_wal, mut replay) = Wal::open(options(dir.path())).unwrap();
    assert_eq!(
        replay
            .by_ref()
            .map(|(_, record)| record.received_at.0)
            .collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(
        replay.recovered(),
        Recovered {
            records: 2,
            skipped: 1,
            torn_bytes: 0
        }
    );
}

#[test]
fn c09_a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_wal, _) = Wal::open(options(dir.path())).unwrap();
    let refused = Wal::open(options(dir.path())).err().unwrap();
    assert!(matches!(refused, OpenError::Locked { .. }));
    assert!(refused.to_string().contains("--data-dir"), "{refused}");
}

#[test]
fn c06_another_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = files::path_of(dir.path(), 1);
    let mut content = files::header();
    content[8] = 9;
    std::fs::write(&path, content).unwrap();
    let refused = Wal::open(options(dir.path())).err().unwrap();
    assert!(matches!(refused, OpenError::Version { version: 9, .. }), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), content);
}

#[test]
fn c13_a_folder_that_is_none_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let refused = Wal::open(options(&file)).err().unwrap().to_string();
    assert!(refused.contains("--data-dir"), "{refused}");
}

#[test]
fn c13_a_missing_folder_is_made_with_all_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    let (wal, _) = Wal::open(options(&deep)).unwrap();
    append(&wal, 1).unwrap();
    drop(wal);
    assert_eq!(read_back(&deep).0, [1]);
}

#[cfg(unix)]
#[test]
fn c13_a_link_to_a_folder_is_as_good_as_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let (wal, _) = Wal::open(options(&link)).unwrap();
    append(&wal, 1).unwrap();
    let refused = Wal::open(options(&real)).err().unwrap();
    assert!(
        matches!(refused, OpenError::Locked { .. }),
        "one folder by two names: {refused}"
    );
    drop(wal);
    assert_eq!(read_back(&real).0, [1]);
}

#[cfg(unix)]
#[test]
fn c13_a_link_to_nowhere_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    let refused = Wal::open(options(&link)).err().unwrap().to_string();
    assert!(refused.contains("--data-dir"), "{refused}");
}

/// `/proc` is read-only for everybody; a mode would not stop root.
#[cfg(target_os = "linux")]
#[test]
fn c13_a_folder_that_cannot_be_written_is_refused_with_what_to_do() {
    for folder in ["/proc/self/task", "/proc/sagascope"] {
        let refused = Wal::open(options(Path::new(folder))).err().unwrap().to_string();
        assert!(refused.contains("--data-dir") && refused.contains(folder), "{refused}");
    }
}
