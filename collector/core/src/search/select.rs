//! A query over the columns of a block: each distinct string is tested once, each key looked for once a shape.
//!
//! The answers are those of [`Query::matches_span`] and [`Query::matches_log`] over the owned rows.

mod points;

pub use points::PointSelect;

use sagascope_conventions::attributes as key;

use super::pattern::{Field, Test};
use super::subject::{plain, severity_word, texts_of, visit};
use super::{Expression, Query};
use crate::block::{AttributeSet, Cell, Kind, LogBlock, LogRef, SpanBlock, SpanRef, Str, Tables, ValueRef};

/// A query made ready for the spans of one block.
#[derive(Debug)]
pub struct SpanSelect<'a>(Prepared<'a, SpanField>, &'a SpanBlock);

/// A query made ready for the log records of one block.
#[derive(Debug)]
pub struct LogSelect<'a>(Prepared<'a, LogField>, &'a LogBlock);

impl Query {
    /// Makes it ready for a block.
    #[must_use]
    pub fn over_spans<'a>(&'a self, block: &'a SpanBlock) -> SpanSelect<'a> {
        SpanSelect(Prepared::of(&self.expression, &SpanField::of), block)
    }

    /// Makes it ready for a block.
    #[must_use]
    pub fn over_logs<'a>(&'a self, block: &'a LogBlock) -> LogSelect<'a> {
        LogSelect(Prepared::of(&self.expression, &LogField::of), block)
    }
}

impl SpanSelect<'_> {
    /// Does this row match?
    pub fn matches(&mut self, row: usize) -> bool {
        self.0.matches(&self.1.row(row))
    }
}

impl LogSelect<'_> {
    /// Does this row match?
    pub fn matches(&mut self, row: usize) -> bool {
        self.0.matches(&self.1.row(row))
    }
}

/// An expression whose terms know where to look.
#[derive(Debug)]
enum Prepared<'a, F> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Term(F, Memo<'a>),
}

/// Where a term looks in a row of type `R`.
trait Look<R> {
    fn look(&self, row: &R, memo: &mut Memo<'_>) -> bool;
}

impl<'a, F> Prepared<'a, F> {
    fn of(expression: &'a Expression, field: &impl Fn(Option<&'a str>) -> F) -> Self {
        let each = |all: &'a [Expression]| all.iter().map(|one| Self::of(one, field)).collect();
        match expression {
            Expression::All(all) => Self::All(each(all)),
            Expression::Any(any) => Self::Any(each(any)),
            Expression::Not(one) => Self::Not(Box::new(Self::of(one, field))),
            Expression::Term(name, test) => {
                let memo = Memo::of(test, name.is_none());
                Self::Term(field(name.as_deref()), memo)
            }
        }
    }

    fn matches<R>(&mut self, row: &R) -> bool
    where
        F: Look<R>,
    {
        match self {
            Self::All(all) => all.iter_mut().all(|one| one.matches(row)),
            Self::Any(any) => any.iter_mut().any(|one| one.matches(row)),
            Self::Not(one) => !one.matches(row),
            Self::Term(field, memo) => field.look(row, memo),
        }
    }
}

/// A test with what it found out so far.
#[derive(Debug)]
struct Memo<'a> {
    test: &'a Test,
    /// The test asks for an occurrence anywhere in a text.
    anywhere: bool,
    /// By number of the string.
    verdicts: Vec<Option<bool>>,
    /// By number of the shape: where the key stands in it.
    places: Vec<Option<Option<u32>>>,
    /// The same for the second name that a key may have.
    other_places: Vec<Option<Option<u32>>>,
    /// By place of the resource.
    resources: Vec<Option<bool>>,
}

impl<'a> Memo<'a> {
    const fn of(test: &'a Test, anywhere: bool) -> Self {
        Self {
            test,
            anywhere,
            verdicts: Vec::new(),
            places: Vec::new(),
            other_places: Vec::new(),
            resources: Vec::new(),
        }
    }

    fn field(&self, field: Field<'_>) -> bool {
        match field {
            Field::Text(text) if self.anywhere => self.test.occurs_in(text),
            field => self.test.accepts(field),
        }
    }

    fn string(&mut self, tables: &Tables, string: Str) -> bool {
        let place = string.index();
        if let Some(Some(verdict)) = self.verdicts.get(place) {
            return *verdict;
        }
        let verdict = self.field(Field::Text(tables.strings.get(string)));
        remember(&mut self.verdicts, place, verdict);
        verdict
    }

    /// A cell as the value of a field.
    fn cell(&mut self, tables: &Tables, cell: Cell) -> bool {
        if let Some(string) = cell.as_str() {
            return self.string(tables, string);
        }
        match ValueRef::of(cell, &tables.strings, &tables.values) {
            ValueRef::Bool(truth) => self.field(Field::Truth(truth)),
            ValueRef::Int(number) => self.field(Field::Int(number)),
            ValueRef::Double(number) => self.field(Field::Number(number)),
            nested @ ValueRef::Nested(_) => visit(&nested.to_value(), &mut |field| self.field(field)),
            ValueRef::Empty | ValueRef::Bytes(_) => self.field(Field::Other),
            ValueRef::Text(text) => self.field(Field::Text(text)),
        }
    }

    /// A cell as texts.
    fn texts(&mut self, tables: &Tables, cell: Cell) -> bool {
        match cell.kind {
            Kind::Text => cell.as_str().is_some_and(|string| self.string(tables, string)),
            Kind::Int | Kind::Double | Kind::Bool | Kind::Nested => {
                let value = ValueRef::of(cell, &tables.strings, &tables.values).to_value();
                texts_of(&value, &mut |text| self.field(Field::Text(text)))
            }
            Kind::Empty | Kind::Bytes => false,
        }
    }

    fn all_texts(&mut self, tables: &Tables, set: AttributeSet) -> bool {
        tables.values.cells(set).any(|(_, cell)| self.texts(tables, cell))
    }

    /// The value under a key of this set; `other` when the key is the second name that it may have.
    fn own(&mut self, tables: &Tables, set: AttributeSet, name: &str, other: bool) -> bool {
        let places = if other {
            &mut self.other_places
        } else {
            &mut self.places
        };
        let shape = set.shape.index();
        let place = match places.get(shape) {
            Some(Some(place)) => *place,
            _ => {
                let members = tables.values.shapes.get(set.shape);
                let found = members.iter().position(|(key, _)| tables.strings.get(*key) == name);
                let place = found.map(|place| place as u32);
                remember(places, shape, place);
                place
            }
        };
        place.is_some_and(|place| {
            let cell = tables.values.cells(set).nth(place as usize);
            cell.is_some_and(|(_, cell)| self.cell(tables, cell))
        })
    }

    /// An attribute of a row or of its sender.
    fn attribute(&mut self, tables: &Tables, (set, resource): (AttributeSet, u32), name: &str) -> bool {
        if let Some(name) = name.strip_prefix("resource.") {
            return self.of_resource(tables, resource, name);
        }
        let name = plain(name);
        self.own(tables, set, name, false)
            || name == key::CORRELATION_ID && self.own(tables, set, key::CONVERSATION_ID, true)
            || self.of_resource(tables, resource, name)
    }

    fn of_resource(&mut self, tables: &Tables, resource: u32, name: &str) -> bool {
        let place = resource as usize;
        if let Some(Some(verdict)) = self.resources.get(place) {
            return *verdict;
        }
        let set = tables.resource_at(resource).entry().attributes;
        let verdict = self.own(tables, set, name, false);
        remember(&mut self.resources, place, verdict);
        verdict
    }
}

fn remember<T: Clone>(all: &mut Vec<Option<T>>, place: usize, value: T) {
    if place >= all.len() {
        all.resize(place + 1, None);
    }
    all[place] = Some(value);
}

/// Where a term looks in a span.
#[derive(Debug)]
enum SpanField {
    Texts,
    Service,
    Instance,
    Name,
    Kind,
    Status,
    StatusMessage,
    Scope,
    Duration,
    Trace,
    Span,
    Parent,
    Event,
    Attribute(Box<str>),
}

impl SpanField {
    fn of(name: Option<&str>) -> Self {
        let Some(name) = name else { return Self::Texts };
        match name {
            "service" => Self::Service,
            "instance" => Self::Instance,
            "name" | "operation" => Self::Name,
            "kind" => Self::Kind,
            "status" => Self::Status,
            "status_message" => Self::StatusMessage,
            "scope" => Self::Scope,
            "duration" => Self::Duration,
            "trace" | "trace_id" => Self::Trace,
            "span" | "span_id" => Self::Span,
            "parent" | "parent_span_id" => Self::Parent,
            "event" => Self::Event,
            name => Self::Attribute(name.into()),
        }
    }
}

impl Look<SpanRef<'_>> for SpanField {
    fn look(&self, span: &SpanRef<'_>, memo: &mut Memo<'_>) -> bool {
        let (block, row) = (span.block(), span.index());
        let tables = &block.tables;
        let place = block.resource[row];
        match self {
            Self::Texts => {
                memo.string(tables, block.name[row])
                    || memo.string(tables, tables.resource_at(place).entry().service)
                    || memo.string(tables, block.status_message[row])
                    || memo.all_texts(tables, block.attributes[row])
                    || memo.field(Field::Text(&block.trace_id[row].to_string()))
                    || span
                        .event_cells()
                        .iter()
                        .any(|event| memo.string(tables, event.name) || memo.all_texts(tables, event.attributes))
            }
            Self::Service => memo.string(tables, tables.resource_at(place).entry().service),
            Self::Instance => memo.string(tables, tables.resource_at(place).entry().instance),
            Self::Name => memo.string(tables, block.name[row]),
            Self::Kind => memo.field(Field::Text(block.kind[row].as_str())),
            Self::Status => memo.field(Field::Text(block.status[row].as_str())),
            Self::StatusMessage => memo.string(tables, block.status_message[row]),
            Self::Scope => memo.string(tables, tables.scope_at(block.scope[row]).entry().name),
            Self::Duration => memo.field(Field::Nanos(block.duration_nanos[row])),
            Self::Trace => memo.field(Field::Text(&block.trace_id[row].to_string())),
            Self::Span => memo.field(Field::Text(&block.span_id[row].to_string())),
            Self::Parent => span
                .parent_span_id()
                .is_some_and(|id| memo.field(Field::Text(&id.to_string()))),
            Self::Event => span.event_cells().iter().any(|event| memo.string(tables, event.name)),
            Self::Attribute(name) => {
                memo.attribute(tables, (block.attributes[row], place), name)
                    || span
                        .event_cells()
                        .iter()
                        .any(|event| memo.own(tables, event.attributes, plain(name), false))
            }
        }
    }
}

/// Where a term looks in a log record.
#[derive(Debug)]
enum LogField {
    Texts,
    Service,
    Instance,
    Scope,
    Severity,
    Event,
    Body,
    Trace,
    Span,
    Attribute(Box<str>),
}

impl LogField {
    fn of(name: Option<&str>) -> Self {
        let Some(name) = name else { return Self::Texts };
        match name {
            "service" => Self::Service,
            "instance" => Self::Instance,
            "scope" => Self::Scope,
            "severity" | "level" => Self::Severity,
            "event" | "event_name" => Self::Event,
            "body" | "message" => Self::Body,
            "trace" | "trace_id" => Self::Trace,
            "span" | "span_id" => Self::Span,
            name => Self::Attribute(name.into()),
        }
    }
}

impl Look<LogRef<'_>> for LogField {
    fn look(&self, log: &LogRef<'_>, memo: &mut Memo<'_>) -> bool {
        let (block, row) = (log.block(), log.index());
        let tables = &block.tables;
        let place = block.resource[row];
        match self {
            Self::Texts => {
                memo.texts(tables, block.body[row])
                    || memo.string(tables, tables.resource_at(place).entry().service)
                    || block.event_name[row] != Str::EMPTY && memo.string(tables, block.event_name[row])
                    || memo.all_texts(tables, block.attributes[row])
                    || log
                        .trace_id()
                        .is_some_and(|id| memo.field(Field::Text(&id.to_string())))
            }
            Self::Service => memo.string(tables, tables.resource_at(place).entry().service),
            Self::Instance => memo.string(tables, tables.resource_at(place).entry().instance),
            Self::Scope => memo.string(tables, tables.scope_at(block.scope[row]).entry().name),
            Self::Severity => {
                let severity = block.severity[row];
                memo.field(Field::Number(f64::from(severity)))
                    || memo.field(Field::Text(severity_word(severity)))
                    || memo.string(tables, block.severity_text[row])
            }
            Self::Event => block.event_name[row] != Str::EMPTY && memo.string(tables, block.event_name[row]),
            Self::Body => {
                let body = block.body[row];
                memo.texts(tables, body) || body.kind != Kind::Empty && memo.field(Field::Other)
            }
            Self::Trace => log
                .trace_id()
                .is_some_and(|id| memo.field(Field::Text(&id.to_string()))),
            Self::Span => log.span_id().is_some_and(|id| memo.field(Field::Text(&id.to_string()))),
            Self::Attribute(name) => memo.attribute(tables, (block.attributes[row], place), name),
        }
    }
}
