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

/// Room kept for the next call, in entries of a map.
const ROOM_MAX: usize = 2_048;

impl Notes {
    /// These, emptied for another block; their room is used again.
    pub(super) fn cleared(mut self) -> Self {
        let rooms = [
            self.senders.capacity(),
            self.operations.capacity(),
            self.edges.capacity(),
            self.keys.capacity(),
        ];
        if rooms.into_iter().any(|room| room > ROOM_MAX) {
            return Self::default();
        }
        self.keys.clear();
        self.senders.clear();
        self.operations.clear();
        self.edges.clear();
        self.last = None;
        self
    }

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
