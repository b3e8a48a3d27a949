//! When the head is cut into units, sealed into segments, and the log let go.
//!
//! The log is let go up to where both the segments and the kept picture reach: a restart needs no more of it. Sealing
//! runs on a thread of its own, one unit at a time; while it goes on the unit stays in the head.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sagascope_api::Time;
use sagascope_store::Position;
use sagascope_store::picture::{self, KeptPicture};
use sagascope_store::segments::{Keep, SealUnit, SegmentsError, View};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::intake::{self, Durable};
use crate::app::{App, World, count};

/// Part of the memory cap at which a unit is cut; what comes in while it is sealed has the rest.
const CUT_AT: (usize, usize) = (3, 8);
/// A row waits in memory no longer than this.
const AGE_MAX: Duration = Duration::from_secs(60);
/// Nothing new for this long: a good moment to seal what there is, and to keep the picture.
const QUIET: Duration = Duration::from_secs(3);
/// Rows worth sealing in a quiet moment.
const QUIET_ROWS: u64 = 10_000;
/// Log that a restart reads back into the picture, at most about.
const PICTURE_BYTES: u64 = 96 << 20;
/// The picture is kept at least this often while anything changes.
const PICTURE_AGE: Duration = Duration::from_secs(600);
/// After a failure the next attempt waits for this long.
const RETRY: Duration = Duration::from_secs(5);
/// Small files are joined and old ones removed this often.
const MAINTAIN: Duration = Duration::from_secs(5);

/// Up to where in the log things are kept elsewhere too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptUpTo {
    /// In segments.
    pub(crate) segments: Option<Position>,
    /// In the kept picture.
    pub(crate) picture: Option<Position>,
}

/// What a job on the sealing thread did.
pub(super) enum Done {
    /// A unit was sealed, or not; a picture was kept, or not.
    Kept {
        upto: Position,
        sealed: Option<Result<Arc<View>, String>>,
        picture: Option<Result<(), String>>,
    },
    /// Files were joined or removed; `None` when there was nothing to do.
    Maintained(Result<Option<Arc<View>>, String>),
}

/// The loop's dealings with the disk beyond the log.
pub(super) struct Sealing {
    app: Arc<App>,
    /// The newest record that was folded.
    at: Option<Position>,
    folded_at: Instant,
    kept: KeptUpTo,
    worker: Worker,
    job: Option<oneshot::Receiver<Done>>,
    not_before: Instant,
    picture_kept_at: Instant,
    log_bytes_at_picture: u64,
    maintained_at: Instant,
    head_bytes: usize,
    /// Memory was given back since the last request.
    is_resting: bool,
}

impl Sealing {
    pub(super) fn new(app: Arc<App>, kept: KeptUpTo) -> Self {
        let now = Instant::now();
        Self {
            at: kept.segments.max(kept.picture),
            folded_at: now,
            kept,
            worker: Worker::start(),
            job: None,
            not_before: now,
            picture_kept_at: now,
            log_bytes_at_picture: 0,
            maintained_at: now,
            head_bytes: 0,
            is_resting: false,
            app,
        }
    }

    /// May more rows come into memory?
    pub(super) fn has_room(&self) -> bool {
        self.head_bytes < self.app.config.memory_cap_bytes
    }

    /// Takes a request into the head and the picture, as far as it is not kept there yet. Answers its rows.
    pub(super) fn take(&mut self, durable: &Durable, world: &mut World, now: Time) -> usize {
        let position = Some(durable.position);
        let World { head, projections, .. } = world;
        let projections = (position > self.kept.picture).then_some(projections);
        let read = if position > self.kept.segments {
            intake::fold(durable, head, projections, now)
        } else if let Some(projections) = projections {
            intake::into_picture(durable, projections, now)
        } else {
            Ok(0)
        };
        self.at = self.at.max(position);
        self.folded_at = Instant::now();
        self.is_resting = false;
        self.head_bytes = head.bytes();
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, "a record of the log cannot be read; it is skipped");
            count(&self.app.counters.unreadable);
            0
        })
    }

    /// Begins to seal when memory, age or a quiet moment ask for it.
    pub(super) fn cut_when_due(&mut self, now: Time) {
        if self.job.is_some() || Instant::now() < self.not_before {
            return;
        }
        let Some(upto) = self.at else { return };
        let is_picture_due = self.is_picture_due();
        let mut world = self.app.write();
        let is_cut_due = self.is_cut_due(&world, now);
        if !is_cut_due && !is_picture_due {
            drop(world);
            if self.is_quiet() && !self.is_resting {
                self.rest();
            } else {
                self.maintain(now);
            }
            return;
        }
        let next = world.head.next();
        let blocks = world.head.cut();
        let picture = is_picture_due.then(|| world.projections.to_snapshot());
        drop(world);
        let from = self.kept.segments.map_or(Position::default(), Position::next);
        let unit = blocks.map(|blocks| SealUnit {
            range: from..upto.next(),
            blocks,
            next,
        });
        if picture.is_some() {
            self.log_bytes_at_picture = self.log_bytes();
        }
        self.keep(upto, unit, picture);
    }

    fn keep(&mut self, upto: Position, unit: Option<SealUnit>, picture: Option<Vec<u8>>) {
        let app = Arc::clone(&self.app);
        self.job = Some(self.worker.does(move || {
            let sealed = unit.map(|unit| app.segments().seal(&unit).map_err(|error| error.to_string()));
            let picture = picture.map(|bytes| {
                let kept = KeptPicture { position: upto, bytes };
                picture::keep(&app.config.data_dir, &kept).map_err(|error| error.to_string())
            });
            Done::Kept { upto, sealed, picture }
        }));
    }

    fn is_cut_due(&self, world: &World, now: Time) -> bool {
        let head = &world.head;
        let Some(since) = head.unsealed_since().filter(|_| !head.is_sealing()) else {
            return false;
        };
        let (part, of) = CUT_AT;
        let held = head.held();
        let is_large = self.head_bytes >= self.app.config.memory_cap_bytes / of * part;
        let is_old = now.seconds_since(since) >= AGE_MAX.as_secs_f64();
        let is_worth = held.spans + held.logs + held.points >= QUIET_ROWS;
        is_large || self.app.is_ready() && (is_old || is_worth && self.is_quiet())
    }

    /// Not while the log is replayed, unless that is long: the picture is on its way anyhow.
    fn is_picture_due(&self) -> bool {
        if self.at == self.kept.picture {
            return false;
        }
        let grown = self.log_bytes().saturating_sub(self.log_bytes_at_picture);
        grown >= PICTURE_BYTES
            || self.app.is_ready()
                && (self.picture_kept_at.elapsed() >= PICTURE_AGE || self.is_quiet() && self.kept.segments == self.at)
    }

    fn is_quiet(&self) -> bool {
        self.folded_at.elapsed() >= QUIET
    }

    /// Bytes that went into the log in this run.
    fn log_bytes(&self) -> u64 {
        self.app.wal.status().written_bytes
    }

    /// What a burst has taken is not needed now.
    fn rest(&mut self) {
        self.is_resting = true;
        let give_back = self.app.config.give_back;
        give_back();
        self.job = Some(self.worker.does(move || {
            give_back();
            Done::Maintained(Ok(None))
        }));
    }

    fn maintain(&mut self, now: Time) {
        if self.maintained_at.elapsed() < MAINTAIN || !self.app.is_ready() {
            return;
        }
        self.maintained_at = Instant::now();
        let app = Arc::clone(&self.app);
        self.job = Some(self.worker.does(move || {
            let maintained = maintain(&app, now).map_err(|error| error.to_string());
            Done::Maintained(maintained)
        }));
    }

    /// The end of the job under way; never, when there is none.
    pub(super) async fn done(&mut self) -> Done {
        let Some(job) = &mut self.job else {
            return std::future::pending().await;
        };
        let done = job.await;
        self.job = None;
        done.unwrap_or_else(|_| Done::Maintained(Err("the sealing thread ended before its work".into())))
    }

    /// Draws the consequences.
    pub(super) fn settle(&mut self, done: Done) {
        match done {
            Done::Kept { upto, sealed, picture } => {
                match sealed {
                    Some(Ok(view)) => self.sealed(upto, view),
                    Some(Err(error)) => self.not_sealed(&error),
                    None => {}
                }
                match picture {
                    Some(Ok(())) => {
                        self.kept.picture = Some(upto);
                        self.picture_kept_at = Instant::now();
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "the picture could not be kept; a restart reads more of the log");
                        self.not_before = Instant::now() + RETRY;
                    }
                    None => {}
                }
                self.release();
            }
            Done::Maintained(Ok(Some(view))) => self.app.write().view = view,
            Done::Maintained(Ok(None)) => {}
            Done::Maintained(Err(error)) => {
                // Whatever it was, a unit that was being sealed is in the head and in the log still.
                self.not_sealed(&error);
            }
        }
    }

    fn sealed(&mut self, upto: Position, view: Arc<View>) {
        let mut world = self.app.write();
        world.head.sealed();
        world.view = view;
        self.head_bytes = world.head.bytes();
        self.kept.segments = Some(upto);
        self.app.counters.units_sealed.fetch_add(1, Ordering::Relaxed);
    }

    fn not_sealed(&mut self, error: &str) {
        tracing::error!(%error, "telemetry could not be sealed; it stays in the log and is tried again");
        self.app.write().head.not_sealed();
        self.not_before = Instant::now() + RETRY;
        count(&self.app.counters.seal_failures);
    }

    /// The log is needed from the lesser of the two on.
    fn release(&self) {
        if let Some(upto) = self.kept.segments.min(self.kept.picture) {
            self.app.wal.release(upto);
        }
    }

    /// Waits for the job under way, and keeps the picture so that the next start is short.
    pub(super) async fn stop(mut self) {
        if self.job.is_some() {
            let done = self.done().await;
            self.settle(done);
        }
        let Some(upto) = self.at.filter(|at| Some(*at) != self.kept.picture) else {
            return;
        };
        if !self.app.is_ready() {
            return;
        }
        let bytes = self.app.read().projections.to_snapshot();
        self.keep(upto, None, Some(bytes));
        let done = self.done().await;
        self.settle(done);
    }
}

/// A thread for work that takes long: the loop goes on meanwhile, and whoever watches the process sees what it costs.
struct Worker(Option<std::sync::mpsc::Sender<Job>>);

type Job = Box<dyn FnOnce() + Send>;

impl Worker {
    fn start() -> Self {
        let (sender, jobs) = std::sync::mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("sealer".into());
        // A job that panics is one that failed; the next one may do better.
        let started = thread.spawn(move || {
            for job in jobs {
                drop(catch_unwind(AssertUnwindSafe(job)));
            }
        });
        if let Err(error) = &started {
            tracing::error!(%error, "no thread for sealing");
        }
        Self(started.is_ok().then_some(sender))
    }

    /// Without a thread the receiver hears at once that there will be no result, which is a failure like any other.
    fn does(&self, work: impl FnOnce() -> Done + Send + 'static) -> oneshot::Receiver<Done> {
        let (done, awaited) = oneshot::channel();
        if let Some(jobs) = &self.0 {
            let _ = jobs.send(Box::new(move || drop(done.send(work()))));
        }
        awaited
    }
}

/// Lets go of what is too old or too much, and joins small files. The log counts towards the cap.
fn maintain(app: &App, now: Time) -> Result<Option<Arc<View>>, SegmentsError> {
    let mut segments = app.segments();
    let keep = Keep {
        age: app.config.retention,
        bytes: Some(app.config.storage_cap_bytes.saturating_sub(app.wal.status().bytes)),
    };
    let removed = segments.retain(keep, now)?;
    let is_joined = segments.compact()?;
    Ok((removed.files > 0 || is_joined).then(|| segments.view()))
}
