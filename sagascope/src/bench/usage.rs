//! What a process uses, as the kernel counts it. Absent where there is no `/proc`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The kernel shows processor time in hundredths of a second, on every architecture.
const TICKS_A_SECOND: f64 = 100.0;

/// A process that is watched.
#[derive(Clone, Debug)]
pub(super) struct Process {
    folder: PathBuf,
}

impl Process {
    pub(super) fn new(pid: u32) -> Self {
        Self {
            folder: format!("/proc/{pid}").into(),
        }
    }

    /// Processor time since it began, seconds.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        stat(&self.folder).map(|(_, seconds)| seconds)
    }

    /// The same, of its threads that live, by their names.
    pub(super) fn cpu_seconds_by_thread(&self) -> BTreeMap<String, f64> {
        let mut threads = BTreeMap::new();
        let folders = std::fs::read_dir(self.folder.join("task"))
            .into_iter()
            .flatten()
            .flatten();
        for (name, seconds) in folders.filter_map(|folder| stat(&folder.path())) {
            *threads.entry(name).or_default() += seconds;
        }
        threads
    }

    /// Memory in use, bytes.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that was ever in use, bytes.
    pub(super) fn memory_peak_bytes(&self) -> Option<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, key: &str) -> Option<u64> {
        let status = std::fs::read_to_string(self.folder.join("status")).ok()?;
        kilobytes(&status, key).map(|kilobytes| kilobytes << 10)
    }
}

/// Name and processor time, of a process or a thread.
fn stat(folder: &Path) -> Option<(String, f64)> {
    parse_stat(&std::fs::read_to_string(folder.join("stat")).ok()?)
}

/// The name stands in parentheses and may hold some itself; after it, fields 12 and 13 are user and system time.
fn parse_stat(stat: &str) -> Option<(String, f64)> {
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some((name.to_owned(), (user + system) as f64 / TICKS_A_SECOND))
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Bytes of all files beneath a folder; files that vanish meanwhile count as nothing.
pub(super) fn disk_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let stat = "42 (a) (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 3 0 99";
        assert_eq!(parse_stat(stat), Some(("a) (b) c".into(), 2.0)));
        for wrong in ["", "42 (a", "42 (a) S 1 2"] {
            assert_eq!(parse_stat(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn memory_is_read_by_its_key() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(1_024));
        assert_eq!(kilobytes(status, "VmSwap:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something() {
        let process = Process::new(std::process::id());
        assert!(process.cpu_seconds().is_some());
        assert!(!process.cpu_seconds_by_thread().is_empty());
        assert!(process.memory_bytes().is_some() && process.memory_peak_bytes().is_some());
        assert_eq!(Process::new(u32::MAX).cpu_seconds(), None);
    }

    #[test]
    fn files_are_counted_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("one"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("a/b/two"), [0; 5]).unwrap();
        assert_eq!(disk_bytes(folder.path()), 15);
    }
}
