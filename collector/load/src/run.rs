//! Sends by a plan, over several connections at once, until the goal is met or time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::account::Account;
use crate::send::{SendError, Sender, Target, Verdict};
use crate::shop::{Mix, Templates};

/// After a push back a connection of a closed loop rests so long, whatever the answer asked for: the next request is
/// another one, and the machine is to be found at its limit.
const REST: Duration = Duration::from_millis(50);

/// What is sent, where, and how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub target: Target,
    /// Connections, each with one request at a time.
    pub connections: u32,
    /// Records of a request.
    pub batch: u32,
    /// Signals.
    pub mix: Mix,
    /// Decides all ids and words.
    pub seed: u64,
    /// Number of the first request; another run with the same seed starts where this one ended.
    pub first: u64,
    /// How fast.
    pub pace: Pace,
    /// How much.
    pub goal: Goal,
}

/// How fast requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each connection sends the next request when the one before is answered.
    Closed,
    /// So many records a second, whether the collector keeps up or not. A request that is late because all connections
    /// wait is measured from the moment it was due.
    Fixed {
        /// Records each second.
        per_second: f64,
    },
}

/// When it ends: at whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Records accepted, or sent at a fixed pace.
    pub records: Option<u64>,
    /// Time.
    pub duration: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Every record.
    pub account: Account,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Number of the first request that was not sent.
    pub next: u64,
}

/// Counts while it runs, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records accepted.
    pub accepted: AtomicU64,
    /// Records pushed back.
    pub pushed_back: AtomicU64,
    /// Set to end it early.
    pub stop: AtomicBool,
}

/// Runs a plan. Connections are opened before the clock starts.
pub async fn run(plan: &Plan, progress: &Arc<Progress>) -> Result<Outcome, SendError> {
    let mut senders = Vec::new();
    for _ in 0..plan.connections {
        senders.push(Sender::connect(&plan.target).await?);
    }
    let shared = Arc::new(Shared {
        templates: Templates::new(plan.seed, plan.batch, plan.mix),
        started: Instant::now(),
        number: AtomicU64::new(plan.first),
        claimed: AtomicU64::new(0),
        progress: Arc::clone(progress),
        plan: plan.clone(),
    });
    let mut workers = JoinSet::new();
    for sender in senders {
        workers.spawn(work(Arc::clone(&shared), sender));
    }
    let mut account = Account::default();
    while let Some(worked) = workers.join_next().await {
        match worked {
            Ok(worked) => account.add(worked),
            Err(error) => account.complaint = Some(error.to_string()),
        }
    }
    Ok(Outcome {
        account,
        took: shared.started.elapsed(),
        next: shared.number.load(Ordering::Relaxed),
    })
}

struct Shared {
    plan: Plan,
    templates: Templates,
    started: Instant,
    number: AtomicU64,
    /// Records that some connection is about to send, or that count towards the goal already.
    claimed: AtomicU64,
    progress: Arc<Progress>,
}

/// A request to send.
struct Turn {
    number: u64,
    due: Instant,
}

impl Shared {
    /// The next request, unless the goal is met.
    fn turn(&self) -> Option<Turn> {
        let goal = self.plan.goal;
        let batch = u64::from(self.plan.batch);
        let stop = self.progress.stop.load(Ordering::Relaxed) || self.started.elapsed() >= goal.duration;
        let enough = |claimed| goal.records.is_some_and(|records| claimed >= records);
        if stop || enough(self.claimed.fetch_add(batch, Ordering::Relaxed)) {
            return None;
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let due = match self.plan.pace {
            Pace::Closed => Instant::now(),
            Pace::Fixed { per_second } => {
                let place = (number - self.plan.first) as f64 * f64::from(self.plan.batch);
                self.started + Duration::try_from_secs_f64(place / per_second).unwrap_or(goal.duration)
            }
        };
        (due < self.started + goal.duration).then_some(Turn { number, due })
    }

    /// What was not accepted does not bring a closed loop nearer to its goal.
    fn count(&self, records: u64, verdict: &Verdict) {
        match verdict {
            Verdict::Accepted { .. } => {
                self.progress.accepted.fetch_add(records, Ordering::Relaxed);
            }
            Verdict::PushedBack { .. } => {
                self.progress.pushed_back.fetch_add(records, Ordering::Relaxed);
                if self.plan.pace == Pace::Closed {
                    self.claimed.fetch_sub(u64::from(self.plan.batch), Ordering::Relaxed);
                }
            }
            Verdict::Refused(_) | Verdict::Lost(_) => {}
        }
    }
}

async fn work(shared: Arc<Shared>, mut sender: Sender) -> Account {
    let mut account = Account::default();
    let mut buffer = BytesMut::new();
    while let Some(turn) = shared.turn() {
        sleep_until(turn.due).await;
        let signal = shared.plan.mix.signal(turn.number);
        let Some(template) = shared.templates.of(signal, turn.number) else {
            continue;
        };
        template.fill(&mut buffer, shared.plan.seed, turn.number, now_nanos());
        let records = u64::from(template.records());
        let verdict = sender.send(signal, buffer.split().freeze()).await;
        account.take(signal, records, &verdict, turn.due.elapsed());
        shared.count(records, &verdict);
        match verdict {
            Verdict::PushedBack { .. } if shared.plan.pace == Pace::Closed => sleep(REST).await,
            // Whoever is gone is not asked a million times a second.
            Verdict::Lost(_) => sleep(REST).await,
            _ => {}
        }
    }
    account
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
