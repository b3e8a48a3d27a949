//! The broker itself, within one process: the durable log, and for each group its lanes.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use sagascope_instrument::message_events::{LetterOutcome, dead_lettered};
use shop_kit::broker::admin::Letters;
use shop_kit::broker::{
    Backlog, Broker, BrokerError, DeadLetter, Fetch, Fetched, Head, LONGEST_WAIT, Message, NewMessage,
    PartitionBacklog, Place, Position,
};
use shop_kit::clock::unix_nanos_now;
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::pace::Pace;
use shop_kit::{simulated, state_events};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio::time::Instant;

use crate::lane::{Holder, Lane, Rejected, Settings};
use crate::letters;
use crate::log::{self, Entry, Forgotten, PARTITIONS, Partition};

/// Bounds of what is taken from outside.
const MAX_GROUPS: usize = 256;
const MAX_TOPICS: usize = 64;
const MAX_NAME: usize = 128;
const MAX_PUBLISHED: usize = 1_000;
const MAX_FETCHED: usize = 256;
/// A request, a read and a commit for each message alone would be most of what a busy broker and its consumers do: after so
/// many deliveries at once, messages of a group that follow closely gather and go together.
const PACE: Pace = Pace::new(Duration::from_millis(20), 8);

/// See the module. A cheap clone.
#[derive(Clone)]
pub struct EmbeddedBroker {
    inner: Arc<Inner>,
}

struct Inner {
    db: Database,
    settings: Settings,
    /// In an order of their own: they are woken in it.
    groups: StdMutex<BTreeMap<String, Arc<Group>>>,
}

/// Lanes of a group, held.
pub(crate) type Lanes = OwnedMutexGuard<BTreeMap<Partition, Lane>>;

pub(crate) struct Group {
    lanes: Arc<Mutex<BTreeMap<Partition, Lane>>>,
    /// Told when there may be something to deliver: a message was published, or one was settled and another one of its key
    /// is ready.
    news: Notify,
    /// Topics that were ever fetched by it.
    topics: StdMutex<BTreeSet<String>>,
    pace: StdMutex<Pace>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            lanes: Arc::default(),
            news: Notify::new(),
            topics: StdMutex::default(),
            pace: StdMutex::new(PACE),
        }
    }
}

impl Group {
    /// Fetches that wait look again.
    pub(crate) fn wake(&self) {
        self.news.notify_waiters();
    }

    fn wants(&self, topics: &[String]) {
        let mut known = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in topics {
            if known.len() < MAX_TOPICS && !known.contains(topic) {
                known.insert(topic.clone());
            }
        }
    }

    /// May one of these topics concern it? A group that ever asked for more topics than are noted is told of everything.
    fn is_told_of(&self, topics: &BTreeSet<String>) -> bool {
        let known = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() >= MAX_TOPICS || !known.is_disjoint(topics)
    }

    /// How long the next delivery waits for company.
    fn gathers_for(&self) -> Duration {
        self.pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wait(Instant::now())
    }

    /// Fewer messages than there was room for were delivered.
    fn gave_a_few(&self) {
        self.pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .passed(Instant::now());
    }

    /// Nothing moves in the group as long as they are held.
    pub(crate) async fn lanes(&self) -> Lanes {
        self.lanes.clone().lock_owned().await
    }
}

impl EmbeddedBroker {
    /// Tables it needs in its database.
    pub const SCHEMA: &'static [&'static str] = &[log::TABLES];

    /// On a database that was opened with [`EmbeddedBroker::SCHEMA`].
    #[must_use]
    pub fn new(db: Database, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                db,
                settings,
                groups: StdMutex::default(),
            }),
        }
    }

    /// Lets go of messages that everybody did long ago, and of what nobody came for within wide bounds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self) -> Result<Forgotten, DatabaseError> {
        let mut all = Forgotten::default();
        loop {
            let some = self.inner.db.write(log::forget).await?;
            if some == Forgotten::default() {
                return Ok(all);
            }
            all.done += some.done;
            all.lost += some.lost;
        }
    }

    /// Dead letters waiting, by topic.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn letters_by_topic(&self) -> Result<Vec<(String, u64)>, DatabaseError> {
        self.inner.db.read(letters::by_topic).await
    }

    pub(crate) fn db(&self) -> &Database {
        &self.inner.db
    }

    pub(crate) fn group(&self, name: &str) -> Result<Arc<Group>, BrokerError> {
        check_name("group", name)?;
        let mut groups = self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(name) {
            return Ok(group.clone());
        }
        if groups.len() >= MAX_GROUPS {
            return Err(BrokerError::Refused(format!("more than {MAX_GROUPS} groups")));
        }
        Ok(groups.entry(name.to_owned()).or_default().clone())
    }

    /// Tells the groups that read one of these topics.
    pub(crate) fn wake(&self, topics: &BTreeSet<String>) {
        let groups = self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner);
        for group in groups.values().filter(|group| group.is_told_of(topics)) {
            group.wake();
        }
    }

    /// After letters were replayed: those may be for any group.
    pub(crate) fn wake_all(&self) {
        let groups = self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.values().for_each(|group| group.wake());
    }

    /// Those that have come for something since the start.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        let groups = self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.values().cloned().collect()
    }

    /// Leases what is ready now.
    async fn take(&self, fetch: &Fetch, group: &Group) -> Result<Taken, BrokerError> {
        let mut lanes = group.lanes().await;
        let partitions = self.look_ahead(fetch, &mut lanes).await?;
        let (now, settings) = (Instant::now(), &self.inner.settings);
        let (mut taken, mut given_up) = (Vec::new(), Vec::new());
        let place = |partition: &Partition, offset| Place {
            topic: partition.0.clone(),
            partition: partition.1,
            offset,
        };
        let holder = Holder::named(&fetch.consumer);
        for (partition, lane) in lanes.iter_mut().filter(|((topic, _), _)| fetch.topics.contains(topic)) {
            if fetch.anew {
                lane.begin_anew(holder);
            }
            let leased = lane.lease(now, fetch.max.min(MAX_FETCHED) - taken.len(), holder, settings);
            taken.extend(
                leased
                    .taken
                    .iter()
                    .map(|&(offset, attempts)| (place(partition, offset), attempts)),
            );
            given_up.extend(
                leased
                    .given_up
                    .iter()
                    .map(|&(offset, attempts)| (place(partition, offset), attempts)),
            );
        }
        if !given_up.is_empty() {
            let (broker, name) = (self.clone(), fetch.group.clone());
            lanes = carried_through(async move {
                for (place, attempts) in given_up {
                    let reason = format!("no answer to {attempts} deliveries");
                    broker.give_up(&name, &mut lanes, place, attempts, &reason).await?;
                }
                Ok(lanes)
            })
            .await?;
            // What stood behind them is ready: for this fetch too.
            group.wake();
        }
        let due = lanes.values().filter_map(Lane::next_due).min();
        drop(lanes);
        let messages = self.messages(taken).await?;
        Ok(Taken {
            fetched: Fetched {
                messages,
                backlog: Backlog::over(&partitions),
                partitions,
            },
            due,
        })
    }

    /// Fills the lanes from the log; the first time from where they were left.
    async fn look_ahead(
        &self,
        fetch: &Fetch,
        lanes: &mut BTreeMap<Partition, Lane>,
    ) -> Result<Vec<PartitionBacklog>, BrokerError> {
        let topics: BTreeSet<&String> = fetch.topics.iter().collect();
        let wanted: Vec<(String, [Option<Wants>; PARTITIONS as usize])> = topics
            .into_iter()
            .map(|topic| {
                let wants = |partition| lanes.get(&(topic.clone(), partition)).map(Lane::wants);
                (topic.clone(), std::array::from_fn(|partition| wants(partition as u32)))
            })
            .collect();
        let group = fetch.group.clone();
        let looked = self.inner.db.read(move |conn| {
            // One transaction: each query alone would take and give back the locks of the file.
            let conn = conn.unchecked_transaction()?;
            let mut looked = Vec::new();
            for (topic, wants) in wanted {
                let heads = log::heads_of(&conn, &topic)?;
                for ((partition, wants), head) in (0..).zip(wants).zip(heads) {
                    looked.push(Looked::at(&conn, &group, (topic.clone(), partition), wants, head)?);
                }
            }
            Ok::<_, DatabaseError>(looked)
        });
        let looked = looked.await.map_err(unavailable)?;
        let new = looked.iter().filter(|looked| looked.resumed.is_some());
        let new: Vec<Partition> = new.map(|looked| looked.partition.clone()).collect();
        self.enrol(&fetch.group, new).await?;
        Ok(looked.into_iter().map(|looked| looked.fill(lanes)).collect())
    }

    /// Makes a group known before it has done anything: what it has not seen must not be let go.
    async fn enrol(&self, group: &str, partitions: Vec<Partition>) -> Result<(), BrokerError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let group = group.to_owned();
        let write = self.inner.db.write(move |tx| {
            partitions
                .iter()
                .try_for_each(|partition| log::settle(tx, &group, partition, &BTreeSet::new(), 0))
        });
        write.await.map_err(unavailable)
    }

    async fn messages(&self, places: Vec<(Place, u32)>) -> Result<Vec<Message>, BrokerError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.inner.db.read(move |conn| {
            let found = places
                .iter()
                .map(|(place, attempts)| log::message(conn, place, *attempts));
            found
                .filter_map(Result::transpose)
                .collect::<Result<Vec<_>, DatabaseError>>()
        });
        read.await.map_err(unavailable)
    }

    /// Sets a message aside, and tells of it, in one transaction.
    async fn give_up(
        &self,
        group: &str,
        lanes: &mut Lanes,
        place: Place,
        attempts: u32,
        reason: &str,
    ) -> Result<(), BrokerError> {
        let partition = (place.topic.clone(), place.partition);
        let Some(lane) = lanes.get_mut(&partition) else {
            return Ok(());
        };
        let offset = place.offset;
        let committed = lane.committed_without(&BTreeSet::from([offset]));
        let (group, reason) = (group.to_owned(), reason.to_owned());
        let buried = self.inner.db.write(move |tx| {
            if let Some(message) = log::message(tx, &place, attempts)? {
                letters::bury(tx, &group, &message, &reason)?;
                let event = dead_lettered(unix_nanos_now(), &place.topic, &message.id, &reason, attempts);
                let context = Context::from_headers(&message.headers);
                state_events::record(tx, event.correlated(&context.correlation_id), &context)?;
            }
            log::settle(tx, &group, &partition, &BTreeSet::from([offset]), committed)
        });
        buried.await.map_err(unavailable)?;
        lane.done(offset);
        Ok(())
    }

    /// Notes deliveries as done, in the log and then in memory: should the log fail, the next attempt finds them still out.
    async fn settle(&self, group: &str, places: Vec<Place>) -> Result<(), BrokerError> {
        let (name, group) = (group.to_owned(), self.group(group)?);
        let mut lanes = group.lanes().await;
        let (mut settled, mut late): (BTreeMap<Partition, BTreeSet<u64>>, Vec<Place>) = Default::default();
        for place in places {
            let partition = (place.topic.clone(), place.partition);
            if lanes.get(&partition).is_some_and(|lane| lane.is_out(place.offset)) {
                settled.entry(partition).or_default().insert(place.offset);
            } else {
                late.push(place);
            }
        }
        let noted: Vec<_> = settled
            .iter()
            .map(|(partition, offsets)| {
                let committed = lanes.get(partition).map_or(0, |lane| lane.committed_without(offsets));
                (partition.clone(), offsets.clone(), committed)
            })
            .collect();
        let write = self.inner.db.write(move |tx| {
            for (partition, offsets, committed) in &noted {
                log::settle(tx, &name, partition, offsets, *committed)?;
            }
            late.iter().try_for_each(|place| letters::unbury(tx, &name, place))
        });
        write.await.map_err(unavailable)?;
        for (partition, offsets) in settled {
            if let Some(lane) = lanes.get_mut(&partition) {
                offsets.into_iter().for_each(|offset| lane.done(offset));
            }
        }
        drop(lanes);
        group.wake();
        Ok(())
    }

    /// Has a delivery made again later, or gives the message up.
    async fn send_back(&self, group: &str, place: Place, reason: &str, until_done: bool) -> Result<(), BrokerError> {
        let (name, group) = (group.to_owned(), self.group(group)?);
        let mut lanes = group.lanes().await;
        let partition = (place.topic.clone(), place.partition);
        let Some(lane) = lanes.get_mut(&partition) else {
            return Ok(());
        };
        let (now, settings) = (Instant::now(), &self.inner.settings);
        let rejected = if until_done {
            lane.postpone(place.offset, now, settings)
        } else {
            lane.reject(place.offset, now, settings)
        };
        match rejected {
            Rejected::Unknown => return Ok(()),
            Rejected::GiveUp { attempts } => self.give_up(&name, &mut lanes, place, attempts, reason).await?,
            Rejected::Again { counted } => {
                let write = self
                    .inner
                    .db
                    .write(move |tx| log::keep_attempts(tx, &name, &place, counted));
                write.await.map_err(unavailable)?;
            }
        }
        drop(lanes);
        group.wake();
        Ok(())
    }

    /// Gives a delivery up at once.
    async fn set_aside(&self, group: &str, place: Place, reason: &str) -> Result<(), BrokerError> {
        let (name, group) = (group.to_owned(), self.group(group)?);
        let mut lanes = group.lanes().await;
        let lane = lanes.get(&(place.topic.clone(), place.partition));
        let Some(attempts) = lane.and_then(|lane| lane.attempts(place.offset)) else {
            return Ok(());
        };
        self.give_up(&name, &mut lanes, place, attempts, reason).await?;
        drop(lanes);
        group.wake();
        Ok(())
    }
}

/// From which offset on a lane looks, and at how many messages.
type Wants = (u64, usize);

/// What the log has for one lane.
struct Looked {
    partition: Partition,
    /// The lane as it was left, when it is not in memory yet.
    resumed: Option<Lane>,
    head: u64,
    entries: Vec<Entry>,
}

impl Looked {
    fn at(
        conn: &Connection,
        group: &str,
        partition: Partition,
        wants: Option<Wants>,
        head: u64,
    ) -> Result<Self, DatabaseError> {
        let resumed = match wants {
            Some(_) => None,
            None => Some(log::lane(conn, group, &partition)?),
        };
        let wants = wants.or(resumed.as_ref().map(Lane::wants)).unwrap_or_default();
        let entries = if wants.0 < head {
            log::ahead(conn, group, &partition, wants)?
        } else {
            Vec::new()
        };
        Ok(Self {
            partition,
            resumed,
            head,
            entries,
        })
    }

    /// Loads it into its lane; answers how far that is.
    fn fill(self, lanes: &mut BTreeMap<Partition, Lane>) -> PartitionBacklog {
        let lane = lanes.entry(self.partition.clone()).or_default();
        if let Some(resumed) = self.resumed {
            *lane = resumed;
        }
        for entry in self.entries {
            lane.load(entry);
        }
        let (topic, partition) = self.partition;
        PartitionBacklog {
            topic,
            partition,
            backlog: Backlog {
                position: lane.looked_at().min(self.head).saturating_sub(lane.unfinished()),
                head: self.head,
                oldest_at: lane.oldest_at(),
            },
        }
    }
}

struct Taken {
    fetched: Fetched,
    /// When something may be ready that is not now.
    due: Option<Instant>,
}

impl Broker for EmbeddedBroker {
    async fn publish(&self, messages: Vec<NewMessage>) -> Result<(), BrokerError> {
        if messages.len() > MAX_PUBLISHED {
            return Err(BrokerError::Refused(format!(
                "more than {MAX_PUBLISHED} messages at once"
            )));
        }
        for message in &messages {
            check_name("topic", &message.topic)?;
            check_name("id", &message.id)?;
        }
        let broker = self.clone();
        carried_through(async move {
            let topics = messages.iter().map(|message| message.topic.clone()).collect();
            let append = move |tx: &Tx<'_>| messages.iter().try_for_each(|message| log::append(tx, message, None));
            broker.inner.db.write(append).await.map_err(unavailable)?;
            broker.wake(&topics);
            Ok(())
        })
        .await
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Fetched, BrokerError> {
        if fetch.topics.len() > MAX_TOPICS {
            return Err(BrokerError::Refused(format!("more than {MAX_TOPICS} topics")));
        }
        fetch.topics.iter().try_for_each(|topic| check_name("topic", topic))?;
        let group = self.group(&fetch.group)?;
        let deadline = Instant::now() + Duration::from_millis(fetch.wait_ms).min(LONGEST_WAIT);
        group.wants(&fetch.topics);
        loop {
            let mut news = pin!(group.news.notified());
            news.as_mut().enable();
            if fetch.max > 0 {
                let open_at = Instant::now() + group.gathers_for();
                tokio::time::sleep_until(open_at.min(deadline)).await;
            }
            let taken = self.take(&fetch, &group).await?;
            let count = taken.fetched.messages.len();
            if (1..fetch.max.min(MAX_FETCHED)).contains(&count) {
                group.gave_a_few();
            }
            if !taken.fetched.messages.is_empty() || fetch.max == 0 || Instant::now() >= deadline {
                return Ok(taken.fetched);
            }
            let until = taken.due.map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                biased;
                () = news => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn acknowledge(&self, group: &str, places: Vec<Place>) -> Result<(), BrokerError> {
        let (broker, group) = (self.clone(), group.to_owned());
        carried_through(async move { broker.settle(&group, places).await }).await
    }

    async fn reject(&self, group: &str, place: Place, reason: &str) -> Result<(), BrokerError> {
        let (broker, group, reason) = (self.clone(), group.to_owned(), reason.to_owned());
        carried_through(async move { broker.send_back(&group, place, &reason, false).await }).await
    }

    async fn postpone(&self, group: &str, place: Place, reason: &str) -> Result<(), BrokerError> {
        let (broker, group, reason) = (self.clone(), group.to_owned(), reason.to_owned());
        carried_through(async move { broker.send_back(&group, place, &reason, true).await }).await
    }

    async fn park(&self, group: &str, place: Place, reason: &str) -> Result<(), BrokerError> {
        let (broker, group, reason) = (self.clone(), group.to_owned(), reason.to_owned());
        carried_through(async move { broker.set_aside(&group, place, &reason).await }).await
    }

    async fn heads(&self) -> Result<Vec<Head>, BrokerError> {
        self.inner.db.read(log::heads).await.map_err(unavailable)
    }

    async fn positions(&self) -> Result<Vec<Position>, BrokerError> {
        self.inner.db.read(log::positions).await.map_err(unavailable)
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        self.letters(Letters::default(), 0, limit).await
    }

    async fn replay(&self, id: u64) -> Result<bool, BrokerError> {
        let broker = self.clone();
        carried_through(async move {
            let replayed = broker.inner.db.write(move |tx| letters::replay(tx, id)).await;
            broker.wake_all();
            replayed.map_err(unavailable)
        })
        .await
    }

    async fn purge(&self, id: u64) -> Result<bool, BrokerError> {
        let write = self
            .inner
            .db
            .write(move |tx| Ok::<_, DatabaseError>(letters::take(tx, id, LetterOutcome::Purged)?.is_some()));
        write.await.map_err(unavailable)
    }
}

/// Work that changes both memory and log, in a task of its own: a client that goes away in the middle must not leave one
/// of them ahead of the other.
pub(crate) async fn carried_through<T: Send + 'static>(
    work: impl Future<Output = Result<T, BrokerError>> + Send + 'static,
) -> Result<T, BrokerError> {
    let carried = tokio::spawn(simulated::carry(work)).await;
    carried.unwrap_or_else(|_| Err(BrokerError::Unavailable("the work broke off".to_owned())))
}

pub(crate) fn check_name(what: &str, name: &str) -> Result<(), BrokerError> {
    let usable = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if usable {
        Ok(())
    } else {
        Err(BrokerError::Refused(format!(
            "{what} must be 1 to {MAX_NAME} visible characters"
        )))
    }
}

pub(crate) fn unavailable(error: DatabaseError) -> BrokerError {
    BrokerError::Unavailable(error.to_string())
}
