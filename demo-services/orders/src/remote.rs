//! The services that orders calls, behind a seam so that tests can answer for them.

use std::future::Future;

use serde_json::Value;
use shop_kit::caller::{CallError, Caller};
use shop_kit::order_commands::{Command, Ordered};
use shop_kit::service::Service;

/// The catalog.
pub(crate) trait Catalog: Send + Sync + 'static {
    /// Reads; may be retried underneath.
    fn read(&self, path: &str) -> impl Future<Output = Result<Value, CallError>> + Send;
}

/// Those that carry commands out.
pub(crate) trait Remote: Send + Sync + 'static {
    /// One attempt, since the saga counts and persists each. `key` makes a repeat harmless.
    fn ask(
        &self,
        command: Command,
        order: &Ordered,
        key: &str,
    ) -> impl Future<Output = Result<Value, CallError>> + Send;
}

/// Real calls, each peer with its own breaker and bulkhead.
#[derive(Clone)]
pub(crate) struct Peers {
    catalog: Caller,
    inventory: Caller,
    payments: Caller,
    shipping: Caller,
}

impl Peers {
    /// Callers of this service.
    pub(crate) fn of(service: &Service) -> Self {
        Self {
            catalog: service.caller("catalog"),
            inventory: service.caller("inventory"),
            payments: service.caller("payments"),
            shipping: service.caller("shipping"),
        }
    }

    fn caller(&self, command: Command) -> &Caller {
        match command.service() {
            "inventory" => &self.inventory,
            "payments" => &self.payments,
            _ => &self.shipping,
        }
    }
}

impl Catalog for Peers {
    async fn read(&self, path: &str) -> Result<Value, CallError> {
        self.catalog.get(path).await
    }
}

impl Remote for Peers {
    async fn ask(&self, command: Command, order: &Ordered, key: &str) -> Result<Value, CallError> {
        let (path, body) = (command.path(&order.order_id), command.body(order));
        let caller = self.caller(command).routed_by(&order.order_id);
        caller.post_once(&path, &body, Some(key)).await
    }
}

/// The same calls with nothing around them but a time limit: what a first version does.
pub(crate) struct Bare(pub(crate) Peers);

impl Remote for Bare {
    async fn ask(&self, command: Command, order: &Ordered, _: &str) -> Result<Value, CallError> {
        let (path, body) = (command.path(&order.order_id), command.body(order));
        let caller = self.0.caller(command).routed_by(&order.order_id);
        caller.post_bare(&path, &body).await
    }
}
