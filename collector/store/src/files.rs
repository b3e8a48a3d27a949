//! The log's folder: names, header, lock, free space.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sagascope_api::Time;

use crate::disk::{self, Disk, LogFile};
use crate::wal::OpenError;

/// First bytes of every file of the log: a magic, then the version of what follows.
const FILE_MAGIC: [u8; 8] = *b"SAGAWAL\0";
const VERSION: u32 = 1;
pub(crate) const FILE_HEADER: usize = 12;

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Its first record, when it was written by this run.
    pub(crate) oldest: Option<Time>,
    /// Its last record; of a file found at start, when it was last written.
    pub(crate) newest: Time,
    /// Where its last record begins, when it was written by this run.
    pub(crate) last: Option<u64>,
}

/// Makes the folder, readable by its owner alone since telemetry may hold anything.
pub(crate) fn prepare(dir: &Path) -> Result<(), OpenError> {
    create_private(dir).map_err(|error| OpenError::unusable(dir, &error))
}

/// The same, for whoever tells of failures himself.
pub(crate) fn create_private(dir: &Path) -> io::Result<()> {
    create_dirs(dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if let Err(error) = fs::set_permissions(dir, fs::Permissions::from_mode(0o700)) {
            tracing::debug!(dir = %dir.display(), %error, "cannot narrow the folder's mode");
        }
    }
    Ok(())
}

/// As `create_dir_all`; folders that were made survive a power loss like the files in them.
fn create_dirs(dir: &Path) -> io::Result<()> {
    let made: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    fs::create_dir_all(dir)?;
    for parent in made.into_iter().filter_map(Path::parent) {
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        if let Err(error) = disk::sync_dir(parent) {
            tracing::warn!(dir = %parent.display(), %error, "cannot sync the folder: a power loss may take the new folder in it");
        }
    }
    Ok(())
}

/// Takes the folder for this process; the lock falls with the file handle, also at `kill -9`.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| OpenError::unusable(dir, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::unusable(dir, &error)),
    }
}

/// Files of the log, oldest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<Segment>, OpenError> {
    let mut segments = Vec::new();
    let entries = fs::read_dir(dir).map_err(|error| OpenError::unusable(dir, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| OpenError::unusable(dir, &error))?;
        let Some(number) = entry.file_name().to_str().and_then(number_of) else {
            continue;
        };
        let metadata = entry.metadata().map_err(|error| OpenError::unusable(dir, &error))?;
        segments.push(Segment {
            number,
            path: entry.path(),
            bytes: metadata.len(),
            oldest: None,
            // A file system without times: never too old.
            newest: metadata.modified().map_or(Time(u64::MAX), time_of),
            last: None,
        });
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// A system time as ours.
pub(crate) fn time_of(time: SystemTime) -> Time {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.wal"))
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".wal")?.parse().ok()
}

pub(crate) fn header() -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..8].copy_from_slice(&FILE_MAGIC);
    header[8..].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// What the first bytes of a file say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderCheck {
    Ours,
    /// Shorter than a header: the process ended while it made the file.
    Unfinished,
    /// Another version of ours.
    Version(u32),
    /// Not of ours, or damaged.
    Foreign,
}

pub(crate) fn check_header(content: &[u8]) -> HeaderCheck {
    if content.len() < FILE_HEADER {
        return HeaderCheck::Unfinished;
    }
    if content[..8] != FILE_MAGIC {
        return HeaderCheck::Foreign;
    }
    match u32::from_le_bytes([content[8], content[9], content[10], content[11]]) {
        VERSION => HeaderCheck::Ours,
        other => HeaderCheck::Version(other),
    }
}

/// Why there is no new file.
#[derive(Debug)]
pub(crate) enum CreateError {
    /// It could not be made or begun; there is nothing of it.
    Unmade(io::Error),
    /// It stands, but nobody knows whether it would after a power loss.
    Unsynced(io::Error),
}

/// Makes a new file with its header, and makes both durable when asked.
pub(crate) fn create(disk: &mut dyn Disk, path: &Path, durable: bool) -> Result<Box<dyn LogFile>, CreateError> {
    let mut file = disk.create(path).map_err(CreateError::Unmade)?;
    if let Err(error) = file.append(&header()) {
        // What stays of it when this fails too is a file without a whole header, which the replay passes over.
        drop(disk.remove(path));
        return Err(CreateError::Unmade(error));
    }
    if durable {
        file.sync().map_err(CreateError::Unsynced)?;
        if let Some(dir) = path.parent() {
            disk.sync_dir(dir).map_err(CreateError::Unsynced)?;
        }
    }
    Ok(file)
}
