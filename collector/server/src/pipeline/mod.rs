//! The one loop: everything that changes the world passes through it, one event after another.

mod account;
mod intake;
mod overview;
pub(crate) mod rates;
mod recent;
mod replay;
mod sealing;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sagascope_api::live::{LiveId, Rows, Topic};
use sagascope_conventions::fault::FaultCommand;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::app::{self, App, World, stopped};
use crate::control::board::{Delivery, Instance};
use crate::control::command::Command;
use crate::control::orders::Orders;
use crate::live::hub::{Hub, Subscription};
use crate::live::topics::Topics;

use self::account::Account;
use self::recent::RecentLogs;
use self::sealing::Sealing;

pub(crate) use intake::Durable;
pub(crate) use overview::overview;
pub(crate) use replay::replay;
pub(crate) use sealing::KeptUpTo;

/// Commands and subscriptions that may wait for the loop.
pub(crate) const QUEUE: usize = 1_024;
/// Durable requests that may wait for the loop: one for so many bytes of the intake budget, within these bounds. Above that
/// the log's writer waits, so answers come later: well before the budget is used up, so that who waits for answers is
/// slowed down and not refused.
const INTAKE_BYTES: usize = 2 << 20;
const INTAKE: (usize, usize) = (4, 64);
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two overviews.
const OVERVIEW_TICKS: u64 = 2;
/// Rows folded under one hold of the lock.
const DRAIN_ROWS: usize = 8_192;

/// How many durable requests may wait for the loop when requests under way have so many bytes.
pub(crate) fn intake(budget_bytes: usize) -> usize {
    (budget_bytes / INTAKE_BYTES).clamp(INTAKE.0, INTAKE.1)
}

/// What is asked of the loop, beside the requests that come in.
pub(crate) enum Event {
    /// Someone wants to watch.
    Subscribe(Subscribe),
    /// A watcher wants other topics.
    Topics {
        /// Which watcher.
        subscriber: u64,
        /// What it wants now.
        topics: Topics,
    },
    /// Control.
    Command(Command),
}

/// What a new watcher wants.
pub(crate) struct Subscribe {
    pub(crate) topics: Topics,
    pub(crate) resume: Option<LiveId>,
    pub(crate) reply: oneshot::Sender<Subscription>,
}

/// Where the loop gets its work from.
pub(crate) struct Sources {
    /// Commands and subscriptions.
    pub(crate) events: mpsc::Receiver<Event>,
    /// What the log held at start; it comes before all that is new.
    pub(crate) replayed: mpsc::Receiver<Durable>,
    /// What the log has just taken.
    pub(crate) intake: mpsc::Receiver<Durable>,
    /// Told once the log is replayed.
    pub(crate) ready: watch::Sender<bool>,
}

/// Runs the loop on a thread of its own: it is busy for as long as there is work, and connections are not to wait for that.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn spawn(pipeline: Pipeline) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (running, ended) = oneshot::channel::<Infallible>();
    let task = runtime.spawn(async move {
        let _running = running;
        pipeline.run().await;
    });
    let thread = std::thread::Builder::new().name("pipeline".into());
    // Nothing is ever sent: the other end goes when the loop ends, is aborted, or panics.
    thread.spawn(move || runtime.block_on(async { drop(ended.await) }))?;
    Ok(task)
}

/// The loop's own state.
pub(crate) struct Pipeline {
    /// Before `app`, so that the log's writer is never left waiting for a loop that has ended.
    sources: Sources,
    hub: Hub,
    /// Fault streams of the services.
    pub(crate) streams: HashMap<Instance, mpsc::Sender<FaultCommand>>,
    /// Actions that wait for the answers of services.
    pub(crate) orders: Orders,
    sealing: Sealing,
    recent: RecentLogs,
    account: Account,
    dirty: bool,
    /// Not before this.
    publish_at: Instant,
    ticks: u64,
    pub(crate) app: Arc<App>,
}

impl Pipeline {
    pub(crate) fn new(app: Arc<App>, sources: Sources, kept: KeptUpTo) -> Self {
        let next_log = app.read().head.next().logs;
        Self {
            sources,
            hub: Hub::new(app.run.clone()),
            streams: HashMap::new(),
            orders: Orders::default(),
            sealing: Sealing::new(Arc::clone(&app), kept),
            recent: RecentLogs::beginning_at(next_log),
            account: Account::default(),
            dirty: false,
            publish_at: Instant::now(),
            ticks: 0,
            app,
        }
    }

    /// Until told to stop.
    pub(crate) async fn run(mut self) {
        let mut stopping = self.app.stopping.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.publish_at;
            let is_ready = self.app.is_ready();
            let has_room = self.sealing.has_room();
            tokio::select! {
                event = self.sources.events.recv() => match event {
                    Some(event) => self.handle(event),
                    None => break,
                },
                durable = self.sources.replayed.recv(), if !is_ready && has_room => match durable {
                    Some(durable) => self.fold(durable),
                    None => self.replayed(),
                },
                durable = self.sources.intake.recv(), if is_ready && has_room => match durable {
                    Some(durable) => self.fold(durable),
                    None => break,
                },
                done = self.sealing.done() => self.sealing.settle(done),
                _ = tick.tick() => self.tick(),
                () = sleep_until(due), if self.dirty => self.publish(),
                () = stopped(&mut stopping) => break,
            }
            if self.dirty && self.publish_at.elapsed() > Duration::ZERO {
                self.publish();
            }
        }
        self.sealing.stop().await;
    }

    /// The log is in the picture: queries answer for all of it, and what came in meanwhile follows.
    fn replayed(&mut self) {
        let now = app::now();
        {
            let mut world = self.app.write();
            world.projections.tick(now);
            // Nobody has watched yet: the first snapshot holds all of it.
            drop(world.projections.take_changes(now));
        }
        self.app.ready.store(true, Ordering::Release);
        self.sources.ready.send_replace(true);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Subscribe(subscribe) => self.subscribe(subscribe),
            Event::Topics { subscriber, topics } => {
                let app = Arc::clone(&self.app);
                self.hub
                    .change_topics(subscriber, topics, &|topic| snapshot(&app, topic));
            }
            Event::Command(command) => self.command(command),
        }
    }

    /// Folds this request and those that wait behind it under one hold of the lock.
    fn fold(&mut self, first: Durable) {
        let is_replay = !self.app.is_ready();
        let queue = if is_replay {
            &mut self.sources.replayed
        } else {
            &mut self.sources.intake
        };
        let now = app::now();
        let (mut rows, mut requests) = (0, 0);
        let mut next = Some(first);
        let mut oldest = now;
        let mut world = self.app.write();
        while let Some(durable) = next {
            // A replayed record is folded as it was then.
            let now = if is_replay { durable.received_at } else { now };
            let taken = self.sealing.take(&durable, &mut world, now);
            self.account.folded(durable.signal, durable.acknowledged, taken);
            rows += taken;
            oldest = oldest.min(durable.received_at);
            requests += 1;
            next = (rows < DRAIN_ROWS).then(|| queue.try_recv().ok()).flatten();
        }
        if !is_replay {
            world.projection_lag_ms = now.seconds_since(oldest).max(0.0) * 1e3;
        }
        drop(world);
        if !is_replay {
            self.app.freshness.fold(requests);
        }
        self.sealing.cut_when_due(now);
        self.dirty = true;
    }

    fn subscribe(&mut self, subscribe: Subscribe) {
        let app = Arc::clone(&self.app);
        let subscription = self
            .hub
            .subscribe(subscribe.topics, subscribe.resume, &|topic| snapshot(&app, topic));
        // A watcher that has gone meanwhile is noticed at the next message.
        let _ = subscribe.reply.send(subscription);
        self.count_watchers();
    }

    /// What changed since the last time goes out, each topic in one message.
    fn publish(&mut self) {
        self.dirty = false;
        let changes = self.app.write().projections.take_changes(app::now());
        for change in changes {
            self.hub.publish(change.rows, change.removed);
        }
        let (rows, left_out) = self.recent.gather(&mut self.app.write());
        self.app.counters.unsampled_logs.fetch_add(left_out, Ordering::Relaxed);
        if !rows.is_empty() {
            self.hub.publish(Rows::Logs(rows), Vec::new());
        }
        self.publish_at = Instant::now() + self.hub.pause();
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let now = app::now();
        let elapsed = self.app.started.elapsed();
        let deliveries = {
            let mut world = self.app.write();
            world.projections.tick(now);
            world.projections.look(self.account.look(), now);
            let World {
                board,
                projections,
                rates,
                ..
            } = &mut *world;
            rates.sample(elapsed, &self.app.counters);
            board.expire(elapsed);
            board.count_hits(|id| projections.fault_hits(id));
            self.streams.retain(|instance, stream| {
                let open = !stream.is_closed();
                if !open {
                    board.disconnect(instance, now);
                }
                open
            });
            board.take_deliveries()
        };
        self.deliver(deliveries);
        self.publish_faults();
        self.publish_experiments();
        if self.publish_at <= Instant::now() {
            self.publish();
        }
        self.sealing.cut_when_due(now);
        if self.ticks.is_multiple_of(OVERVIEW_TICKS) {
            self.publish_overview();
        }
        let app = Arc::clone(&self.app);
        self.hub.catch_up(Instant::now(), &|topic| snapshot(&app, topic));
        self.app.counters.missed.store(self.hub.missed(), Ordering::Relaxed);
        self.count_watchers();
    }

    pub(crate) fn publish_overview(&mut self) {
        let row = overview(&self.app, &self.app.read());
        self.hub.publish(Rows::Overview(vec![row]), Vec::new());
    }

    /// Changed faults go out at once, and the projections learn which are in force.
    pub(crate) fn publish_faults(&mut self) {
        let (changed, removed) = {
            let mut world = self.app.write();
            let Some(changed) = world.board.take_changes() else {
                return;
            };
            let active = world.board.active_targets();
            world.projections.set_active_faults(&active);
            changed
        };
        self.hub.publish(Rows::Faults(changed), removed);
        self.dirty = true;
    }

    /// Runs tell of themselves a few times a second at most: each row carries all that its run has told.
    fn publish_experiments(&mut self) {
        let changed = self.app.experiments.take_changes();
        if !changed.is_empty() {
            self.hub.publish(Rows::Experiments(changed), Vec::new());
        }
    }

    /// Sends commands down the services' streams; one that does not read is closed, and hears all at its return.
    pub(crate) fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for Delivery { to, command } in deliveries {
            let sent = self
                .streams
                .get(&to)
                .is_none_or(|stream| stream.try_send(command).is_ok());
            if !sent {
                tracing::warn!(service = %to.service, instance = %to.instance, "a fault stream is not read; it is closed");
                self.streams.remove(&to);
                self.app.write().board.disconnect(&to, app::now());
            }
        }
    }

    fn count_watchers(&self) {
        self.app.counters.watchers.store(self.hub.watchers(), Ordering::Relaxed);
    }
}

/// Rows of a new watcher's first picture, at most.
const fn snapshot_limit(topic: Topic) -> usize {
    match topic {
        Topic::Sagas => 2_000,
        Topic::Traces => 200,
        Topic::Logs => 500,
        _ => 1_000,
    }
}

/// A topic as it stands.
fn snapshot(app: &App, topic: Topic) -> Option<Rows> {
    let world = app.read();
    let limit = snapshot_limit(topic);
    match topic {
        Topic::Overview => Some(Rows::Overview(vec![overview(app, &world)])),
        Topic::Faults => Some(Rows::Faults(world.board.list())),
        Topic::Experiments => Some(Rows::Experiments(app.experiments.rows())),
        Topic::Logs => {
            let surplus = world.recent_logs.len().saturating_sub(limit);
            Some(Rows::Logs(world.recent_logs.iter().skip(surplus).cloned().collect()))
        }
        _ => world.projections.snapshot(topic, limit, app::now()),
    }
}
