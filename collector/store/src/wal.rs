//! The write-ahead log: many appends, one write, one `fdatasync`, then all are answered.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sagascope_api::Time;

use crate::disk::{Disk, RealDisk};
use crate::files::{self, HeaderCheck};
use crate::frame::Frame;
use crate::position::Position;
use crate::replay::Replay;
use crate::writer::{Clock, Writer};

/// When an append counts as done, and so what an answer promises. Under all three, what is read back is what was sent:
/// a record is there whole or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After `fdatasync` of the bytes, and of the folder when the file is new: an acknowledged record survives the kill of
    /// the process and the loss of power.
    #[default]
    Fsync,
    /// After the write: an acknowledged record survives the kill of the process. A loss of power may take any of what the
    /// system had not written yet.
    Os,
    /// At once; nothing is written: an acknowledged record survives neither.
    Memory,
}

impl Durability {
    /// Its word on the command line and in the overview.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
            Self::Memory => "memory",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Fsync, Self::Os, Self::Memory]
            .into_iter()
            .find(|durability| durability.as_str() == word)
    }
}

/// What happens to records that nothing else keeps yet when the log is at its cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreleased {
    /// They stay, and new ones are refused, retryably, until older ones are released.
    #[default]
    Refuse,
    /// The oldest files go.
    Drop,
}

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// Its folder; made when missing.
    pub dir: PathBuf,
    /// When an append counts as done.
    pub durability: Durability,
    /// A new file is begun above this.
    pub segment_bytes: u64,
    /// Bytes that the log may hold.
    pub cap_bytes: u64,
    /// What happens above that.
    pub unreleased: Unreleased,
    /// Appends are refused, retryably, when the disk has less than this left.
    pub free_floor_bytes: u64,
    /// Files whose newest record is older than this are removed; `None` keeps all that the cap leaves. A file is closed at
    /// a quarter of this age, so that a record is gone at latest a quarter after its time.
    pub retention: Option<Duration>,
    /// Bytes that may wait for the writer; more are refused, retryably.
    pub queue_bytes: usize,
}

impl WalOptions {
    /// The defaults for this folder.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durability: Durability::Fsync,
            segment_bytes: 32 << 20,
            cap_bytes: 1 << 30,
            unreleased: Unreleased::Refuse,
            retention: None,
            free_floor_bytes: 256 << 20,
            queue_bytes: 64 << 20,
        }
    }
}

/// Why the log cannot be opened; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another collector: stop that one, or choose another folder with --data-dir", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// Written by a version this one does not read.
    #[error(
        "{} is a log of format {version}, this program reads format 1: use the program that wrote it, or choose another folder with --data-dir (nothing was changed)",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The format it states.
        version: u32,
    },
    /// The folder cannot be read or written.
    #[error("cannot use {} for data ({reason}): make it a folder you may read and write, or choose another with --data-dir", dir.display())]
    Unusable {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn unusable(dir: &Path, error: &io::Error) -> Self {
        Self::Unusable {
            dir: dir.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// Why an append was not done. The sender may try again after all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too much is waiting for the disk.
    #[error("the log is behind: too much is waiting for the disk")]
    Full,
    /// The log is at its cap and nothing of it is kept elsewhere yet.
    #[error("the log is full: it waits for its records to be sealed")]
    Unsealed,
    /// The disk is nearly full.
    #[error("the disk has too little space left: free some, or lower --storage-cap")]
    NoSpace,
    /// A file of the log cannot be begun now, for want of descriptors or the like.
    #[error("the log cannot be written now: {0}")]
    Hindered(String),
    /// The disk failed; nothing more is acknowledged until a restart.
    #[error("the log failed and takes nothing until a restart: {0}")]
    Failed(String),
    /// The log is being closed.
    #[error("the collector is stopping")]
    Closed,
}

/// The log's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalStatus {
    /// Bytes on disk.
    pub bytes: u64,
    /// Oldest record kept, as far as this run knows.
    pub oldest: Option<Time>,
    /// Bytes written in this run.
    pub written_bytes: u64,
    /// Groups committed.
    pub commits: u64,
    /// Records appended.
    pub appended: u64,
    /// Files removed because they were released, for the cap or for their age.
    pub files_removed: u64,
    /// Why it takes nothing more.
    pub failed: Option<String>,
    /// The disk is under its floor.
    pub no_space: bool,
}

pub(crate) type Done = Box<dyn FnOnce(Result<Position, AppendError>) + Send>;

/// What the writer is asked to do.
pub(crate) enum Work {
    Append(Append),
    /// There is something to release.
    Release,
}

pub(crate) struct Append {
    pub(crate) frame: Frame,
    pub(crate) done: Done,
}

/// What handle and writer share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) appended: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) status: Mutex<WalStatus>,
    pub(crate) written_bytes: AtomicU64,
    /// Numbers of new files are greater than this.
    pub(crate) numbers_after: AtomicU64,
    pub(crate) released: Mutex<Option<Position>>,
}

impl Shared {
    pub(crate) fn update(&self, change: impl FnOnce(&mut WalStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Records that may wait for the writer, however small.
const QUEUE_RECORDS: usize = 16_384;

/// Handle of the log. Dropping it writes what is queued and ends the writer thread.
pub struct Wal {
    queue: Option<SyncSender<Work>>,
    queue_bytes: usize,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Held as long as the log is open.
    _lock: File,
}

impl Wal {
    /// Opens the folder and starts the writer thread. The replay hands out what is in the log; new records go to a
    /// new file, so nothing that was written is ever written again.
    ///
    /// # Errors
    /// When the folder is in use, unusable or of another format.
    pub fn open(options: WalOptions) -> Result<(Self, Replay), OpenError> {
        Self::open_on(options, Box::new(RealDisk), Clock::system())
    }

    pub(crate) fn open_on(options: WalOptions, disk: Box<dyn Disk>, clock: Clock) -> Result<(Self, Replay), OpenError> {
        files::prepare(&options.dir)?;
        let lock = files::lock(&options.dir)?;
        let segments = files::list(&options.dir)?;
        for segment in &segments {
            let head = read_head(&segment.path).map_err(|error| OpenError::unusable(&segment.path, &error))?;
            if let HeaderCheck::Version(version) = files::check_header(&head) {
                return Err(OpenError::Version {
                    path: segment.path.clone(),
                    version,
                });
            }
        }
        let shared = Arc::new(Shared::default());
        shared.update(|status| status.bytes = segments.iter().map(|segment| segment.bytes).sum());
        let (queue, appends) = sync_channel(QUEUE_RECORDS);
        let queue_bytes = options.queue_bytes;
        let dir = options.dir.clone();
        let mut writer = Writer::new(options, disk, clock, segments, Arc::clone(&shared));
        // Before the replay, which need not read what is too old to keep.
        writer.remove_expired();
        // The replay tells exactly what the oldest record is.
        shared.update(|status| status.oldest = None);
        let segments = writer.closed();
        let thread = std::thread::Builder::new()
            .name("wal".into())
            .spawn(move || writer.run(&appends))
            .map_err(|error| OpenError::unusable(&dir, &error))?;
        let wal = Self {
            queue: Some(queue),
            queue_bytes,
            shared,
            thread: Some(thread),
            _lock: lock,
        };
        Ok((wal, Replay::new(segments)))
    }

    /// Queues a record; `done` is called on the writer thread once the record is durable or refused.
    ///
    /// # Errors
    /// At once when the queue is full or the log closed; `done` is not called then.
    pub fn append(
        &self,
        frame: Frame,
        done: impl FnOnce(Result<Position, AppendError>) + Send + 'static,
    ) -> Result<(), AppendError> {
        let queue = self.queue.as_ref().ok_or(AppendError::Closed)?;
        let len = frame.as_bytes().len();
        if self.shared.queued_bytes.fetch_add(len, Ordering::Relaxed) + len > self.queue_bytes {
            self.shared.queued_bytes.fetch_sub(len, Ordering::Relaxed);
            return Err(AppendError::Full);
        }
        queue
            .try_send(Work::Append(Append {
                frame,
                done: Box::new(done),
            }))
            .map_err(|error| {
                self.shared.queued_bytes.fetch_sub(len, Ordering::Relaxed);
                match error {
                    TrySendError::Full(_) => AppendError::Full,
                    TrySendError::Disconnected(_) => AppendError::Closed,
                }
            })
    }

    /// New records get places after `position`: call it before the first append when something elsewhere refers to places
    /// in files that may be gone.
    pub fn begin_after(&self, position: Option<Position>) {
        let number = position.map_or(0, |position| position.file);
        self.shared.numbers_after.fetch_max(number, Ordering::Relaxed);
    }

    /// Everything up to and including `position` is kept elsewhere: the files that hold nothing else are removed.
    pub fn release(&self, position: Position) {
        let mut released = self.shared.released.lock().unwrap_or_else(PoisonError::into_inner);
        *released = released.max(Some(position));
        drop(released);
        // When the queue is full the writer is awake anyhow, and looks after every group.
        if let Some(queue) = &self.queue {
            drop(queue.try_send(Work::Release));
        }
    }

    /// How the log stands.
    #[must_use]
    pub fn status(&self) -> WalStatus {
        let mut status = self
            .shared
            .status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        status.written_bytes = self.shared.written_bytes.load(Ordering::Relaxed);
        status.commits = self.shared.commits.load(Ordering::Relaxed);
        status.appended = self.shared.appended.load(Ordering::Relaxed);
        status
    }

    /// Tells of the oldest record found by the replay.
    pub fn set_oldest(&self, oldest: Time) {
        self.shared.update(|status| {
            status.oldest.get_or_insert(oldest);
        });
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has been told on its own thread; there is nothing to add here.
            drop(thread.join());
        }
    }
}

fn read_head(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut head = Vec::with_capacity(files::FILE_HEADER);
    File::open(path)?
        .take(files::FILE_HEADER as u64)
        .read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
#[path = "wal_tests/mod.rs"]
mod tests;
