//! `ExportLogsServiceRequest`, walked.

use sagascope_api::Time;

use super::any::{self, Left, Pairs, any as any_value, check_any, check_pairs, push_pairs, text_of};
use super::reader::{Malformed, Reader};
use super::senders::{Head, head};
use super::{Tally, time_or};
use crate::block::{Cell, LogBlock, LogCells, Str, Tables};
use crate::normalise::{ATTRIBUTES_MAX, EVENT_NAME, is_severity, severity_of};
use crate::rows::{SpanId, TraceId};

/// Level of a record in its request.
const RECORD: u32 = 3;

/// What is done with what is found.
trait Sink {
    fn resource(&mut self, head: &Head<'_>) -> Result<(), Malformed>;
    fn scope(&mut self, head: &Head<'_>) -> Result<(), Malformed>;
    fn record(&mut self, record: &Parts<'_>) -> Result<(), Malformed>;
}

pub(super) fn check(bytes: &[u8]) -> Result<Tally, Malformed> {
    let mut check = Check(Tally::default());
    walk(bytes, &mut check)?;
    Ok(check.0)
}

pub(super) fn read(bytes: &[u8], received_at: Time, block: &mut LogBlock) -> Result<Tally, Malformed> {
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
            let mut records = Reader::new(scope, 2);
            while let Some((number, field)) = records.next()? {
                if number == 2 {
                    parts.fill(field.message(2)?)?;
                    sink.record(&parts)?;
                }
            }
        }
    }
    Ok(())
}

/// A record as it lies on the wire.
#[derive(Debug, Default)]
struct Parts<'a> {
    at: u64,
    observed: u64,
    severity: i32,
    severity_text: &'a str,
    event_name: &'a str,
    body: Vec<&'a [u8]>,
    attributes: Pairs<'a>,
    dropped: u32,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
}

impl<'a> Parts<'a> {
    fn fill(&mut self, bytes: &'a [u8]) -> Result<(), Malformed> {
        let mut lists = [&mut self.attributes, &mut self.body].map(std::mem::take);
        lists.iter_mut().for_each(Vec::clear);
        let [attributes, body] = lists;
        *self = Self {
            attributes,
            body,
            ..Self::default()
        };
        let mut reader = Reader::new(bytes, RECORD);
        while let Some((number, field)) = reader.next()? {
            match number {
                1 => self.at = field.fixed64()?,
                2 => self.severity = field.int32()?,
                3 => self.severity_text = field.text()?,
                5 => self.body.push(field.message(RECORD)?),
                6 => self.attributes.push(field.message(RECORD)?),
                7 => self.dropped = field.uint32()?,
                8 => self.flags = field.fixed32()?,
                9 => self.trace_id = field.bytes()?,
                10 => self.span_id = field.bytes()?,
                11 => self.observed = field.fixed64()?,
                12 => self.event_name = field.text()?,
                _ => reader.unknown()?,
            }
        }
        Ok(())
    }

    fn weigh(&self, tally: &mut Tally) {
        tally.weigh(121, &[(self.attributes.len().min(ATTRIBUTES_MAX), 16)]);
    }

    /// Checks what [`Parts::fill`] has only found; answers what is left out of it.
    fn check(&self) -> Result<Left, Malformed> {
        let mut left = self.left();
        left.add(check_pairs(&self.attributes, RECORD + 1)?);
        for body in &self.body {
            check_any(body, RECORD + 1)?;
        }
        match &*self.body {
            [] => {}
            [body] => left.value(&any_value(body, RECORD + 1)?),
            parts => left.value(&any_value(&parts.concat(), RECORD + 1)?),
        }
        Ok(left)
    }

    /// What is left out of its own fields.
    fn left(&self) -> Left {
        let mut left = Left::default();
        left.count(!is_severity(self.severity), "a severity off the scale");
        left.text(self.severity_text);
        left.name(self.event_name);
        left
    }
}

/// Keeps nothing.
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

    fn record(&mut self, record: &Parts<'_>) -> Result<(), Malformed> {
        let left = record.check()?;
        self.0.count(Ok(()));
        self.0.left.add(left);
        record.weigh(&mut self.0);
        Ok(())
    }
}

/// Puts records into columns.
struct Read<'b> {
    block: &'b mut LogBlock,
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

    /// No record is refused: an id that cannot be one only means that the record belongs to no trace.
    fn record(&mut self, record: &Parts<'_>) -> Result<(), Malformed> {
        if record.body.len() > 1 {
            // Each part must be good by itself.
            record.check()?;
        }
        let (tables, left) = (&mut self.block.tables, &mut self.tally.left);
        left.add(record.left());
        let cut = push_pairs(&record.attributes, RECORD + 1, tables, left)?;
        let attributes = tables.values.finish();
        let event_name = match record.event_name {
            "" => text_of(&record.attributes, RECORD + 1, EVENT_NAME).unwrap_or_default(),
            name => name,
        };
        let cells = LogCells {
            resource: self.resource,
            scope: self.scope,
            at: time_or(record.at, time_or(record.observed, self.received_at)),
            observed: Time(record.observed),
            severity: severity_of(record.severity),
            severity_text: any::text(tables, record.severity_text),
            event_name: any::name(tables, event_name),
            body: match &*record.body {
                [] => Cell::default(),
                [body] => self::body(body, tables, left)?,
                // Several bodies are one, in parts.
                parts => self::body(&parts.concat(), tables, left)?,
            },
            attributes,
            dropped_attributes: record.dropped.saturating_add(cut),
            trace_id: TraceId::from_slice(record.trace_id),
            span_id: SpanId::from_slice(record.span_id),
            flags: record.flags,
        };
        self.tally.count(Ok(()));
        record.weigh(&mut self.tally);
        self.block.push(cells, self.received_at);
        Ok(())
    }
}

fn body(bytes: &[u8], tables: &mut Tables, left: &mut Left) -> Result<Cell, Malformed> {
    let value = any_value(bytes, RECORD + 1)?;
    left.value(&value);
    any::cell(tables, &value, Str::EMPTY)
}
