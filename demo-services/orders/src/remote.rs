//! The services that orders calls, behind a seam so that tests can answer for them.

use std::future::Future;

use serde_json::Value;
use shop_kit::caller::{CallError, Caller};
use shop_kit::service::Service;

/// Whom to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// Prices.
    Catalog,
    /// Stock.
    Inventory,
    /// Money.
    Payments,
    /// Parcels.
    Shipping,
}

/// One call each; JSON in and out.
pub(crate) trait Remote: Send + Sync + 'static {
    /// Reads; may be retried underneath.
    fn get(&self, peer: Peer, path: &str) -> impl Future<Output = Result<Value, CallError>> + Send;

    /// Commands; one attempt, since the saga counts and persists each. `key` makes a repeat harmless.
    fn post(
        &self,
        peer: Peer,
        path: &str,
        key: &str,
        body: &Value,
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

    fn caller(&self, peer: Peer) -> &Caller {
        match peer {
            Peer::Catalog => &self.catalog,
            Peer::Inventory => &self.inventory,
            Peer::Payments => &self.payments,
            Peer::Shipping => &self.shipping,
        }
    }
}

impl Remote for Peers {
    async fn get(&self, peer: Peer, path: &str) -> Result<Value, CallError> {
        self.caller(peer).get(path).await
    }

    async fn post(&self, peer: Peer, path: &str, key: &str, body: &Value) -> Result<Value, CallError> {
        self.caller(peer).post_once(path, body, Some(key)).await
    }
}
