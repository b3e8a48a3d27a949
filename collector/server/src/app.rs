//! What every handler shares.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use sagascope_api::Time;
use sagascope_api::logs::LogRow;
use sagascope_core::projections::Projections;
use sagascope_store::find::Parts;
use sagascope_store::head::{Head, Sequences};
use sagascope_store::segments::{Segments, View};
use sagascope_store::{Signal, Wal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::collector::Addresses;
use crate::config::Config;
use crate::control::board::Board;
use crate::experiments::Experiments;
use crate::freshness::Freshness;
use crate::pipeline::{Durable, Event, rates::Rates};
use crate::problem::{Answer, Refusal};
use crate::query::Turns;
use crate::receive::budget::Budget;
use crate::security::Guard;

/// The state that the one loop changes and every query reads.
pub(crate) struct World {
    pub(crate) projections: Projections,
    pub(crate) head: Head,
    /// The sealed files that go with the head: together they hold every row once.
    pub(crate) view: Arc<View>,
    /// The newest log records as clients see them.
    pub(crate) recent_logs: VecDeque<LogRow>,
    pub(crate) board: Board,
    pub(crate) rates: Rates,
    pub(crate) projection_lag_ms: f64,
}

/// One collector.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) addresses: Addresses,
    pub(crate) guard: Guard,
    /// Made up at each start; begins every live id.
    pub(crate) run: String,
    pub(crate) started: Instant,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) intake: mpsc::Sender<Durable>,
    pub(crate) wal: Wal,
    /// For the sealing thread alone, which may hold it for long.
    segments: Mutex<Segments>,
    pub(crate) counters: Counters,
    pub(crate) budget: Budget,
    /// The turns of queries.
    pub(crate) queries: Turns,
    pub(crate) freshness: Arc<Freshness>,
    pub(crate) experiments: Arc<Experiments>,
    pub(crate) ready: AtomicBool,
    pub(crate) stopping: watch::Receiver<bool>,
    world: RwLock<World>,
}

/// The ways into the loop.
pub(crate) struct Queues {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) intake: mpsc::Sender<Durable>,
}

/// What is kept, as it was opened.
pub(crate) struct Stores {
    pub(crate) wal: Wal,
    pub(crate) segments: Segments,
    /// Ordinals of the rows behind those that are sealed.
    pub(crate) next: Sequences,
    pub(crate) projections: Projections,
    pub(crate) experiments: Experiments,
}

impl App {
    #[allow(
        clippy::too_many_arguments,
        reason = "made in one place, from the parts that start makes one after another"
    )]
    pub(crate) fn new(
        config: Config,
        addresses: Addresses,
        guard: Guard,
        run: String,
        queues: Queues,
        stores: Stores,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let Stores {
            wal,
            segments,
            next,
            projections,
            experiments,
        } = stores;
        let world = World {
            projections,
            head: Head::new(next),
            view: segments.view(),
            recent_logs: VecDeque::new(),
            board: Board::new(config.demo.as_ref().map(|demo| (demo.orders_per_second, demo.flows))),
            rates: Rates::default(),
            projection_lag_ms: 0.0,
        };
        let budget = Budget::new(config.requests_bytes);
        Arc::new(Self {
            config,
            addresses,
            guard,
            run,
            started: Instant::now(),
            events: queues.events,
            intake: queues.intake,
            wal,
            segments: Mutex::new(segments),
            counters: Counters::default(),
            budget,
            queries: Turns::default(),
            freshness: Arc::default(),
            experiments: Arc::new(experiments),
            ready: AtomicBool::new(false),
            stopping,
            world: RwLock::new(world),
        })
    }

    /// For a query; hold it shortly, the loop waits meanwhile.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the sealing thread.
    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that queries look at, each row once.
    pub(crate) fn parts(&self) -> Parts {
        let world = self.read();
        let (blocks, view) = (world.head.blocks(), Arc::clone(&world.view));
        drop(world);
        Parts::of(blocks, &view)
    }

    /// For the loop alone.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once the log is replayed and queries answer.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Hands the loop something to do.
    pub(crate) async fn tell(&self, event: Event) -> Answer<()> {
        self.events
            .send(event)
            .await
            .map_err(|_| Refusal::unavailable("The collector is stopping."))
    }
}

/// Returns once the collector is told to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender is gone only when the collector was dropped, which is a stop too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// The wall clock.
pub(crate) fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Counts since the start.
#[derive(Default)]
pub(crate) struct Counters {
    signals: [SignalCounters; 3],
    /// Requests refused as undecodable.
    pub(crate) malformed: AtomicU64,
    /// Requests refused as too large.
    pub(crate) oversized: AtomicU64,
    /// Requests refused for pressure; the sender was told to come again.
    pub(crate) pushed_back: AtomicU64,
    /// Connections taken.
    pub(crate) connections: AtomicU64,
    /// Control and reading refused for want of the token.
    pub(crate) unauthorised: AtomicU64,
    /// Requests refused for a foreign host or origin.
    pub(crate) forbidden: AtomicU64,
    /// Live watchers now.
    pub(crate) watchers: AtomicU64,
    /// Messages that slow watchers missed.
    pub(crate) missed: AtomicU64,
    /// Log rows left out of the stream because there were too many.
    pub(crate) unsampled_logs: AtomicU64,
    /// Records of the log that could not be read.
    pub(crate) unreadable: AtomicU64,
    /// Units sealed into segments.
    pub(crate) units_sealed: AtomicU64,
    /// Units that could not be sealed at once.
    pub(crate) seal_failures: AtomicU64,
    /// Answers that lack what could not be read.
    pub(crate) incomplete_answers: AtomicU64,
}

/// One signal's counts.
#[derive(Default)]
pub(crate) struct SignalCounters {
    pub(crate) accepted: AtomicU64,
    pub(crate) rejected: AtomicU64,
    /// Values of accepted records that are not kept as they were sent, and parts of them that were left out.
    pub(crate) cut: AtomicU64,
}

impl Counters {
    pub(crate) const fn of(&self, signal: Signal) -> &SignalCounters {
        match signal {
            Signal::Traces => &self.signals[0],
            Signal::Logs => &self.signals[1],
            Signal::Metrics => &self.signals[2],
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
