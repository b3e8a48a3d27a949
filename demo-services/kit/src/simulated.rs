//! What a simulation puts in the place of time, dice and machines.
//!
//! A simulated cluster lives on one thread with a paused tokio clock; every other thread keeps the real world. Each of
//! its services runs on a [`Node`]: all tasks of a service carry it on to the tasks that they start, so that the node can
//! have a clock that is off, a slow disk, and a death that stops all of its tasks at one await.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use opentelemetry::SpanId;
use opentelemetry_sdk::trace::SpanData;
use rand::distr::{Distribution, StandardUniform};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::telemetry;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

tokio::task_local! {
    static NODE: Arc<Node>;
}

struct World {
    epoch_unix_nanos: u64,
    began: Instant,
    dice: StdRng,
}

/// The simulation of this thread; dropping it gives the real world back.
#[derive(Debug)]
pub struct Simulation(());

impl Simulation {
    /// From now on this thread's clock shows `epoch_unix_nanos` plus the time of tokio's clock, and its dice follow `seed`.
    /// To be called inside a runtime whose clock is paused.
    #[must_use]
    pub fn start(seed: u64, epoch_unix_nanos: u64) -> Self {
        let world = World {
            epoch_unix_nanos,
            began: Instant::now(),
            dice: StdRng::seed_from_u64(seed),
        };
        WORLD.set(Some(world));
        telemetry::simulate();
        Self(())
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        WORLD.set(None);
    }
}

/// Is this thread simulated?
#[must_use]
pub fn is_on() -> bool {
    WORLD.with_borrow(Option::is_some)
}

/// The time on the clock of the node at hand.
pub(crate) fn unix_nanos_now() -> Option<u64> {
    let now = WORLD.with_borrow(|world| {
        let world = world.as_ref()?;
        Some(
            world
                .epoch_unix_nanos
                .saturating_add(world.began.elapsed().as_nanos() as u64),
        )
    })?;
    let skew = NODE
        .try_with(|node| node.skew_nanos.load(Ordering::Relaxed))
        .unwrap_or(0);
    Some(now.saturating_add_signed(skew))
}

/// A throw of the dice of this thread.
pub(crate) fn dice<T>() -> Option<T>
where
    StandardUniform: Distribution<T>,
{
    WORLD.with_borrow_mut(|world| Some(world.as_mut()?.dice.random()))
}

/// A machine with one service on it.
#[derive(Debug)]
pub struct Node {
    name: &'static str,
    skew_nanos: AtomicI64,
    /// Longest time that a call of its database takes, milliseconds.
    disk_ms: AtomicU64,
    dead: AtomicBool,
    /// Steps of its tasks that it has left; zero for no end.
    steps_left: AtomicU64,
    /// Points of its database's log that it has left; zero for no end.
    points_left: AtomicU64,
    ended: Notify,
    epitaph: Mutex<Option<Epitaph>>,
    spans: Mutex<Spans>,
}

/// Spans of a node.
#[derive(Debug, Default)]
struct Spans {
    /// Begun here, and not delivered yet.
    untold: BTreeSet<[u8; 8]>,
    /// Ended, and not sent yet.
    ended: Vec<SpanData>,
}

/// Spans on their way to the collector.
#[derive(Debug)]
pub struct Parcel {
    ids: Vec<[u8; 8]>,
    /// The body of the request.
    pub body: Vec<u8>,
}

/// Where a node died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epitaph {
    /// It was told to, between two steps.
    Killed,
    /// The steps, or the commits, that it was given were used up.
    OutOfSteps,
}

impl Node {
    /// A healthy one.
    #[must_use]
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            skew_nanos: AtomicI64::new(0),
            disk_ms: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            steps_left: AtomicU64::new(0),
            points_left: AtomicU64::new(0),
            ended: Notify::new(),
            epitaph: Mutex::new(None),
            spans: Mutex::default(),
        })
    }

    /// The service on it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Puts its clock off by so much.
    pub fn skew(&self, nanos: i64) {
        self.skew_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Calls of its database take up to so long.
    pub fn slow_disk(&self, most: Duration) {
        self.disk_ms.store(most.as_millis() as u64, Ordering::Relaxed);
    }

    /// It dies at the `steps`th step that any of its tasks makes from now on: at an await somewhere in the middle of it all.
    pub fn die_after(&self, steps: u64) {
        self.steps_left.store(steps, Ordering::Relaxed);
    }

    /// It dies at the `points`th point of its database's log from now on: there is one right before, and one right after
    /// each commit. Nothing is sent between the commit and the death.
    pub fn die_at_commit(&self, points: u64) {
        self.points_left.store(points, Ordering::Relaxed);
    }

    /// It dies now: none of its tasks makes another step.
    pub fn kill(&self) {
        self.die(Epitaph::Killed);
    }

    /// How it died; `None` while it lives.
    pub fn epitaph(&self) -> Option<Epitaph> {
        *self.epitaph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spans that have ended, up to so many, as a request to the collector; `None` when there are none.
    pub fn parcel(&self, resource: &sagascope_instrument::Resource, most: usize) -> Option<Parcel> {
        let mut spans = self.spans();
        let some: Vec<SpanData> = {
            let count = spans.ended.len().min(most);
            spans.ended.drain(..count).collect()
        };
        drop(spans);
        (!some.is_empty()).then(|| Parcel {
            ids: some.iter().map(|span| span.span_context.span_id().to_bytes()).collect(),
            body: telemetry::encode(resource, some),
        })
    }

    /// The collector has them.
    pub fn delivered(&self, parcel: &Parcel) {
        let mut spans = self.spans();
        parcel.ids.iter().for_each(|id| {
            spans.untold.remove(id);
        });
    }

    /// Spans that began here and that the collector does not have: when the node is dead, it never will.
    pub fn untold_spans(&self) -> BTreeSet<[u8; 8]> {
        self.spans().untold.clone()
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when it is dead.
    pub async fn dead(&self) {
        while !self.dead.load(Ordering::Relaxed) {
            self.ended.notified().await;
        }
    }

    /// Runs `work` on this node, with all that it starts by [`carry`].
    pub async fn run<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        let mut work = pin!(NODE.scope(self.clone(), work));
        poll_fn(|task| {
            if self.lives_on() {
                work.as_mut().poll(task)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    fn lives_on(&self) -> bool {
        self.goes_on(&self.steps_left)
    }

    /// One less of what is left; it dies at the last.
    fn goes_on(&self, left: &AtomicU64) -> bool {
        match left.load(Ordering::Relaxed) {
            0 => {}
            1 => self.die(Epitaph::OutOfSteps),
            more => left.store(more - 1, Ordering::Relaxed),
        }
        !self.dead.load(Ordering::Relaxed)
    }

    fn die(&self, epitaph: Epitaph) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            *self.epitaph.lock().unwrap_or_else(PoisonError::into_inner) = Some(epitaph);
            // A permit: who comes later must not wait for ever.
            self.ended.notify_one();
        }
    }
}

/// A span begins on the node at hand.
pub(crate) fn span_began(id: SpanId) {
    let _ = NODE.try_with(|node| node.spans().untold.insert(id.to_bytes()));
}

/// It ends; that of a dead node with it.
pub(crate) fn span_ended(span: SpanData) {
    let _ = NODE.try_with(|node| {
        if !node.dead.load(Ordering::Relaxed) {
            node.spans().ended.push(span);
        }
    });
}

/// Work for a task of its own that stays on the node at hand. Outside a simulation the work as it is.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let node = NODE.try_with(Arc::clone).ok();
    async move {
        match node {
            Some(node) => node.run(work).await,
            None => work.await,
        }
    }
}

/// Right before or right after a commit of the node at hand: it may have to die here, and then this never ends.
pub(crate) async fn commit_point() {
    let lives = NODE.try_with(|node| node.goes_on(&node.points_left)).unwrap_or(true);
    if !lives {
        std::future::pending::<()>().await;
    }
}

/// Waits as long as the disk of the node at hand takes for one more call; returns at once outside a simulation.
pub(crate) async fn disk() {
    let most = NODE.try_with(|node| node.disk_ms.load(Ordering::Relaxed)).unwrap_or(0);
    if most > 0
        && let Some(dice) = dice::<f64>()
    {
        tokio::time::sleep(Duration::from_millis((dice * (most + 1) as f64) as u64)).await;
    }
}
