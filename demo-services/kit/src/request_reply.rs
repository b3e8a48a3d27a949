//! Asynchronous request and reply over the broker: a question names the topic for its answer, the answer the question.
//!
//! Who asks waits for a while and not for ever; a reply that comes later finds nobody and is let go. The replier answers
//! in the transaction that handles the question, so a question that is delivered twice is answered once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::broker::{Broker, BrokerError, Message, NewMessage};
use crate::consumer::{Consumer, Subscription};
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::{ids, outbox};

/// Header of a question: topic for its answer.
pub const REPLY_TO: &str = "reply-to";
/// Header of an answer: id of its question.
pub const IN_REPLY_TO: &str = "in-reply-to";

/// Questions that may wait for their answers at a time.
const WAITING: usize = 256;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The question could not be sent.
    #[error(transparent)]
    NotSent(#[from] BrokerError),
    /// Nobody answered in time.
    #[error("nobody answered within {} ms", .0.as_millis())]
    NoAnswer(Duration),
    /// Too many questions wait already.
    #[error("{WAITING} questions wait for their answers already")]
    TooMany,
}

type Waiting = Arc<Mutex<BTreeMap<String, oneshot::Sender<Value>>>>;

/// Asks, and hears the answers of one topic. Each process needs a topic of its own for its answers.
#[derive(Debug)]
pub struct Requester<B> {
    broker: B,
    reply_to: &'static str,
    waiting: Waiting,
    _consumer: Consumer,
}

impl<B: Broker + Clone> Requester<B> {
    /// Hears the answers on `reply_to`, as the consumer group of that name.
    #[must_use]
    pub fn start(reply_to: &'static str, topics: &'static [&'static str], db: Database, broker: B) -> Self {
        let waiting = Waiting::default();
        let subscription = Subscription {
            group: reply_to,
            topics,
            projection: None,
        };
        let asked = waiting.clone();
        let consumer = Consumer::start(subscription, db, broker.clone(), move |_, message, _| {
            let question = message.headers.get(IN_REPLY_TO);
            if let Some(waits) = question.and_then(|id| lock(&asked).remove(id)) {
                // Who asked may have given up this moment.
                let _ = waits.send(message.payload.clone());
            }
            Ok(())
        });
        Self {
            broker,
            reply_to,
            waiting,
            _consumer: consumer,
        }
    }

    /// Asks on `topic`, and waits for the answer.
    ///
    /// # Errors
    /// When the question cannot be sent, or nobody answers in time.
    pub async fn ask(
        &self,
        topic: &str,
        event_type: &str,
        payload: Value,
        context: &Context,
        patience: Duration,
    ) -> Result<Value, AskError> {
        let id = ids::unique();
        let mut headers = context.to_headers();
        headers.insert(REPLY_TO.to_owned(), self.reply_to.to_owned());
        let question = NewMessage {
            id: id.clone(),
            topic: topic.to_owned(),
            key: id.clone(),
            event_type: event_type.to_owned(),
            payload,
            headers,
        };
        let (answer, mut answered) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if waiting.len() >= WAITING {
                return Err(AskError::TooMany);
            }
            waiting.insert(id.clone(), answer);
        }
        let _forget = Forget {
            waiting: &self.waiting,
            id: &id,
        };
        self.broker.publish(vec![question]).await?;
        match tokio::time::timeout(patience, &mut answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(AskError::NoAnswer(patience)),
        }
    }
}

/// Nobody waits any more, however the wait ended.
struct Forget<'a> {
    waiting: &'a Waiting,
    id: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(self.id);
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, BTreeMap<String, oneshot::Sender<Value>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers a question, in the transaction that handles it. A message that asks for no answer gets none.
///
/// # Errors
/// When the database fails or `payload` has no JSON form.
pub fn reply(
    tx: &Tx<'_>,
    question: &Message,
    event_type: &str,
    payload: &impl Serialize,
    context: &Context,
) -> Result<(), DatabaseError> {
    let Some(topic) = question.headers.get(REPLY_TO) else {
        return Ok(());
    };
    let more = (IN_REPLY_TO.to_owned(), question.id.clone());
    outbox::enqueue_with(tx, topic, &question.key, (event_type, 1), payload, context, [more]).map(drop)
}
