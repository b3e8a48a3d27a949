//! The one loop: everything that changes the world passes through it, one event after another.

mod overview;
pub(crate) mod rates;
mod replay;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sagascope_api::live::{Rows, Topic};
use sagascope_conventions::fault::FaultCommand;
use sagascope_core::rows::{Batch, LogRow};
use sagascope_core::trace::log_row;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::app::{self, App, World, stopped};
use crate::control::board::{Delivery, Instance};
use crate::control::command::Command;
use crate::live::hub::{Hub, Subscription};
use crate::live::topics::Topics;
use crate::receive::budget::Share;
use sagascope_api::live::LiveId;

pub(crate) use overview::overview;
pub(crate) use replay::replay;

/// Events that may wait for the loop; the log's writer waits then, and its senders are pushed back.
pub(crate) const QUEUE: usize = 1_024;
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two overviews.
const OVERVIEW_TICKS: u64 = 2;
/// Batches folded under one hold of the lock.
const DRAIN: usize = 64;
/// Log rows published at a time; of more, the newest.
const LOGS_AT_ONCE: usize = 200;

/// Everything that can happen.
pub(crate) enum Event {
    /// A batch is in the log.
    Durable(Durable),
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

/// Rows that are in the log, with their part of the intake budget.
pub(crate) struct Durable {
    pub(crate) batch: Batch,
    pub(crate) _share: Share,
}

/// What a new watcher wants.
pub(crate) struct Subscribe {
    pub(crate) topics: Topics,
    pub(crate) resume: Option<LiveId>,
    pub(crate) reply: oneshot::Sender<Subscription>,
}

/// The loop's own state.
pub(crate) struct Pipeline {
    /// Before `app`, so that the log's writer is never left waiting for a loop that has ended.
    events: mpsc::Receiver<Event>,
    hub: Hub,
    /// Fault streams of the services.
    pub(crate) streams: HashMap<Instance, mpsc::Sender<FaultCommand>>,
    logs: VecDeque<Arc<LogRow>>,
    dirty: bool,
    /// Not before this.
    publish_at: Instant,
    ticks: u64,
    pub(crate) app: Arc<App>,
}

impl Pipeline {
    pub(crate) fn new(app: Arc<App>, events: mpsc::Receiver<Event>) -> Self {
        Self {
            events,
            hub: Hub::new(app.run.clone()),
            streams: HashMap::new(),
            logs: VecDeque::new(),
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
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.handle(event),
                    None => break,
                },
                _ = tick.tick() => self.tick(),
                () = sleep_until(due), if self.dirty => self.publish(),
                () = stopped(&mut stopping) => break,
            }
            if self.dirty && self.publish_at.elapsed() > Duration::ZERO {
                self.publish();
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Durable(durable) => self.fold(durable),
            Event::Subscribe(subscribe) => self.subscribe(subscribe),
            Event::Topics { subscriber, topics } => {
                let app = Arc::clone(&self.app);
                self.hub
                    .change_topics(subscriber, topics, &|topic| snapshot(&app, topic));
            }
            Event::Command(command) => self.command(command),
        }
    }

    /// Folds this batch and those that wait behind it under one hold of the lock.
    fn fold(&mut self, first: Durable) {
        let mut batches = vec![first];
        let mut then = None;
        while batches.len() < DRAIN {
            match self.events.try_recv() {
                Ok(Event::Durable(durable)) => batches.push(durable),
                Ok(other) => {
                    then = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let now = app::now();
        {
            let mut world = self.app.write();
            for Durable { batch, .. } in &batches {
                world.projections.apply(batch, now);
                world.head.push(batch);
            }
            let oldest = batches
                .iter()
                .map(|durable| durable.batch.received_at)
                .min()
                .unwrap_or(now);
            world.projection_lag_ms = now.seconds_since(oldest).max(0.0) * 1e3;
        }
        for Durable { batch, .. } in batches {
            self.gather_logs(batch);
        }
        self.dirty = true;
        if let Some(event) = then {
            self.handle(event);
        }
    }

    fn gather_logs(&mut self, batch: Batch) {
        self.logs.extend(batch.logs);
        let surplus = self.logs.len().saturating_sub(LOGS_AT_ONCE);
        self.logs.drain(..surplus);
        self.app
            .counters
            .unsampled_logs
            .fetch_add(surplus as u64, Ordering::Relaxed);
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
        if !self.logs.is_empty() {
            let rows = self.logs.drain(..).map(|log| log_row(&log)).collect();
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
        if self.publish_at <= Instant::now() {
            self.publish();
        }
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
        Topic::Logs => {
            let mut rows: Vec<_> = world.head.recent_logs().take(limit).map(|log| log_row(log)).collect();
            rows.reverse();
            Some(Rows::Logs(rows))
        }
        _ => world.projections.snapshot(topic, limit, app::now()),
    }
}
