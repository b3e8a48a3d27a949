//! What a query looks at, so that whoever reads rows from a disk reads no more.

use super::pattern::Test;
use super::{Expression, Query};

/// Parts of a row that a query looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Length of a span.
    pub duration: bool,
    /// Trace id.
    pub trace: bool,
    /// Span id.
    pub span: bool,
    /// Name of a span, event name of a record.
    pub name: bool,
    /// Kind of a span.
    pub kind: bool,
    /// Status with its message, severity with its word.
    pub status: bool,
    /// Sender and scope.
    pub resource: bool,
    /// Attributes.
    pub attributes: bool,
    /// Events of a span.
    pub events: bool,
    /// Body of a record.
    pub body: bool,
    /// Texts, in lower case, each of which some attribute of the row, of its sender or of its events must have as its
    /// value or as a part of a list.
    pub values: Vec<String>,
}

impl Query {
    /// What it looks at in spans.
    #[must_use]
    pub fn needs_of_spans(&self) -> Needs {
        self.needs(&of_span)
    }

    /// What it looks at in log records.
    #[must_use]
    pub fn needs_of_logs(&self) -> Needs {
        self.needs(&of_log)
    }

    fn needs(&self, look: &impl Fn(Option<&str>, &mut Needs)) -> Needs {
        let mut needs = Needs::default();
        each_term(&self.expression, &mut |field| look(field, &mut needs));
        must(&self.expression, &mut needs.values);
        needs
    }
}

fn each_term(expression: &Expression, look: &mut impl FnMut(Option<&str>)) {
    match expression {
        Expression::All(all) | Expression::Any(all) => all.iter().for_each(|one| each_term(one, look)),
        Expression::Not(one) => each_term(one, look),
        Expression::Term(field, _) => look(field.as_deref()),
    }
}

/// Where a term looks in a span; without a field, at every text.
fn of_span(field: Option<&str>, needs: &mut Needs) {
    match field {
        None => {
            (needs.trace, needs.name, needs.status) = (true, true, true);
            (needs.resource, needs.attributes, needs.events) = (true, true, true);
        }
        Some("service" | "instance" | "scope") => needs.resource = true,
        Some("name" | "operation") => needs.name = true,
        Some("kind") => needs.kind = true,
        Some("status" | "status_message") => needs.status = true,
        Some("duration") => needs.duration = true,
        Some("trace" | "trace_id") => needs.trace = true,
        Some("span" | "span_id" | "parent" | "parent_span_id") => needs.span = true,
        Some("event") => needs.events = true,
        Some(attribute) => {
            needs.resource = true;
            let is_own = !attribute.starts_with("resource.");
            needs.attributes |= is_own;
            // The attributes of events count, too.
            needs.events = true;
        }
    }
}

/// Where a term looks in a log record; without a field, at every text.
fn of_log(field: Option<&str>, needs: &mut Needs) {
    match field {
        None => {
            (needs.trace, needs.name, needs.body) = (true, true, true);
            (needs.resource, needs.attributes) = (true, true);
        }
        Some("service" | "instance" | "scope") => needs.resource = true,
        Some("severity" | "level") => needs.status = true,
        Some("event" | "event_name") => needs.name = true,
        Some("body" | "message") => needs.body = true,
        Some("trace" | "trace_id") => needs.trace = true,
        Some("span" | "span_id") => needs.span = true,
        Some(attribute) => {
            needs.resource = true;
            needs.attributes |= !attribute.starts_with("resource.");
        }
    }
}

/// Only what holds for every row that matches: terms joined by AND.
fn must(expression: &Expression, values: &mut Vec<String>) {
    match expression {
        Expression::All(all) => all.iter().for_each(|one| must(one, values)),
        Expression::Term(Some(field), Test::Equal(wanted)) if is_attribute(field) => {
            // Filters of files know letters beyond ASCII in one case only, and not each that folds to them.
            if wanted.folded.is_none() && (wanted.number.is_none() || is_only_form(&wanted.text)) {
                values.push(wanted.text.to_ascii_lowercase());
            }
        }
        Expression::Any(_) | Expression::Not(_) | Expression::Term(..) => {}
    }
}

/// Is every number that equals this text written like it? `5ms`, `5.0` and `05` equal numbers that are written otherwise,
/// and so may `0`, since a fraction can be minus zero.
fn is_only_form(text: &str) -> bool {
    const EXACT_MAX: u64 = 1 << 53;
    text.parse::<i64>()
        .is_ok_and(|number| number != 0 && number.unsigned_abs() < EXACT_MAX && number.to_string() == text)
}

/// A field that is an attribute both of spans and of records.
fn is_attribute(field: &str) -> bool {
    !matches!(
        field,
        "service"
            | "instance"
            | "scope"
            | "name"
            | "operation"
            | "event"
            | "event_name"
            | "kind"
            | "status"
            | "status_message"
            | "severity"
            | "level"
            | "duration"
            | "trace"
            | "trace_id"
            | "span"
            | "span_id"
            | "parent"
            | "parent_span_id"
            | "body"
            | "message"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(query: &str) -> Needs {
        Query::parse(query).unwrap().needs_of_spans()
    }

    #[test]
    fn a_query_looks_at_no_more_than_it_names() {
        assert_eq!(needs(""), Needs::default());
        let status = needs("status:error");
        assert!(status.status && !status.attributes && !status.resource && !status.name);
        let service = needs("service:orders OR trace:01");
        assert!(service.resource && service.trace && !service.attributes);
        let attribute = needs("order.id:7");
        assert!(attribute.attributes && attribute.resource && attribute.events && !attribute.body);
        assert!(needs("parent:*").span);
    }

    #[test]
    fn a_field_of_spans_may_be_an_attribute_of_records_and_the_other_way_round() {
        let of_logs = |query: &str| Query::parse(query).unwrap().needs_of_logs();
        for query in ["name:x", "status:x", "kind:x", "duration:x", "parent_span_id:x"] {
            assert!(of_logs(query).attributes && !needs(query).attributes, "{query}");
        }
        for query in ["severity:x", "level:x", "event_name:x", "body:x", "message:x"] {
            assert!(needs(query).attributes && !of_logs(query).attributes, "{query}");
        }
        assert!(of_logs("\"anything\"").body);
    }

    #[test]
    fn only_what_must_hold_is_demanded() {
        assert_eq!(
            needs("order.id:O-7 status:error saga.name:order").values,
            ["o-7", "order"]
        );
        assert!(needs("order.id:1 OR saga.name:x").values.is_empty());
        assert!(needs("NOT order.id:1 n>5 order.id:* name:x k:~y").values.is_empty());
        assert_eq!(needs("(a:1 OR b:2) c:3").values, ["3"]);
    }

    #[test]
    fn d08_a_number_that_may_be_written_otherwise_is_not_demanded_as_text() {
        assert_eq!(needs("status_code:503 retries:-2").values, ["503", "-2"]);
        for query in [
            "n:5.0",
            "n:05",
            "n:+5",
            "n:5ms",
            "n:0",
            "n:1e3",
            "n:inf",
            "n:9007199254740993",
        ] {
            assert!(needs(query).values.is_empty(), "{query}");
        }
    }
}
