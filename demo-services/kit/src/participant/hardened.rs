//! The third generation: effect, the note that the message was handled, and the answer, all in one transaction.

use sagascope_conventions::OrderFlow;

use super::{Asked, Part, Participant, Replied, carried_out, topic_of};
use crate::broker::Message;
use crate::consumer::Handle;
use crate::context::Context;
use crate::database::Database;
use crate::order_commands::Command;
use crate::{inbox, outbox};

/// See the module.
#[derive(Debug)]
pub struct Hardened<P> {
    group: &'static str,
    part: Part<P>,
}

impl<P> Hardened<P> {
    /// Remembers messages under the name of `group`.
    pub const fn new(group: &'static str, part: Part<P>) -> Self {
        Self { group, part }
    }
}

impl<P: Participant> Handle for Hardened<P> {
    async fn handle(&self, db: &Database, message: Message, context: Context) -> anyhow::Result<()> {
        let Some(command) = Command::parse(&message.event_type) else {
            return Ok(());
        };
        let asked: Asked = serde_json::from_value(message.payload.clone())?;
        let found = self.part.ask(command, &asked.body).await?;
        let group = self.group;
        db.write(move |tx| {
            if !inbox::first_time(tx, group, &message.id)? {
                return Ok(());
            }
            let key = asked.key.clone();
            let answer = carried_out::<P>(tx, command, asked, found, &message, &context)?;
            let reply = Replied {
                command: command.as_str().to_owned(),
                key,
                status: answer.status,
                body: answer.body,
            };
            let (topic, word) = (topic_of(OrderFlow::Hardened, "orders"), command.answered(reply.status));
            outbox::enqueue(tx, topic, &message.key, word, &reply, &context)?;
            Ok(())
        })
        .await
    }
}
