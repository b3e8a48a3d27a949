//! The attributes of a span that projections look at, found in one pass.

use sagascope_conventions::attributes as key;

use crate::block::{AttributesRef, ValueRef};

/// Attributes of one span that mean something to a projection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks<'a> {
    pub(super) correlation_id: Option<&'a str>,
    pub(super) fault_id: Option<&'a str>,
    /// Service that a client span calls.
    pub(super) peer: Option<&'a str>,
    /// Topic or queue.
    pub(super) destination: Option<&'a str>,
    pub(super) db_system: Option<&'a str>,
    pub(super) db_namespace: Option<&'a str>,
}

impl<'a> Marks<'a> {
    pub(super) fn of(attributes: AttributesRef<'a>) -> Self {
        let mut marks = Self::default();
        for (key, value) in attributes.iter() {
            let ValueRef::Text(text) = value else { continue };
            let slot = match key {
                key::CORRELATION_ID | key::CONVERSATION_ID => &mut marks.correlation_id,
                key::FAULT_ID => &mut marks.fault_id,
                key::SERVICE_PEER_NAME | "peer.service" => &mut marks.peer,
                key::MESSAGING_DESTINATION_NAME => &mut marks.destination,
                key::DB_SYSTEM_NAME | "db.system" => &mut marks.db_system,
                "db.namespace" => &mut marks.db_namespace,
                _ => continue,
            };
            if slot.is_none() && !text.is_empty() {
                *slot = Some(text);
            }
        }
        marks
    }
}
