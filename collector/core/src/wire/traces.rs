//! `ExportTraceServiceRequest`, walked.

use sagascope_api::Time;

use super::any::{self, Left, Pairs, check_pairs, push_pairs};
use super::reader::{Malformed, Reader};
use super::senders::{Head, head};
use super::{Tally, time_or};
use crate::block::{AttributeSet, EventCells, LinkCells, SpanBlock, SpanCells};
use crate::normalise::{
    ATTRIBUTES_MAX, EVENTS_MAX, LINKS_MAX, SpanIds, ends_too_early, is_kind, is_status, kind_of, status_of,
};
use crate::rows::{Dropped, SpanId, TraceId};

/// Level of a span in its request, and of what lies in it.
const SPAN: u32 = 3;

const MANY_EVENTS: &str = "an event beyond the 1024th of a span";
const USELESS_LINK: &str = "a link without the ids of a span, or beyond the 1024th of a span";

/// What is done with what is found.
trait Sink {
    fn resource(&mut self, head: &Head<'_>) -> Result<(), Malformed>;
    fn scope(&mut self, head: &Head<'_>) -> Result<(), Malformed>;
    fn span(&mut self, span: &Parts<'_>) -> Result<(), Malformed>;
}

pub(super) fn check(bytes: &[u8]) -> Result<Tally, Malformed> {
    let mut check = Check(Tally::default());
    walk(bytes, &mut check)?;
    Ok(check.0)
}

pub(super) fn read(bytes: &[u8], received_at: Time, block: &mut SpanBlock) -> Result<Tally, Malformed> {
    let before = block.len();
    let mut read = Read {
        block,
        received_at,
        resource: 0,
        scope: 0,
        tally: Tally::default(),
    };
    match walk(bytes, &mut read) {
        Ok(()) => Ok(read.tally),
        Err(error) => {
            block.truncate(before);
            Err(error)
        }
    }
}

fn walk(bytes: &[u8], sink: &mut impl Sink) -> Result<(), Malformed> {
    let mut parts = Parts::default();
    let mut request = Reader::new(bytes, 0);
    while let Some((number, field)) = request.next()? {
        if number != 1 {
            request.unknown()?;
            continue;
        }
        let group = field.message(0)?;
        sink.resource(&head(group, 1)?)?;
        let mut scopes = Reader::new(group, 1);
        while let Some((number, field)) = scopes.next()? {
            if number != 2 {
                continue;
            }
            let scope = field.message(1)?;
            sink.scope(&head(scope, 2)?)?;
            let mut spans = Reader::new(scope, 2);
            while let Some((number, field)) = spans.next()? {
                if number == 2 {
                    parts.fill(field.message(2)?)?;
                    sink.span(&parts)?;
                }
            }
        }
    }
    Ok(())
}

/// A span as it lies on the wire.
#[derive(Debug, Default)]
struct Parts<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    trace_state: &'a str,
    name: &'a str,
    kind: i32,
    start: u64,
    end: u64,
    flags: u32,
    dropped: Dropped,
    status_code: i32,
    status_message: &'a str,
    attributes: Pairs<'a>,
    events: Pairs<'a>,
    links: Pairs<'a>,
}

impl<'a> Parts<'a> {
    fn fill(&mut self, bytes: &'a [u8]) -> Result<(), Malformed> {
        let mut lists = [&mut self.attributes, &mut self.events, &mut self.links].map(std::mem::take);
        lists.iter_mut().for_each(Vec::clear);
        let [attributes, events, links] = lists;
        *self = Self {
            attributes,
            events,
            links,
            ..Self::default()
        };
        let mut reader = Reader::new(bytes, SPAN);
        while let Some((number, field)) = reader.next()? {
            match number {
                1 => self.trace_id = field.bytes()?,
                2 => self.span_id = field.bytes()?,
                3 => self.trace_state = field.text()?,
                4 => self.parent_span_id = field.bytes()?,
                5 => self.name = field.text()?,
                6 => self.kind = field.int32()?,
                7 => self.start = field.fixed64()?,
                8 => self.end = field.fixed64()?,
                9 => self.attributes.push(field.message(SPAN)?),
                10 => self.dropped.attributes = field.uint32()?,
                11 => self.events.push(field.message(SPAN)?),
                12 => self.dropped.events = field.uint32()?,
                13 => self.links.push(field.message(SPAN)?),
                14 => self.dropped.links = field.uint32()?,
                15 => self.fill_status(field.message(SPAN)?)?,
                16 => self.flags = field.fixed32()?,
                _ => reader.unknown()?,
            }
        }
        Ok(())
    }

    fn fill_status(&mut self, bytes: &'a [u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(bytes, SPAN + 1);
        while let Some((number, field)) = reader.next()? {
            match number {
                2 => self.status_message = field.text()?,
                3 => self.status_code = field.int32()?,
                _ => reader.unknown()?,
            }
        }
        Ok(())
    }

    fn judge(&self) -> Result<SpanIds, &'static str> {
        SpanIds::of(self.trace_id, self.span_id, self.parent_span_id)
    }

    fn weigh(&self, tally: &mut Tally) {
        let lists = [
            (self.attributes.len().min(ATTRIBUTES_MAX), 16),
            (self.events.len().min(EVENTS_MAX), 40),
            (self.links.len().min(LINKS_MAX), 64),
        ];
        tally.weigh(152, &lists);
    }

    /// Checks what [`Parts::fill`] has only found; answers what is left out of it.
    fn check(&self) -> Result<Left, Malformed> {
        let mut left = self.left();
        left.add(check_pairs(&self.attributes, SPAN + 1)?);
        for (n, bytes) in self.events.iter().enumerate() {
            let event = Event::of(bytes)?;
            let inner = check_pairs(&event.pairs, SPAN + 2)?;
            if n < EVENTS_MAX {
                left.add(inner);
                left.name(event.name);
            } else {
                left.count(true, MANY_EVENTS);
            }
        }
        for (n, bytes) in self.links.iter().enumerate() {
            let link = Link::of(bytes)?;
            let inner = check_pairs(&link.pairs, SPAN + 2)?;
            if n < LINKS_MAX && link.ids().is_some() {
                left.add(inner);
                left.text(link.trace_state);
            } else {
                left.count(true, USELESS_LINK);
            }
        }
        Ok(left)
    }

    /// What is left out of its own fields.
    fn left(&self) -> Left {
        let mut left = Left::default();
        left.count(!is_kind(self.kind), "a span kind that OTLP does not know");
        left.count(!is_status(self.status_code), "a span status that OTLP does not know");
        left.count(
            ends_too_early(self.start, self.end),
            "the end of a span that is before its start",
        );
        left.name(self.name);
        left.text(self.status_message);
        left.text(self.trace_state);
        left
    }
}

/// An event as it lies on the wire.
#[derive(Default)]
struct Event<'a> {
    at: u64,
    name: &'a str,
    pairs: Pairs<'a>,
    dropped: u32,
}

impl<'a> Event<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut event = Self::default();
        let mut reader = Reader::new(bytes, SPAN + 1);
        while let Some((number, field)) = reader.next()? {
            match number {
                1 => event.at = field.fixed64()?,
                2 => event.name = field.text()?,
                3 => event.pairs.push(field.message(SPAN + 1)?),
                4 => event.dropped = field.uint32()?,
                _ => reader.unknown()?,
            }
        }
        Ok(event)
    }
}

/// A link as it lies on the wire.
#[derive(Default)]
struct Link<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a str,
    pairs: Pairs<'a>,
    dropped: u32,
    flags: u32,
}

impl<'a> Link<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut link = Self::default();
        let mut reader = Reader::new(bytes, SPAN + 1);
        while let Some((number, field)) = reader.next()? {
            match number {
                1 => link.trace_id = field.bytes()?,
                2 => link.span_id = field.bytes()?,
                3 => link.trace_state = field.text()?,
                4 => link.pairs.push(field.message(SPAN + 1)?),
                5 => link.dropped = field.uint32()?,
                6 => link.flags = field.fixed32()?,
                _ => reader.unknown()?,
            }
        }
        Ok(link)
    }

    /// Where it leads.
    fn ids(&self) -> Option<(TraceId, SpanId)> {
        TraceId::from_slice(self.trace_id).zip(SpanId::from_slice(self.span_id))
    }
}

/// Judges and keeps nothing.
struct Check(Tally);

impl Sink for Check {
    fn resource(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.0.left.add(head.check_resource()?);
        Ok(())
    }

    fn scope(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.0.left.add(head.check_scope()?);
        Ok(())
    }

    fn span(&mut self, span: &Parts<'_>) -> Result<(), Malformed> {
        let left = span.check()?;
        if self.0.count(span.judge()).is_some() {
            self.0.left.add(left);
            span.weigh(&mut self.0);
        }
        Ok(())
    }
}

/// Judges the same way, and puts what is good into columns.
struct Read<'b> {
    block: &'b mut SpanBlock,
    received_at: Time,
    resource: u32,
    scope: u32,
    tally: Tally,
}

impl Sink for Read<'_> {
    fn resource(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.resource = head.resource_in(&mut self.block.tables, &mut self.tally.left)?;
        Ok(())
    }

    fn scope(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.scope = head.scope_in(&mut self.block.tables, &mut self.tally.left)?;
        Ok(())
    }

    fn span(&mut self, span: &Parts<'_>) -> Result<(), Malformed> {
        let Some(ids) = self.tally.count(span.judge()) else {
            return span.check().map(drop);
        };
        span.weigh(&mut self.tally);
        let start = time_or(span.start, time_or(span.end, self.received_at));
        self.tally.left.add(span.left());
        let (attributes, dropped_attributes) = self.set(&span.attributes, SPAN + 1, span.dropped.attributes)?;
        let events = self.events(&span.events, start)?;
        let links = self.links(&span.links)?;
        let left_out = |dropped: u32, sent: usize, kept: usize| dropped.saturating_add((sent - kept) as u32);
        let tables = &mut self.block.tables;
        let cells = SpanCells {
            resource: self.resource,
            scope: self.scope,
            trace_id: ids.trace_id,
            span_id: ids.span_id,
            parent_span_id: ids.parent_span_id,
            name: any::name(tables, span.name),
            kind: kind_of(span.kind),
            start,
            duration_nanos: span.end.saturating_sub(start.0),
            status: status_of(span.status_code),
            status_message: any::text(tables, span.status_message),
            trace_state: any::text(tables, span.trace_state),
            flags: span.flags,
            dropped: Dropped {
                attributes: dropped_attributes,
                events: left_out(span.dropped.events, span.events.len(), events),
                links: left_out(span.dropped.links, span.links.len(), links),
            },
            attributes,
        };
        self.block.push(cells, self.received_at);
        Ok(())
    }
}

impl Read<'_> {
    /// Keeps the first events; answers how many.
    fn events(&mut self, events: &[&[u8]], start: Time) -> Result<usize, Malformed> {
        for (n, bytes) in events.iter().enumerate() {
            let event = Event::of(bytes)?;
            if n >= EVENTS_MAX {
                self.tally.left.count(true, MANY_EVENTS);
                check_pairs(&event.pairs, SPAN + 2)?;
                continue;
            }
            let (attributes, dropped_attributes) = self.set(&event.pairs, SPAN + 2, event.dropped)?;
            self.tally.left.name(event.name);
            let name = any::name(&mut self.block.tables, event.name);
            self.block.push_event(EventCells {
                at: time_or(event.at, start),
                name,
                attributes,
                dropped_attributes,
            });
        }
        Ok(events.len().min(EVENTS_MAX))
    }

    /// Keeps the first links that lead somewhere; answers how many.
    fn links(&mut self, links: &[&[u8]]) -> Result<usize, Malformed> {
        let mut kept = 0;
        for (n, bytes) in links.iter().enumerate() {
            let link = Link::of(bytes)?;
            let Some((trace_id, span_id)) = link.ids().filter(|_| n < LINKS_MAX) else {
                self.tally.left.count(true, USELESS_LINK);
                check_pairs(&link.pairs, SPAN + 2)?;
                continue;
            };
            let (attributes, dropped_attributes) = self.set(&link.pairs, SPAN + 2, link.dropped)?;
            self.tally.left.text(link.trace_state);
            let trace_state = any::text(&mut self.block.tables, link.trace_state);
            self.block.push_link(LinkCells {
                trace_id,
                span_id,
                trace_state,
                flags: link.flags,
                attributes,
                dropped_attributes,
            });
            kept += 1;
        }
        Ok(kept)
    }

    /// Attributes, and how many are left out.
    fn set(&mut self, pairs: &[&[u8]], level: u32, dropped: u32) -> Result<(AttributeSet, u32), Malformed> {
        let tables = &mut self.block.tables;
        let cut = push_pairs(pairs, level, tables, &mut self.tally.left)?;
        Ok((tables.values.finish(), dropped.saturating_add(cut)))
    }
}
