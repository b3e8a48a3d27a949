//! Keeps what other services tell as events of our own store, so that a read model can be rebuilt from zero whatever
//! the broker has let go of since.
//!
//! The read models are folds over these copies. The oldest copies go too, once every read model has seen them; what they
//! add is carried forward, and a rebuild begins with it.

use shop_kit::broker::Message;
use shop_kit::consumer::Subscription;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::{self, NewEvent};
use shop_kit::projection::ReadModel;
use shop_kit::retention::{self, Rule};

use crate::{daily_sales, revenue};

/// Orders and payments whose messages are kept.
const KEPT: u64 = 20_000;

/// Both read models.
pub(crate) const MODELS: &[ReadModel] = &[daily_sales::MODEL, revenue::MODEL];
/// Lets go of the oldest copies.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: KEPT, let_go }];
#[cfg(test)]
pub(crate) const ALL_GO: Rule = Rule::Ended { kept: 0, let_go };

/// What is taken over; progress is told by partition.
pub(crate) const FEEDS: [Subscription; 2] = [
    Subscription {
        group: "analytics.daily_sales",
        topics: &["orders.events"],
        projection: Some("orders_feed"),
    },
    Subscription {
        group: "analytics.revenue",
        topics: &["payments.events"],
        projection: Some("payments_feed"),
    },
];

/// Takes one message over: a stream for each key of a topic.
pub(crate) fn take(tx: &Tx<'_>, message: &Message, context: &Context) -> anyhow::Result<()> {
    let (topic, stream) = (&message.place.topic, format!("{}/{}", message.place.topic, message.key));
    let event = NewEvent::new(&message.event_type, &message.payload)?;
    event_store::append(
        tx,
        topic,
        &stream,
        event_store::version(tx, &stream)?,
        &[event],
        context,
    )?;
    Ok(retention::ended(tx, &stream)?)
}

/// Removes the copies of one key, and carries forward what they add.
fn let_go(tx: &Tx<'_>, stream: &str) -> Result<bool, DatabaseError> {
    let Some(events) = event_store::let_go(tx, stream)? else {
        return Ok(false);
    };
    for event in &events {
        daily_sales::carry(tx, event)?;
        revenue::carry(tx, event)?;
    }
    Ok(true)
}

/// Read models from before there were copies begin with what they hold.
pub(crate) fn adopt(tx: &Tx<'_>) -> Result<(), DatabaseError> {
    let started: bool = tx.query_row("SELECT EXISTS (SELECT 1 FROM projections)", [], |row| row.get(0))?;
    if !started && event_store::head(tx)? == 0 {
        for table in ["daily_sales", "revenue"] {
            tx.execute(
                &format!("INSERT OR IGNORE INTO {table}_carried SELECT * FROM {table}"),
                [],
            )?;
        }
    }
    Ok(())
}
