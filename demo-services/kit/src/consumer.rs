//! Handles messages of a broker: effects and the note that they were done stand in one transaction.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use opentelemetry::KeyValue;
use sagascope_conventions::{FaultKind, attributes};
use tokio::task::JoinSet;

use crate::broker::schema::Unreadable;
use crate::broker::{Broker, Fetch, Message, PartitionBacklog, Place};
use crate::consumer_metrics::{self, ConsumerMetrics};
use crate::context::Context;
use crate::database::{Database, Tx};
use crate::telemetry::{Span, SpanKind, span_in};
use crate::{inbox, random, simulated};

/// Messages handled at once; each of another key.
const BATCH: usize = 32;
/// One long poll.
const WAIT: Duration = Duration::from_secs(2);
/// A paused read model looks again after this time.
const PAUSE: Duration = Duration::from_millis(250);
/// First and longest wait after a failure of the broker.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What is consumed, by whom.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Consumer group; also the name under which the inbox remembers.
    pub group: &'static str,
    /// Topics.
    pub topics: &'static [&'static str],
    /// Name of the read model that this feeds, when it does: it is then reported, and can be paused, as one.
    pub projection: Option<&'static str>,
}

/// What is done with a message. An error makes it come again; it becomes a dead letter when it fails too often.
pub trait Handle: Send + Sync + 'static {
    /// Handles one delivery of a message; `context` is caused by it. Its effects, and the note that they were done, are
    /// its own to keep in one transaction.
    fn handle(
        &self,
        db: &Database,
        message: Message,
        context: Context,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Put around an error by a handler whose message must be handled in the end, such as the undo of a step: it comes again
/// until it is, and is never given up.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is tried until it is done")]
pub struct UntilDone;

/// The task that consumes; dropping it stops the task, and what is under way is delivered again.
#[derive(Debug)]
pub struct Consumer {
    _tasks: JoinSet<()>,
}

impl Consumer {
    /// Hands each message to `handler`, within the transaction that notes it as handled. An error of the handler takes
    /// that back; the message comes again, and becomes a dead letter when it fails too often.
    #[must_use]
    pub fn start<H>(subscription: Subscription, db: Database, broker: impl Broker, handler: H) -> Self
    where
        H: Fn(&Tx<'_>, &Message, &Context) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        let group = subscription.group;
        let once = Once {
            group,
            handler: Arc::new(handler),
        };
        Self::start_with(subscription, db, broker, once)
    }

    /// The same for whoever does more than work in one transaction, such as asking others first.
    #[must_use]
    pub fn start_with(subscription: Subscription, db: Database, broker: impl Broker, handler: impl Handle) -> Self {
        let metrics = subscription.projection.map(ConsumerMetrics::new);
        let mut tasks = JoinSet::new();
        let work = Work {
            subscription,
            db,
            broker,
            handler,
            metrics,
        };
        tasks.spawn(simulated::carry(async move { work.run().await }));
        Self { _tasks: tasks }
    }
}

/// Effects and the note that they were done, in one transaction.
struct Once<H> {
    group: &'static str,
    handler: Arc<H>,
}

impl<H> Handle for Once<H>
where
    H: Fn(&Tx<'_>, &Message, &Context) -> anyhow::Result<()> + Send + Sync + 'static,
{
    async fn handle(&self, db: &Database, message: Message, context: Context) -> anyhow::Result<()> {
        let (group, handler) = (self.group, self.handler.clone());
        db.write(move |tx| {
            if inbox::first_time(tx, group, &message.id)? {
                handler(tx, &message, &context)?;
            }
            Ok(())
        })
        .await
    }
}

struct Work<B, H> {
    subscription: Subscription,
    db: Database,
    broker: B,
    handler: H,
    metrics: Option<ConsumerMetrics>,
}

enum Verdict {
    Done(Place),
    Rejected(Place, String),
    /// Another attempt would not go better.
    Parked(Place, String),
    /// It comes again until it is handled.
    Postponed(Place, String),
    /// As if it had never arrived.
    Lost,
}

impl<B: Broker, H: Handle> Work<B, H> {
    async fn run(&self) {
        let (mut wait, mut anew) = (BACKOFF.0, true);
        loop {
            let paused = self.metrics.is_some() && self.db.faults().active(FaultKind::PausedProjection).is_some();
            let round = if paused {
                self.peek().await
            } else {
                self.round(&mut anew).await
            };
            match round {
                Ok(()) if paused => tokio::time::sleep(PAUSE).await,
                Ok(()) => wait = BACKOFF.0,
                Err(error) => {
                    tracing::warn!(group = self.subscription.group, %error, "messages cannot be consumed");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Asks how far the group is, without taking anything.
    async fn peek(&self) -> anyhow::Result<()> {
        let fetched = self.broker.fetch(self.fetch(0, false)).await?;
        self.tell(&fetched.partitions);
        Ok(())
    }

    /// The first round takes over what a process before this one had out when it was killed.
    async fn round(&self, anew: &mut bool) -> anyhow::Result<()> {
        let fetched = self.broker.fetch(self.fetch(BATCH, *anew)).await?;
        *anew = false;
        self.tell(&fetched.partitions);
        let (held_back, first): (Vec<_>, Vec<_>) = fetched.messages.into_iter().partition(|message| {
            self.db
                .faults()
                .hit(FaultKind::ReorderedMessage, &message.place.topic)
                .is_some()
        });
        let mut verdicts = join_all(first.into_iter().map(|message| self.process(message))).await;
        verdicts.extend(join_all(held_back.into_iter().rev().map(|message| self.process(message))).await);
        self.settle(verdicts, fetched.partitions).await
    }

    fn fetch(&self, max: usize, anew: bool) -> Fetch {
        Fetch {
            group: self.subscription.group.to_owned(),
            topics: self.subscription.topics.iter().map(|&topic| topic.to_owned()).collect(),
            max,
            wait_ms: if max == 0 { 0 } else { WAIT.as_millis() as u64 },
            // Whoever has the inbox is the consumer.
            consumer: format!("{:016x}", random::steady(0, &self.db.path().to_string_lossy())),
            anew,
        }
    }

    async fn process(&self, message: Message) -> Verdict {
        let span = self.process_span(&message);
        let place = message.place.clone();
        let topic = place.topic.clone();
        let faults = self.db.faults();
        let handled = span.run(async {
            if faults.hit(FaultKind::LostMessage, &topic).is_some() {
                return None;
            }
            if faults.hit(FaultKind::PoisonMessage, &topic).is_some() {
                return Some(Err(anyhow::anyhow!("the message cannot be handled")));
            }
            if faults.hit(FaultKind::DuplicatedMessage, &topic).is_some()
                && let Err(error) = self.handle(message.clone(), span.context()).await
            {
                return Some(Err(error));
            }
            Some(self.handle(message, span.context()).await)
        });
        match handled.await {
            Some(Ok(())) => Verdict::Done(place),
            Some(Err(error)) => {
                let reason = format!("{error:#}");
                if error.is::<Unreadable>() {
                    span.fail("unreadable", reason.clone());
                    return Verdict::Parked(place, reason);
                }
                span.fail("rejected", reason.clone());
                if error.is::<UntilDone>() {
                    return Verdict::Postponed(place, reason);
                }
                Verdict::Rejected(place, reason)
            }
            None => Verdict::Lost,
        }
    }

    async fn handle(&self, message: Message, context: &Context) -> anyhow::Result<()> {
        let context = context.caused_by(message.id.clone());
        self.handler.handle(&self.db, message, context).await
    }

    /// Tells the broker. When that fails, the messages come again and the inbox knows those that were done.
    async fn settle(&self, verdicts: Vec<Verdict>, mut partitions: Vec<PartitionBacklog>) -> anyhow::Result<()> {
        let (mut done, mut rejected, mut parked, mut postponed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for verdict in verdicts {
            match verdict {
                Verdict::Done(place) => done.push(place),
                Verdict::Rejected(place, reason) => rejected.push((place, reason)),
                Verdict::Parked(place, reason) => parked.push((place, reason)),
                Verdict::Postponed(place, reason) => postponed.push((place, reason)),
                Verdict::Lost => {}
            }
        }
        if !done.is_empty() {
            self.broker.acknowledge(self.subscription.group, done.clone()).await?;
            consumer_metrics::settled(&mut partitions, &done);
            self.tell(&partitions);
            if let Some(metrics) = &self.metrics {
                metrics.processed(&done);
            }
        }
        for (place, reason) in rejected {
            self.broker.reject(self.subscription.group, place, &reason).await?;
        }
        for (place, reason) in parked {
            self.broker.park(self.subscription.group, place, &reason).await?;
        }
        for (place, reason) in postponed {
            self.broker.postpone(self.subscription.group, place, &reason).await?;
        }
        Ok(())
    }

    fn tell(&self, partitions: &[PartitionBacklog]) {
        if let Some(metrics) = &self.metrics {
            metrics.tell(partitions);
        }
    }

    /// Continues the trace of the message, and links it.
    fn process_span(&self, message: &Message) -> Span {
        let parent = Context::from_headers(&message.headers);
        let attributes = vec![
            KeyValue::new(attributes::MESSAGING_SYSTEM, "shop-broker"),
            KeyValue::new(attributes::MESSAGING_OPERATION_TYPE, "process"),
            KeyValue::new(attributes::MESSAGING_DESTINATION_NAME, message.place.topic.clone()),
            KeyValue::new(attributes::MESSAGING_MESSAGE_ID, message.id.clone()),
            KeyValue::new(attributes::MESSAGING_CONSUMER_GROUP_NAME, self.subscription.group),
        ];
        let name = format!("process {}", message.place.topic);
        span_in(&parent, &[parent.span_context()], name, SpanKind::Consumer, attributes)
    }
}
