//! A service's part in orders that are carried out by messages: the same command in one transaction, whichever way the
//! order goes. Only what surrounds it differs.
//!
//! - [`naive`]: the effect is committed, then the answer published; nothing notes what was handled.
//! - [`hardened`]: effect, note and answer in one transaction, through inbox and outbox.
//! - [`choreographed`]: the same, caused by an event instead of a command, and each step told by who does it.

mod choreographed;
mod hardened;
mod naive;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use sagascope_conventions::{FaultKind, OrderFlow};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::broker::Message;
use crate::choreography;
use crate::consumer::{Consumer, Subscription};
use crate::context::Context;
use crate::database::Tx;
use crate::durable::Durable;
use crate::faults::Switchboard;
use crate::idempotency::Answer;
use crate::order_commands::Command;
use crate::problem::Problem;
use crate::service::Service;

pub use choreographed::{Reacts, Story};
pub use hardened::Hardened;
pub use naive::{Naive, Publish};

/// A service that carries commands out.
pub trait Participant: Clone + Send + Sync + 'static {
    /// What others said who were asked first.
    type Found: Send + 'static;

    /// Asks whom it must before it acts, such as a bank.
    ///
    /// # Errors
    /// A refusal that needs no transaction, such as a command that cannot be understood.
    fn ask(&self, command: Command, body: &Value) -> impl Future<Output = Result<Self::Found, Problem>> + Send;

    /// Carries a command out; the same key is answered the same. A refusal by a rule (below 500) is an answer too.
    ///
    /// # Errors
    /// What keeps it from being carried out.
    fn carry_out(
        tx: &Tx<'_>,
        command: Command,
        key: &str,
        body: Value,
        found: Self::Found,
        context: &Context,
    ) -> Result<Answer, Problem>;
}

/// A command as a message; the key of the message is the order's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The same for each repeat of the command; absent where nobody recognises repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Content, as over HTTP.
    pub body: Value,
}

/// Its answer as a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replied {
    /// What was asked.
    pub command: String,
    /// Under which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// HTTP status that it would have had.
    pub status: u16,
    /// Content, as over HTTP.
    pub body: Value,
}

/// Where a service takes the commands of a flow, or hears its events: consumer group and topic.
#[must_use]
pub fn subscription(flow: OrderFlow, service: &str) -> Option<Subscription> {
    let (group, topics): (_, &'static [&'static str]) = match (flow, service) {
        (OrderFlow::Broker, "inventory") => ("inventory.order-broker", &["order-broker.inventory"]),
        (OrderFlow::Broker, "payments") => ("payments.order-broker", &["order-broker.payments"]),
        (OrderFlow::Broker, "shipping") => ("shipping.order-broker", &["order-broker.shipping"]),
        (OrderFlow::Broker, "orders") => ("orders.order-broker", &["order-broker.replies"]),
        (OrderFlow::Hardened, "inventory") => ("inventory.order-hardened", &["order-hardened.inventory"]),
        (OrderFlow::Hardened, "payments") => ("payments.order-hardened", &["order-hardened.payments"]),
        (OrderFlow::Hardened, "shipping") => ("shipping.order-hardened", &["order-hardened.shipping"]),
        (OrderFlow::Hardened, "orders") => ("orders.order-hardened", &["order-hardened.replies"]),
        (OrderFlow::Choreographed, "inventory") => ("inventory.order-choreographed", &[choreography::TOPIC]),
        (OrderFlow::Choreographed, "payments") => ("payments.order-choreographed", &[choreography::TOPIC]),
        (OrderFlow::Choreographed, "shipping") => ("shipping.order-choreographed", &[choreography::TOPIC]),
        (OrderFlow::Choreographed, "orders") => ("orders.order-choreographed", &[choreography::TOPIC]),
        _ => return None,
    };
    Some(Subscription {
        group,
        topics,
        projection: None,
    })
}

/// Topic on which a service takes the commands of a flow.
#[must_use]
pub fn topic_of(flow: OrderFlow, service: &str) -> &'static str {
    subscription(flow, service).map_or("", |subscription| subscription.topics[0])
}

/// Takes part in all flows that travel by messages, until the consumers are dropped.
#[must_use]
pub fn take_part<P: Participant>(service: &Service, durable: &Durable, participant: P) -> Vec<Consumer> {
    let part = Part {
        participant,
        faults: service.faults.clone(),
        patience: service.profile.call_timeout,
    };
    let on = |flow| subscription(flow, service.name);
    let naive = on(OrderFlow::Broker).map(|to| {
        let naive = Naive::new(part.clone(), Arc::new(durable.broker.clone()));
        durable.consume_with(to, naive)
    });
    let hardened = on(OrderFlow::Hardened).map(|to| {
        let hardened = Hardened::new(to.group, part.clone());
        durable.consume_with(to, hardened)
    });
    let choreographed = on(OrderFlow::Choreographed).map(|to| {
        let handler = Reacts::new(service.name, to.group, part.clone(), &service.profile);
        durable.consume_with(to, handler)
    });
    [naive, hardened, choreographed].into_iter().flatten().collect()
}

/// A participant and the faults in its way.
#[derive(Clone, Debug)]
pub struct Part<P> {
    /// Who.
    pub participant: P,
    /// Faults in force.
    pub faults: Switchboard,
    /// How long a hanging command holds up the others of its batch.
    pub patience: Duration,
}

impl<P: Participant> Part<P> {
    /// Asks whom it must, unless a fault gets in its way. The inner error is a refusal, the outer one a failure.
    async fn ask(&self, command: Command, body: &Value) -> anyhow::Result<Result<P::Found, Problem>> {
        let operation = command.operation();
        if self.faults.hit(FaultKind::Hang, operation).is_some() {
            tokio::time::sleep(self.patience).await;
            anyhow::bail!("no answer within {} ms", self.patience.as_millis());
        }
        if let Some(hit) = self.faults.hit(FaultKind::Latency, operation) {
            tokio::time::sleep(hit.delay()).await;
        }
        let hit = self.faults.hit(FaultKind::ErrorRate, operation);
        ensure!(
            hit.is_none(),
            "failed on purpose: a fault of kind error_rate is in force"
        );
        match self.participant.ask(command, body).await {
            Err(problem) if problem.status >= 500 => Err(problem.into()),
            asked => Ok(asked),
        }
    }
}

/// What a service of this kind does within the transaction, refusals of the first stage included.
fn carried_out<P: Participant>(
    tx: &Tx<'_>,
    command: Command,
    asked: Asked,
    found: Result<P::Found, Problem>,
    message: &Message,
    context: &Context,
) -> anyhow::Result<Answer> {
    let Asked { key, body } = asked;
    // Without a key of the sender's the message's own stands in: each message is another command.
    let key = key.as_deref().unwrap_or(&message.id);
    let answer = found.and_then(|found| P::carry_out(tx, command, key, body, found, context));
    match answer {
        Ok(answer) => Ok(answer),
        Err(problem) if problem.status < 500 => Ok(problem.into()),
        Err(problem) => Err(problem.into()),
    }
}
