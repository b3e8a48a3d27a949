//! Output of one child, kept in a file that cannot grow without end.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file is set aside as `NAME.log.1` at this size, so a child keeps at most twice as much.
const FILE_LIMIT_BYTES: u64 = 4 << 20;
/// Lines remembered for the message when a child cannot start.
const TAIL_LINES: usize = 12;
const TAIL_LINE_BYTES: usize = 400;

/// The log of one child.
#[derive(Debug)]
pub(crate) struct ChildLog {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    limit: u64,
    tail: VecDeque<String>,
}

impl ChildLog {
    /// Opens `<folder>/<name>.log` to append. A log that cannot be written must not stop the demo.
    pub(crate) fn open(folder: &Path, name: &str) -> Self {
        Self::with_limit(folder, name, FILE_LIMIT_BYTES)
    }

    fn with_limit(folder: &Path, name: &str, limit: u64) -> Self {
        let mut log = Self {
            path: folder.join(format!("{name}.log")),
            file: None,
            size: 0,
            limit,
            tail: VecDeque::new(),
        };
        log.reopen();
        log
    }

    /// Adds what the child wrote.
    pub(crate) fn write_line(&mut self, line: &[u8]) {
        self.remember(line);
        if self.size + line.len() as u64 + 1 > self.limit {
            self.rotate();
        }
        let Some(file) = &mut self.file else { return };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        match written {
            Ok(()) => self.size += line.len() as u64 + 1,
            Err(_) => self.file = None,
        }
    }

    /// The last lines of this life, oldest first.
    pub(crate) fn tail(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }

    /// Forgets the tail, because a new life begins.
    pub(crate) fn begin_life(&mut self) {
        self.tail.clear();
    }

    fn remember(&mut self, line: &[u8]) {
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        let shown = &line[..line.len().min(TAIL_LINE_BYTES)];
        self.tail.push_back(String::from_utf8_lossy(shown).into_owned());
    }

    fn rotate(&mut self) {
        self.file = None;
        let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
        self.reopen();
    }

    fn reopen(&mut self) {
        let opened = OpenOptions::new().create(true).append(true).open(&self.path);
        self.size = opened.as_ref().map_or(0, size_of);
        self.file = opened.ok();
    }
}

fn size_of(file: &File) -> u64 {
    let metadata: io::Result<_> = file.metadata();
    metadata.map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_never_holds_more_than_two_files_of_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = ChildLog::with_limit(folder.path(), "orders", 100);
        for number in 0..100 {
            log.write_line(format!("line {number:04}").as_bytes());
        }
        let sizes: Vec<u64> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        let newest = std::fs::read_to_string(folder.path().join("orders.log")).unwrap();
        assert!(newest.ends_with("line 0099\n"), "{newest}");
    }

    #[test]
    fn the_tail_holds_the_last_lines_of_this_life() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = ChildLog::open(folder.path(), "orders");
        log.write_line(b"an earlier life");
        log.begin_life();
        for number in 0..20 {
            log.write_line(format!("{number}").as_bytes());
        }
        assert_eq!(
            log.tail().collect::<Vec<_>>(),
            (8..20).map(|n| n.to_string()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_log_that_cannot_be_opened_stops_nothing() {
        let mut log = ChildLog::open(Path::new("/nonexistent/folder"), "orders");
        log.write_line(b"said to nobody");
        assert_eq!(log.tail().count(), 1);
    }
}
