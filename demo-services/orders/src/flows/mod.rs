//! The ways in which an order is carried out: one file each. The business is the same in all of them (`order_saga`);
//! they differ in how commands travel and in what is kept on the way.

pub(crate) mod broker;
pub(crate) mod choreographed;
pub(crate) mod choreographed_actions;
pub(crate) mod messages;
pub(crate) mod sync;

use std::pin::Pin;

use rusqlite::Connection;
use sagascope_conventions::OrderFlow;
use shop_kit::database::DatabaseError;
use shop_kit::retry::RetryPolicy;
use shop_kit::saga::{self, Instance, Policy};

/// A future that can be kept behind a pointer.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The order's saga, whichever way it goes.
pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<Instance>, DatabaseError> {
    // The usual way first.
    let usual = [OrderFlow::EventSourced];
    let others = OrderFlow::ALL.iter().copied().filter(|flow| !usual.contains(flow));
    for flow in usual.into_iter().chain(others) {
        if let Some(instance) = saga::find(conn, flow.saga_name(), id)? {
            return Ok(Some(instance));
        }
    }
    Ok(None)
}

/// One attempt and no second one: the first two generations.
pub(crate) const ONCE: Policy = {
    let once = RetryPolicy {
        attempts: 1,
        base: std::time::Duration::ZERO,
        factor: 1,
        cap: std::time::Duration::ZERO,
        jitter: 0.0,
    };
    Policy {
        forward: once,
        back: once,
    }
};
