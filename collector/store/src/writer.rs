//! The writer thread: gathers appends into groups, writes and syncs each group once, answers all, rotates, removes.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sagascope_api::Time;

use crate::disk::{Disk, LogFile};
use crate::files::{self, CreateError, FILE_HEADER, Segment};
use crate::position::Position;
use crate::wal::{Append, AppendError, Durability, Shared, Unreleased, WalOptions, Work};

/// The writer's time, so that tests can let years pass.
pub(crate) struct Clock {
    pub(crate) now: Box<dyn Fn() -> Time + Send>,
    /// Ages are looked at this often, also when nothing is appended.
    pub(crate) age_check: Duration,
    /// Free space is asked for this often.
    pub(crate) space_check: Duration,
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self {
            now: Box::new(|| files::time_of(SystemTime::now())),
            age_check: Duration::from_secs(60),
            space_check: Duration::from_secs(1),
        }
    }
}

/// Bounds of one group.
const GROUP_RECORDS: usize = 2_048;
const GROUP_BYTES: usize = 8 << 20;

pub(crate) struct Writer {
    options: WalOptions,
    disk: Box<dyn Disk>,
    clock: Clock,
    age_checked: Instant,
    /// Closed files, oldest first.
    closed: VecDeque<Segment>,
    open: Option<Open>,
    next_number: u64,
    shared: Arc<Shared>,
    failed: Option<String>,
    space_checked: Option<Instant>,
    no_space: bool,
    buffer: Vec<u8>,
    /// Bytes that would be written if anything were.
    imagined: u64,
}

struct Open {
    file: Box<dyn LogFile>,
    segment: Segment,
}

impl Writer {
    pub(crate) fn new(
        options: WalOptions,
        disk: Box<dyn Disk>,
        clock: Clock,
        segments: Vec<Segment>,
        shared: Arc<Shared>,
    ) -> Self {
        let next_number = segments.last().map_or(1, |segment| segment.number + 1);
        Self {
            options,
            disk,
            clock,
            age_checked: Instant::now(),
            closed: segments.into(),
            open: None,
            next_number,
            shared,
            failed: None,
            space_checked: None,
            no_space: false,
            buffer: Vec::new(),
            imagined: 0,
        }
    }

    /// Until every handle is gone.
    pub(crate) fn run(mut self, work: &Receiver<Work>) {
        loop {
            let idle = self.clock.age_check.saturating_sub(self.age_checked.elapsed());
            let first = match work.recv_timeout(idle) {
                Ok(Work::Append(first)) => first,
                Ok(Work::Release) => {
                    self.remove_released();
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.remove_expired();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let group = gather(first, work);
            let bytes: usize = group.iter().map(|append| append.frame.as_bytes().len()).sum();
            let outcome = self.commit(&group);
            self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            answer(group, outcome);
            self.remove_released();
            if self.age_checked.elapsed() >= self.clock.age_check {
                self.remove_expired();
            }
        }
    }

    /// Answers where the first record of the group begins; the others follow it.
    fn commit(&mut self, group: &[Append]) -> Result<Position, AppendError> {
        if let Some(reason) = &self.failed {
            return Err(AppendError::Failed(reason.clone()));
        }
        if self.options.durability == Durability::Memory {
            self.count(group);
            return Ok(self.imagine(group));
        }
        self.check_space();
        if self.no_space {
            return Err(AppendError::NoSpace);
        }
        self.buffer.clear();
        for append in group {
            self.buffer.extend_from_slice(append.frame.as_bytes());
        }
        if self.is_at_cap() {
            return Err(AppendError::Unsealed);
        }
        let first = self.write_group()?;
        self.date(group);
        self.count(group);
        match self.options.unreleased {
            Unreleased::Drop => self.remove_oldest(),
            Unreleased::Refuse => {
                let bytes = self.total();
                self.shared.update(|status| status.bytes = bytes);
            }
        }
        Ok(first)
    }

    /// The places that records would have if they were written.
    fn imagine(&mut self, group: &[Append]) -> Position {
        let numbers_after = self.shared.numbers_after.load(Ordering::Relaxed);
        let first = Position {
            file: self.next_number.max(numbers_after + 1),
            offset: self.imagined,
        };
        self.imagined += group
            .iter()
            .map(|append| append.frame.as_bytes().len() as u64)
            .sum::<u64>();
        first
    }

    fn is_at_cap(&self) -> bool {
        self.options.unreleased == Unreleased::Refuse
            && self.total() + self.buffer.len() as u64 > self.options.cap_bytes
    }

    /// One write and one sync. A failed write is undone, so that a later one does not follow half a record; a failed
    /// sync leaves unknown what is on disk, so nothing more is taken.
    fn write_group(&mut self) -> Result<Position, AppendError> {
        self.rotate()?;
        let Some(open) = &mut self.open else {
            return Err(AppendError::Closed);
        };
        let before = open.segment.bytes;
        let first = Position {
            file: open.segment.number,
            offset: before,
        };
        if let Err(error) = open.file.append(&self.buffer) {
            if let Err(undo) = open.file.truncate(before) {
                return Err(self.fail(format!("{error}; and the half-written record could not be cut: {undo}")));
            }
            if is_full(&error) {
                self.set_no_space(true);
                return Err(AppendError::NoSpace);
            }
            return Err(self.fail(error.to_string()));
        }
        open.segment.bytes += self.buffer.len() as u64;
        if self.options.durability == Durability::Fsync
            && let Err(error) = open.file.sync()
        {
            return Err(self.fail(error.to_string()));
        }
        self.shared
            .written_bytes
            .fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        Ok(first)
    }

    /// Begins a file when there is none, or when this group would make it too large.
    fn rotate(&mut self) -> Result<(), AppendError> {
        let full = self.open.as_ref().is_some_and(|open| {
            open.segment.bytes > FILE_HEADER as u64
                && open.segment.bytes + self.buffer.len() as u64 > self.options.segment_bytes
        });
        if full {
            self.close();
            self.remove_expired();
        }
        if self.open.is_some() {
            return Ok(());
        }
        let numbers_after = self.shared.numbers_after.load(Ordering::Relaxed);
        let number = self.next_number.max(numbers_after + 1);
        let path = files::path_of(&self.options.dir, number);
        self.next_number = number + 1;
        let durable = self.options.durability == Durability::Fsync;
        match files::create(self.disk.as_mut(), &path, durable) {
            Ok(file) => {
                let segment = Segment {
                    number,
                    path,
                    bytes: FILE_HEADER as u64,
                    oldest: None,
                    newest: Time::default(),
                    last: None,
                };
                self.open = Some(Open { file, segment });
                Ok(())
            }
            Err(CreateError::Unsynced(error)) => Err(self.fail(format!("cannot begin {}: {error}", path.display()))),
            Err(CreateError::Unmade(error)) if is_full(&error) => {
                self.set_no_space(true);
                Err(AppendError::NoSpace)
            }
            // Nothing was promised of this file, so another try is safe: it takes another number.
            Err(CreateError::Unmade(error)) => {
                tracing::error!(file = %path.display(), %error, "cannot begin a file of the log");
                Err(AppendError::Hindered(error.to_string()))
            }
        }
    }

    /// The open file takes no more; the next append begins another.
    fn close(&mut self) {
        self.closed.extend(self.open.take().map(|open| open.segment));
    }

    fn remove_oldest(&mut self) {
        let mut surplus = self.total().saturating_sub(self.options.cap_bytes);
        self.remove_while(|oldest| {
            let goes = surplus > 0;
            surplus = surplus.saturating_sub(oldest.bytes);
            goes
        });
    }

    /// Removes the files whose newest record is older than the retention.
    pub(crate) fn remove_expired(&mut self) {
        self.age_checked = Instant::now();
        let Some(retention) = self.options.retention else {
            return;
        };
        let now = (self.clock.now)();
        let is_older = |time: Time, than: Duration| now.seconds_since(time) > than.as_secs_f64();
        let first = self.open.as_ref().and_then(|open| open.segment.oldest);
        if first.is_some_and(|first| is_older(first, retention / 4)) {
            self.close();
        }
        self.remove_while(|oldest| is_older(oldest.newest, retention));
    }

    /// Removes the files that hold nothing but what was released; the open one too, when it is at its end.
    fn remove_released(&mut self) {
        let released = *self.shared.released.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(released) = released else { return };
        let is_released = |segment: &Segment| {
            let last = segment.last.filter(|_| segment.number == released.file);
            segment.number < released.file || last.is_some_and(|last| last <= released.offset)
        };
        if self.open.as_ref().is_some_and(|open| is_released(&open.segment)) {
            self.close();
        }
        if self.closed.front().is_some_and(is_released) {
            self.remove_while(is_released);
        }
    }

    /// Removes closed files from the oldest on, so that what stays has no gap.
    fn remove_while(&mut self, mut goes: impl FnMut(&Segment) -> bool) {
        let mut last = None;
        let mut removed = 0;
        while self.closed.front().is_some_and(&mut goes)
            && let Some(oldest) = self.closed.pop_front()
        {
            if let Err(error) = self.disk.remove(&oldest.path) {
                tracing::warn!(file = %oldest.path.display(), %error, "cannot remove the oldest file of the log");
            }
            removed += 1;
            last = Some(oldest.newest);
        }
        let bytes = self.total();
        let rest = self.closed.front().or(self.open.as_ref().map(|open| &open.segment));
        // Of a file found at start the first record is not known: it came after the last one that went.
        let oldest = rest.and_then(|rest| rest.oldest.or(last));
        self.shared.update(|status| {
            status.bytes = bytes;
            status.files_removed += removed;
            if removed > 0 {
                status.oldest = oldest;
            }
        });
    }

    /// Notes the times of what was written.
    fn date(&mut self, group: &[Append]) {
        let Some(open) = &mut self.open else { return };
        for append in group {
            let at = append.frame.received_at();
            let segment = &mut open.segment;
            segment.oldest = Some(segment.oldest.map_or(at, |oldest| oldest.min(at)));
            segment.newest = segment.newest.max(at);
        }
        let last = group.last().map_or(0, |append| append.frame.as_bytes().len() as u64);
        open.segment.last = Some(open.segment.bytes - last);
    }

    /// Files that are not written any more, oldest first.
    pub(crate) fn closed(&self) -> Vec<Segment> {
        self.closed.iter().cloned().collect()
    }

    fn total(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.segment.bytes);
        self.closed.iter().map(|segment| segment.bytes).sum::<u64>() + open
    }

    fn check_space(&mut self) {
        if self
            .space_checked
            .is_some_and(|at| at.elapsed() < self.clock.space_check)
        {
            return;
        }
        self.space_checked = Some(Instant::now());
        let free = self.disk.free_bytes(&self.options.dir);
        self.set_no_space(free.is_some_and(|free| free < self.options.free_floor_bytes));
    }

    fn set_no_space(&mut self, no_space: bool) {
        if no_space != self.no_space {
            self.no_space = no_space;
            self.shared.update(|status| status.no_space = no_space);
            if no_space {
                tracing::error!(dir = %self.options.dir.display(), "the disk is nearly full: telemetry is refused until there is space");
            } else {
                tracing::info!("the disk has space again");
            }
        }
    }

    fn fail(&mut self, reason: String) -> AppendError {
        tracing::error!(%reason, "the log failed: nothing more is acknowledged until a restart");
        self.failed = Some(reason.clone());
        self.shared.update(|status| status.failed = Some(reason.clone()));
        AppendError::Failed(reason)
    }

    fn count(&self, group: &[Append]) {
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.appended.fetch_add(group.len() as u64, Ordering::Relaxed);
        if let Some(first) = group.iter().map(|append| append.frame.received_at()).min() {
            self.shared.update(|status| {
                status.oldest.get_or_insert(first);
            });
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn gather(first: Append, work: &Receiver<Work>) -> Vec<Append> {
    let mut bytes = first.frame.as_bytes().len();
    let mut group = vec![first];
    while group.len() < GROUP_RECORDS && bytes < GROUP_BYTES {
        match work.try_recv() {
            Ok(Work::Append(next)) => {
                bytes += next.frame.as_bytes().len();
                group.push(next);
            }
            // What is released is looked at after every group.
            Ok(Work::Release) => {}
            Err(_) => break,
        }
    }
    group
}

/// Tells each record of a group where it is, or why it is not.
fn answer(group: Vec<Append>, outcome: Result<Position, AppendError>) {
    let mut next = outcome;
    for append in group {
        let here = next.clone();
        if let Ok(position) = &mut next {
            position.offset += append.frame.as_bytes().len() as u64;
        }
        (append.done)(here);
    }
}
