//! The attributes that projections look for, found once a shape: a span whose shape has none of them costs nothing.

use sagascope_api::Time;
use sagascope_conventions::attributes as key;

use super::HashMap;
use crate::block::{AttributesRef, ShapeId, Str, ValueRef};

/// One of the attributes looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Key {
    CorrelationId,
    ConversationId,
    FaultId,
    PeerName,
    PeerService,
    Destination,
    DbSystemName,
    DbSystem,
    DbNamespace,
    ErrorType,
    SagaId,
    SagaName,
    SagaCoordination,
    SagaSequence,
    SagaSteps,
    SagaStepName,
    SagaStepIndex,
    SagaStepAttempt,
    SagaStepDeadline,
    SagaStepNextAttemptAt,
    SagaStepWaitingFor,
    SagaStepWaitingOn,
    SagaReason,
    SagaState,
}

/// Keys and their words, in the order of their numbers.
const WORDS: [(Key, &str); 24] = [
    (Key::CorrelationId, key::CORRELATION_ID),
    (Key::ConversationId, key::CONVERSATION_ID),
    (Key::FaultId, key::FAULT_ID),
    (Key::PeerName, key::SERVICE_PEER_NAME),
    (Key::PeerService, "peer.service"),
    (Key::Destination, key::MESSAGING_DESTINATION_NAME),
    (Key::DbSystemName, key::DB_SYSTEM_NAME),
    (Key::DbSystem, "db.system"),
    (Key::DbNamespace, "db.namespace"),
    (Key::ErrorType, key::ERROR_TYPE),
    (Key::SagaId, key::SAGA_ID),
    (Key::SagaName, key::SAGA_NAME),
    (Key::SagaCoordination, key::SAGA_COORDINATION),
    (Key::SagaSequence, key::SAGA_SEQUENCE),
    (Key::SagaSteps, key::SAGA_STEPS),
    (Key::SagaStepName, key::SAGA_STEP_NAME),
    (Key::SagaStepIndex, key::SAGA_STEP_INDEX),
    (Key::SagaStepAttempt, key::SAGA_STEP_ATTEMPT),
    (Key::SagaStepDeadline, key::SAGA_STEP_DEADLINE),
    (Key::SagaStepNextAttemptAt, key::SAGA_STEP_NEXT_ATTEMPT_AT),
    (Key::SagaStepWaitingFor, key::SAGA_STEP_WAITING_FOR),
    (Key::SagaStepWaitingOn, key::SAGA_STEP_WAITING_ON),
    (Key::SagaReason, key::SAGA_REASON),
    (Key::SagaState, key::SAGA_STATE),
];

/// Where each key stands in a shape: its place and one; 0 where it does not.
type Layout = [u16; WORDS.len()];

/// The layouts of one block's shapes, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The block's number of each key, if it has it.
    numbers: Option<[Option<Str>; WORDS.len()]>,
    layouts: HashMap<ShapeId, Layout>,
    last: Option<(ShapeId, Layout)>,
}

impl Keys {
    /// For another block.
    pub(super) fn clear(&mut self) {
        self.numbers = None;
        self.layouts.clear();
        self.last = None;
    }

    pub(super) fn capacity(&self) -> usize {
        self.layouts.capacity()
    }

    /// Attributes of the block with their keys found.
    pub(super) fn of<'a>(&mut self, attributes: AttributesRef<'a>) -> Keyed<'a> {
        let shape = attributes.set().shape;
        let layout = match self.last {
            Some((last, layout)) if last == shape => layout,
            _ => self.layout(attributes),
        };
        self.last = Some((shape, layout));
        Keyed { attributes, layout }
    }

    fn layout(&mut self, attributes: AttributesRef<'_>) -> Layout {
        let numbers = self
            .numbers
            .get_or_insert_with(|| WORDS.map(|(_, word)| attributes.find_string(word)));
        *self.layouts.entry(attributes.set().shape).or_insert_with(|| {
            let mut layout = Layout::default();
            for (place, found) in attributes.keys().enumerate() {
                let wanted = numbers.iter().position(|number| *number == Some(found));
                if let (Some(wanted), Ok(place)) = (wanted, u16::try_from(place + 1))
                    && layout[wanted] == 0
                {
                    layout[wanted] = place;
                }
            }
            layout
        })
    }
}

/// The attributes of one row, with the keys that projections look for found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyed<'a> {
    attributes: AttributesRef<'a>,
    layout: Layout,
}

impl<'a> Keyed<'a> {
    pub(super) fn get(&self, key: Key) -> Option<ValueRef<'a>> {
        let place = self.layout[key as usize].checked_sub(1)?;
        self.attributes.at(usize::from(place))
    }

    /// The value when it is text.
    pub(super) fn text(&self, key: Key) -> Option<&'a str> {
        match self.get(key)? {
            ValueRef::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value when it is text with something in it.
    pub(super) fn given(&self, key: Key) -> Option<&'a str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    /// The block's number of such a text.
    pub(super) fn given_number(&self, key: Key) -> Option<Str> {
        let place = self.layout[key as usize].checked_sub(1)?;
        let string = self.attributes.string_at(usize::from(place))?;
        (string != Str::EMPTY).then_some(string)
    }

    /// The value as a whole number, also when it came as text.
    pub(super) fn int(&self, key: Key) -> Option<i64> {
        self.get(key)?.int()
    }

    /// The value as a moment: RFC 3339 text, or unix nanoseconds.
    pub(super) fn time(&self, key: Key) -> Option<Time> {
        self.get(key)?.time()
    }

    /// What ties operations together, by either of its names.
    pub(super) fn correlation_id(&self) -> Option<&'a str> {
        self.given(Key::CorrelationId)
            .or_else(|| self.given(Key::ConversationId))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{SpanKind, Value};
    use crate::testing::{at, span, span_block, text};

    #[test]
    fn words_stand_at_their_numbers() {
        for (number, (key, _)) in WORDS.iter().enumerate() {
            assert_eq!(*key as usize, number);
        }
    }

    #[test]
    fn keys_are_found_in_every_shape() {
        let mut rows = [1, 2, 3, 4].map(|n| span("a", n, 0, SpanKind::Server, 0.0, 1.0));
        rows[0].attributes.0 = vec![("x".into(), text("y"))];
        rows[1].attributes.0 = vec![
            ("x".into(), text("y")),
            ("saga.id".into(), text("o-1")),
            ("saga.id".into(), text("o-2")),
            ("correlation.id".into(), text("")),
            ("messaging.message.conversation_id".into(), text("c-1")),
        ];
        rows[2].attributes.0 = vec![
            ("saga.id".into(), Value::Int(7)),
            ("saga.step.deadline".into(), Value::Int(at(1.0).0 as i64)),
            ("saga.step.index".into(), text("3")),
        ];
        let block = span_block(&rows);
        let mut keys = Keys::default();
        let found: Vec<_> = block.rows().map(|row| keys.of(row.attributes())).collect();
        let has_id: Vec<_> = found.iter().map(|row| row.get(Key::SagaId).is_some()).collect();
        assert_eq!(has_id, [false, true, true, false]);
        assert_eq!(found[1].text(Key::SagaId), Some("o-1"), "the first of equal keys");
        assert_eq!(found[1].correlation_id(), Some("c-1"), "an empty one is none");
        assert_eq!(found[1].given_number(Key::CorrelationId), None);
        assert_eq!((found[2].text(Key::SagaId), found[2].int(Key::SagaId)), (None, Some(7)));
        assert_eq!(found[2].time(Key::SagaStepDeadline), Some(at(1.0)));
        assert_eq!(found[2].int(Key::SagaStepIndex), Some(3));
    }
}
