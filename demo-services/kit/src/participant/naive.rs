//! The second generation: effect committed, answer published, and between the two a place to die.
//!
//! On purpose nothing notes which message was handled, and nothing keeps the answer until the broker has it.

use std::pin::Pin;
use std::sync::Arc;

use sagascope_conventions::OrderFlow;

use super::{Asked, Part, Participant, Replied, carried_out, topic_of};
use crate::broker::{Broker, Message, NewMessage};
use crate::consumer::Handle;
use crate::context::Context;
use crate::database::Database;
use crate::ids;
use crate::order_commands::Command;
use crate::problem::Problem;

/// Publishes after a commit, and loses what the broker does not take: nothing else has kept it.
pub trait Publish: Send + Sync + 'static {
    /// Hands the messages to the broker.
    fn publish_or_lose(&self, messages: Vec<NewMessage>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl<B: Broker> Publish for B {
    fn publish_or_lose(&self, messages: Vec<NewMessage>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if messages.is_empty() {
                return;
            }
            if let Err(error) = self.publish(messages).await {
                tracing::warn!(%error, "messages got lost between the commit and the broker");
            }
        })
    }
}

/// See the module.
pub struct Naive<P> {
    part: Part<P>,
    publisher: Arc<dyn Publish>,
}

impl<P> Naive<P> {
    /// Answers through `publisher`.
    pub fn new(part: Part<P>, publisher: Arc<dyn Publish>) -> Self {
        Self { part, publisher }
    }
}

impl<P: Participant> Handle for Naive<P> {
    async fn handle(&self, db: &Database, message: Message, context: Context) -> anyhow::Result<()> {
        let Some(command) = Command::parse(&message.event_type) else {
            return Ok(());
        };
        let asked: Asked = serde_json::from_value(message.payload.clone())?;
        // A failure is answered like a refusal: this generation tries nothing twice.
        let found = match self.part.ask(command, &asked.body).await {
            Ok(found) => found,
            Err(error) => Err(Problem::unavailable(format!("{error:#}"))),
        };
        let reply = match found {
            Err(problem) => problem.into(),
            found => {
                let (message, context) = (message.clone(), context.clone());
                db.write(move |tx| carried_out::<P>(tx, command, asked, found, &message, &context))
                    .await?
            }
        };
        let reply = NewMessage {
            id: ids::unique(),
            topic: topic_of(OrderFlow::Broker, "orders").to_owned(),
            key: message.key,
            event_type: command.answered(reply.status).to_owned(),
            payload: serde_json::to_value(Replied {
                command: command.as_str().to_owned(),
                key: None,
                status: reply.status,
                body: reply.body,
            })?,
            headers: context.to_headers(),
        };
        self.publisher.publish_or_lose(vec![reply]).await;
        Ok(())
    }
}
