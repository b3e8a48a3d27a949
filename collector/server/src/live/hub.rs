//! Numbers messages, keeps the recent ones for those who come back, and hands each watcher its own bounded queue.
//!
//! A message is written once for all watchers. A watcher whose queue is full misses messages; when it has read what it
//! had, it gets `lagged` and new snapshots. Within a row of snapshots only the last carries its place in the stream: one
//! who breaks off among them must not be taken for one who has seen all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use sagascope_api::live::{LiveId, LiveMessage, Rows, Topic};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::topics::Topics;

/// Messages that may wait for one watcher.
const QUEUE: usize = 256;
/// Recent messages kept for resuming.
const RECENT: usize = 2_048;
const RECENT_BYTES: usize = 8 << 20;
/// Changes are gathered for at least this long before they are published.
const GATHER: Duration = Duration::from_millis(40);
/// And for at most this long, however many watch.
const GATHER_MAX: Duration = Duration::from_millis(250);
/// Bytes a second that go to all watchers together before they are told less often. A stream costs by its bytes; intake
/// must not suffer because many look at it.
const BYTES_A_SECOND: f64 = 64e6;
/// A watcher that reads nothing for this long is let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message as it goes over the wire, both ways.
#[derive(Debug)]
pub(crate) struct Message {
    topic: Option<Topic>,
    sequence: u64,
    /// For a WebSocket.
    pub(crate) json: Utf8Bytes,
    /// For server-sent events.
    pub(crate) sse: Bytes,
}

impl Message {
    fn new(message: &LiveMessage) -> Option<Arc<Self>> {
        let json = match serde_json::to_string(message) {
            Ok(json) => json,
            Err(error) => {
                tracing::error!(%error, "a live message cannot be written");
                return None;
            }
        };
        let id = message.id();
        let (topic, event) = match message {
            LiveMessage::Snapshot { data, .. } => (Some(data.topic()), "snapshot"),
            LiveMessage::Update { data, .. } => (Some(data.topic()), "update"),
            LiveMessage::Lagged { .. } => (None, "lagged"),
        };
        let sse = format!("id: {id}\nevent: {event}\ndata: {json}\n\n").into();
        Some(Arc::new(Self {
            topic,
            sequence: id.sequence,
            json: json.into(),
            sse,
        }))
    }
}

/// A watcher's end of its queue.
pub(crate) struct Subscription {
    pub(crate) subscriber: u64,
    pub(crate) messages: mpsc::Receiver<Arc<Message>>,
}

struct Subscriber {
    topics: Topics,
    queue: mpsc::Sender<Arc<Message>>,
    missed: u64,
    lagging_since: Option<Instant>,
}

/// Rows of a topic as they stand.
type Snapshot<'a> = &'a dyn Fn(Topic) -> Option<Rows>;

/// All watchers.
pub(crate) struct Hub {
    run: String,
    sequence: u64,
    recent: VecDeque<Arc<Message>>,
    recent_bytes: usize,
    subscribers: HashMap<u64, Subscriber>,
    next_subscriber: u64,
    missed: u64,
    /// Handed to all watchers since the last call of [`Hub::pause`].
    handed_bytes: usize,
}

impl Hub {
    pub(crate) fn new(run: String) -> Self {
        Self {
            run,
            sequence: 0,
            recent: VecDeque::new(),
            recent_bytes: 0,
            subscribers: HashMap::new(),
            next_subscriber: 1,
            missed: 0,
            handed_bytes: 0,
        }
    }

    pub(crate) fn watchers(&self) -> u64 {
        self.subscribers.len() as u64
    }

    /// Messages missed by slow watchers, over all of them.
    pub(crate) const fn missed(&self) -> u64 {
        self.missed
    }

    /// How long to gather before the next publication, after what this one cost.
    pub(crate) fn pause(&mut self) -> Duration {
        let bytes = std::mem::take(&mut self.handed_bytes);
        Duration::from_secs_f64(bytes as f64 / BYTES_A_SECOND).clamp(GATHER, GATHER_MAX)
    }

    /// One more message for those who watch its topic.
    pub(crate) fn publish(&mut self, data: Rows, removed: Vec<String>) {
        self.sequence += 1;
        let topic = data.topic();
        let Some(message) = Message::new(&LiveMessage::Update {
            id: self.id(self.sequence),
            data,
            removed,
        }) else {
            return;
        };
        let (mut missed, mut handed) = (0, 0);
        self.subscribers.retain(|_, subscriber| {
            if !subscriber.topics.contains(topic) {
                return !subscriber.queue.is_closed();
            }
            // Once it has missed one message, later ones alone would tell it a wrong story.
            let full = subscriber.missed > 0
                || match subscriber.queue.try_send(Arc::clone(&message)) {
                    Ok(()) => {
                        handed += message.sse.len();
                        false
                    }
                    Err(mpsc::error::TrySendError::Full(_)) => true,
                    Err(mpsc::error::TrySendError::Closed(_)) => return false,
                };
            if full {
                subscriber.missed += 1;
                missed += 1;
            }
            true
        });
        self.missed += missed;
        self.handed_bytes += handed;
        self.remember(message);
    }

    /// A new watcher: what it missed since `resume` when that is still known, else snapshots.
    pub(crate) fn subscribe(&mut self, topics: Topics, resume: Option<LiveId>, snapshot: Snapshot<'_>) -> Subscription {
        let (queue, messages) = mpsc::channel(QUEUE);
        let first = resume
            .and_then(|id| self.since(&id, topics))
            .unwrap_or_else(|| self.snapshots(topics, snapshot));
        for message in first {
            // The queue is new and longer than what is put into it.
            let _ = queue.try_send(message);
        }
        let subscriber = self.next_subscriber;
        self.next_subscriber += 1;
        self.subscribers.insert(
            subscriber,
            Subscriber {
                topics,
                queue,
                missed: 0,
                lagging_since: None,
            },
        );
        Subscription { subscriber, messages }
    }

    /// A watcher wants other topics; it gets snapshots of those that are new to it.
    pub(crate) fn change_topics(&mut self, subscriber: u64, topics: Topics, snapshot: Snapshot<'_>) {
        let Some(known) = self.subscribers.get(&subscriber).map(|subscriber| subscriber.topics) else {
            return;
        };
        let first = self.snapshots(topics.minus(known), snapshot);
        let Some(subscriber) = self.subscribers.get_mut(&subscriber) else {
            return;
        };
        subscriber.topics = topics;
        for message in first {
            if subscriber.queue.try_send(message).is_err() {
                subscriber.missed += 1;
            }
        }
    }

    /// Watchers that were too slow and have read what they had start again; those that read nothing are let go.
    pub(crate) fn catch_up(&mut self, now: Instant, snapshot: Snapshot<'_>) {
        let lagging: Vec<u64> = self
            .subscribers
            .iter()
            .filter(|(_, s)| s.missed > 0)
            .map(|(id, _)| *id)
            .collect();
        for id in lagging {
            let Some(subscriber) = self.subscribers.get_mut(&id) else {
                continue;
            };
            let since = *subscriber.lagging_since.get_or_insert(now);
            if subscriber.queue.capacity() < QUEUE / 2 {
                if now.duration_since(since) > PATIENCE {
                    tracing::debug!("a watcher reads nothing; it is let go");
                    self.subscribers.remove(&id);
                }
                continue;
            }
            let (topics, missed) = (subscriber.topics, std::mem::take(&mut subscriber.missed));
            subscriber.lagging_since = None;
            let queue = subscriber.queue.clone();
            let lagged = Message::new(&LiveMessage::Lagged { id: self.id(0), missed });
            for message in lagged.into_iter().chain(self.snapshots(topics, snapshot)) {
                // Half of the queue is free, which is more than there are topics.
                let _ = queue.try_send(message);
            }
        }
    }

    /// The messages after `id`, when none of them is forgotten and they fit.
    fn since(&self, id: &LiveId, topics: Topics) -> Option<Vec<Arc<Message>>> {
        let known = id.run == self.run && id.sequence > 0 && id.sequence <= self.sequence;
        let oldest = self
            .recent
            .front()
            .map_or(self.sequence + 1, |message| message.sequence);
        if !known || id.sequence + 1 < oldest {
            return None;
        }
        let wanted = |message: &&Arc<Message>| {
            message.sequence > id.sequence && message.topic.is_some_and(|topic| topics.contains(topic))
        };
        let messages: Vec<_> = self.recent.iter().filter(wanted).cloned().collect();
        (messages.len() < QUEUE / 2).then_some(messages)
    }

    fn snapshots(&self, topics: Topics, snapshot: Snapshot<'_>) -> Vec<Arc<Message>> {
        let mut rows: Vec<Rows> = topics.iter().filter_map(snapshot).collect();
        let last = rows.pop();
        let place = |sequence| {
            move |data| {
                Message::new(&LiveMessage::Snapshot {
                    id: self.id(sequence),
                    data,
                })
            }
        };
        rows.into_iter()
            .filter_map(place(0))
            .chain(last.and_then(place(self.sequence)))
            .collect()
    }

    fn remember(&mut self, message: Arc<Message>) {
        self.recent_bytes += message.sse.len();
        self.recent.push_back(message);
        while (self.recent.len() > RECENT || self.recent_bytes > RECENT_BYTES)
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_bytes -= oldest.sse.len();
        }
    }

    fn id(&self, sequence: u64) -> LiveId {
        LiveId {
            run: self.run.clone(),
            sequence,
        }
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
