//! What was found out about a block while some of its rows are folded: by the block's numbers, so that no name is looked
//! up or compared twice.

use sagascope_api::Time;

use super::HashMap;
use super::keys::Keys;
use super::map::{EdgePlace, EdgeTold};
use super::services::{OperationPlace, ServiceId};
use crate::block::Str;
use crate::rows::SpanKind;

/// Notes on one block, for the length of one call.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) keys: Keys,
    /// Senders by their place in the block, with the moment at which they were heard.
    senders: HashMap<(u32, Time), Option<ServiceId>>,
    last: Option<((u32, Time), Option<ServiceId>)>,
    /// Operations of a service; none where there are too many.
    pub(super) operations: HashMap<(ServiceId, Str, SpanKind), Option<OperationPlace>>,
    /// Edges; none where there are too many.
    pub(super) edges: HashMap<EdgeTold, Option<EdgePlace>>,
}

impl Notes {
    /// The service of a sender, heard once a request however many rows it shares.
    pub(super) fn sender(&mut self, heard: (u32, Time), hear: impl FnOnce() -> Option<ServiceId>) -> Option<ServiceId> {
        if let Some((last, id)) = self.last
            && last == heard
        {
            return id;
        }
        let id = *self.senders.entry(heard).or_insert_with(hear);
        self.last = Some((heard, id));
        id
    }
}
