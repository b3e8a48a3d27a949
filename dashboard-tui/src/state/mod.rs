//! What is known: the live picture, what was looked up, and how the connection stands. All of it scrubbed.

pub(crate) mod lookup;
mod scrub;

use sagascope_api::Time;
use sagascope_api::client::live::{Connection, LiveEvent};
use sagascope_api::explain::Explanation;
use sagascope_api::faults::FaultTargetOption;
use sagascope_api::live::{LiveMessage, Picture, Rows};
use sagascope_api::sagas::{SagaDetail, SagaType};
use sagascope_api::traces::{Trace, TraceSummary};

use crate::event::{Answer, SagaKey};
use lookup::Lookup;
use scrub::Scrub;

/// Clocks closer than this are taken as equal: the difference is mostly the way of the message.
const CLOCK_TOLERANCE_NANOS: i128 = 2_000_000_000;

/// Everything known.
pub(crate) struct Known {
    live: Picture,
    frozen: Option<Frozen>,
    pub(crate) connection: Connection,
    /// Since when the connection is lost.
    pub(crate) lost_since: Option<Time>,
    /// The collector's clock minus ours, when they differ noticeably.
    clock_offset_nanos: i128,
    pub(crate) saga: Lookup<SagaKey, SagaDetail>,
    pub(crate) saga_type: Lookup<String, SagaType>,
    pub(crate) trace: Lookup<String, Trace>,
    pub(crate) traces: Lookup<String, Vec<TraceSummary>>,
    pub(crate) explanation: Lookup<String, Explanation>,
    pub(crate) catalogue: Lookup<(), Vec<FaultTargetOption>>,
}

/// The picture as it stood when a person said stop.
struct Frozen {
    picture: Picture,
    at: Time,
    changes: u64,
}

impl Known {
    pub(crate) fn new() -> Self {
        Self {
            live: Picture::default(),
            frozen: None,
            connection: Connection::Connecting,
            lost_since: None,
            clock_offset_nanos: 0,
            saga: Lookup::default(),
            saga_type: Lookup::default(),
            trace: Lookup::default(),
            traces: Lookup::default(),
            explanation: Lookup::default(),
            catalogue: Lookup::default(),
        }
    }

    /// What is shown: the live picture, or the frozen one.
    pub(crate) fn picture(&self) -> &Picture {
        self.frozen.as_ref().map_or(&self.live, |frozen| &frozen.picture)
    }

    /// What is so now, frozen screen or not; for decisions such as whether a fault is active.
    pub(crate) fn live(&self) -> &Picture {
        &self.live
    }

    /// The collector's clock for what is shown. It stands still while frozen, and while nothing is heard: an age that
    /// went on counting would claim to know.
    pub(crate) fn clock(&self, now: Time) -> Time {
        match &self.frozen {
            Some(frozen) => frozen.at,
            None => self.collector_clock(self.lost_since.unwrap_or(now)),
        }
    }

    fn collector_clock(&self, now: Time) -> Time {
        let nanos = (i128::from(now.0) + self.clock_offset_nanos).max(0);
        Time(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Messages that came since the screen was frozen.
    pub(crate) fn held_back(&self) -> Option<u64> {
        self.frozen.as_ref().map(|frozen| frozen.changes)
    }

    /// Freezes, or lets flow again.
    pub(crate) fn toggle_freeze(&mut self, now: Time) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Frozen {
                picture: self.live.clone(),
                at: self.collector_clock(now),
                changes: 0,
            }),
        };
    }

    /// Joins what the stream said.
    pub(crate) fn hear(&mut self, event: LiveEvent, now: Time) {
        match event {
            LiveEvent::Connection(connection) => {
                match &connection {
                    Connection::Live => self.lost_since = None,
                    Connection::Lost { .. } => self.lost_since = self.lost_since.or(Some(now)),
                    Connection::Connecting => {}
                }
                self.connection = match connection {
                    Connection::Lost { retry_at, reason } => Connection::Lost {
                        retry_at,
                        reason: sagascope_api::text::scrub(&reason, 200),
                    },
                    other => other,
                };
            }
            LiveEvent::Message(message) => self.join(*message, now),
        }
    }

    fn join(&mut self, mut message: LiveMessage, now: Time) {
        message.scrub();
        if let LiveMessage::Snapshot {
            data: Rows::Overview(rows),
            ..
        }
        | LiveMessage::Update {
            data: Rows::Overview(rows),
            ..
        } = &message
        {
            self.compare_clocks(rows.last().map(|row| row.now), now);
        }
        if let Some(frozen) = &mut self.frozen {
            frozen.changes += 1;
        }
        self.live.apply(message);
    }

    fn compare_clocks(&mut self, theirs: Option<Time>, ours: Time) {
        let Some(theirs) = theirs.filter(|time| time.0 > 0) else {
            return;
        };
        let offset = i128::from(theirs.0) - i128::from(ours.0);
        self.clock_offset_nanos = if offset.abs() > CLOCK_TOLERANCE_NANOS {
            offset
        } else {
            0
        };
    }

    /// Keeps what was looked up; what is no look-up comes back.
    pub(crate) fn learn(&mut self, answer: Answer, now: Time) -> Option<Answer> {
        match answer {
            Answer::Saga(key, reply) => self.saga.answer(key, reply.map(|saga| clean(*saga)), now),
            Answer::SagaType(key, reply) => self.saga_type.answer(key, reply.map(|kind| clean(*kind)), now),
            Answer::Trace(key, reply) => self.trace.answer(key, reply.map(|trace| clean(*trace)), now),
            Answer::Traces(key, reply) => self.traces.answer(key, reply.map(clean), now),
            Answer::Explain(key, reply) => self.explanation.answer(key, reply.map(|text| clean(*text)), now),
            Answer::Catalogue(reply) => self.catalogue.answer((), reply.map(clean), now),
            other => return Some(other),
        }
        None
    }
}

fn clean<T: Scrub>(mut value: T) -> T {
    value.scrub();
    value
}
