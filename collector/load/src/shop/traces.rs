//! Requests of spans, as a gateway collector would batch them: whole traces, gathered by service.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use sagascope_conventions::attributes::{CORRELATION_ID, ERROR_TYPE, SAGA_STATE};

use super::attributes::Is::{Numbered, Text, UpTo};
use super::attributes::{Attribute, CORRELATION, Maker, resource, scope, text};
use super::journeys::{JOURNEYS, Journey, SERVICES, Step};
use crate::random::Random;
use crate::template::Template;

/// Spans of a trace.
pub(super) const SPANS_A_TRACE: u32 = 8;
/// Of a thousand journeys; each failure marks a span and its ancestors, so about one span of a hundred.
const FAILING_PER_MILLE: u64 = 30;
/// Of a thousand spans.
const LINKED_PER_MILLE: u64 = 20;
const EVENTFUL_PER_MILLE: u64 = 60;

const ERROR: i32 = 2;
/// The caller's trace is remote: bits 8 and 9 of the span's flags; sampled is bit 0.
const FLAGS: u32 = 0x101;

/// Attributes of every span.
const COMMON: [Attribute; 3] = [
    (CORRELATION_ID, CORRELATION),
    ("customer.id", Numbered("u-", 10_000)),
    ("thread.id", UpTo(15)),
];
const FAILURE: [Attribute; 3] = [
    ("exception.type", Text("shop::payments::Declined")),
    (
        "exception.message",
        Text("the issuer declined the charge: insufficient funds"),
    ),
    (
        "exception.stacktrace",
        Text("0: shop::payments::charge\n   at src/charge.rs:118\n1: shop::payments::handle\n   at src/http.rs:64"),
    ),
];

/// A request of so many spans.
pub(super) fn request(random: &mut Random, spans: u32) -> Template {
    let mut maker = Maker::new(random);
    let mut by_service: Vec<Vec<Span>> = vec![Vec::new(); SERVICES.len()];
    for trace in 0..spans.div_ceil(SPANS_A_TRACE) {
        let journey = choose(maker.random);
        let failing = maker.random.per_mille(FAILING_PER_MILLE);
        let wanted = (spans - trace * SPANS_A_TRACE).min(SPANS_A_TRACE) as usize;
        for place in 0..wanted {
            let fails = failing && fails_with(journey, place);
            by_service[journey.steps[place].service].push(span(&mut maker, trace, journey, place, fails));
        }
    }
    let resource_spans = by_service
        .into_iter()
        .enumerate()
        .filter(|(_, spans)| !spans.is_empty());
    let request = ExportTraceServiceRequest {
        resource_spans: resource_spans.map(|(service, spans)| of(service, spans)).collect(),
    };
    Template::new(request.encode_to_vec(), &maker.holes, spans)
}

fn of(service: usize, spans: Vec<Span>) -> ResourceSpans {
    ResourceSpans {
        resource: Some(resource(service)),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope()),
            spans,
            ..ScopeSpans::default()
        }],
        schema_url: "https://opentelemetry.io/schemas/1.36.0".to_owned(),
    }
}

fn choose(random: &mut Random) -> &'static Journey {
    let mut dice = random.below(100);
    for journey in &JOURNEYS {
        match dice.checked_sub(journey.share) {
            Some(rest) => dice = rest,
            None => return journey,
        }
    }
    &JOURNEYS[0]
}

/// A step fails when it is the one that goes wrong or when a step beneath it does.
fn fails_with(journey: &Journey, place: usize) -> bool {
    let mut at = Some(journey.fails_at);
    while let Some(failing) = at {
        if failing == place {
            return true;
        }
        at = journey.steps[failing].parent.map(|parent| parent as usize);
    }
    false
}

fn span(maker: &mut Maker<'_>, trace: u32, journey: &Journey, place: usize, fails: bool) -> Span {
    let step = &journey.steps[place];
    let number = u32::try_from(place).unwrap_or(0);
    let mut attributes = maker.attributes(trace, &step.attributes);
    attributes.extend(maker.attributes(trace, &COMMON));
    if fails {
        attributes.push(text(ERROR_TYPE, "declined"));
        if let Some(state) = attributes.iter_mut().find(|pair| pair.key == SAGA_STATE) {
            *state = text(SAGA_STATE, "compensated");
        }
    }
    let parent = step.parent.map(|parent| maker.holes.span_id(trace, parent));
    Span {
        trace_id: maker.holes.trace_id(trace),
        span_id: maker.holes.span_id(trace, number),
        parent_span_id: parent.unwrap_or_default(),
        name: step.name.to_owned(),
        kind: step.kind,
        start_time_unix_nano: maker.holes.time(trace, step.micros.0 * 1_000),
        end_time_unix_nano: maker.holes.time(trace, step.micros.1 * 1_000),
        attributes,
        events: events(maker, trace, step, fails && place == journey.fails_at),
        links: links(maker, trace),
        status: fails.then(|| Status {
            code: ERROR,
            message: "the issuer declined the charge".to_owned(),
        }),
        flags: FLAGS,
        ..Span::default()
    }
}

fn events(maker: &mut Maker<'_>, trace: u32, step: &Step, threw: bool) -> Vec<Event> {
    let (name, attributes) = if threw {
        ("exception", maker.attributes(trace, &FAILURE))
    } else if maker.random.per_mille(EVENTFUL_PER_MILLE) {
        ("retry.waited", maker.attributes(trace, &[("retry.attempts", UpTo(3))]))
    } else {
        return Vec::new();
    };
    vec![Event {
        time_unix_nano: maker.holes.time(trace, step.micros.1 * 900),
        name: name.to_owned(),
        attributes,
        ..Event::default()
    }]
}

/// To the trace before: what caused this one, such as the order that a letter is about.
fn links(maker: &mut Maker<'_>, trace: u32) -> Vec<Link> {
    if trace == 0 || !maker.random.per_mille(LINKED_PER_MILLE) {
        return Vec::new();
    }
    vec![Link {
        trace_id: maker.holes.trace_id(trace - 1),
        span_id: maker.holes.span_id(trace - 1, 0),
        flags: FLAGS,
        ..Link::default()
    }]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use bytes::BytesMut;

    use super::*;

    fn spans(of: u32) -> (BytesMut, Vec<Span>) {
        let template = request(&mut Random::new(3), of);
        let mut bytes = BytesMut::new();
        template.fill(&mut bytes, 3, 9, 1_763_000_000_000_000_000);
        let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
        let spans = scopes.flat_map(|spans| spans.spans).collect();
        (bytes, spans)
    }

    #[test]
    fn a_request_has_its_spans_in_whole_traces_of_about_512_bytes_a_span() {
        let (bytes, spans) = spans(512);
        assert_eq!(spans.len(), 512);
        let bytes_a_span = bytes.len() / 512;
        assert!((490..=535).contains(&bytes_a_span), "{bytes_a_span}");
        let mut traces: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
        for span in &spans {
            assert!((12..=13).contains(&span.attributes.len()), "{}", span.name);
            assert!(span.start_time_unix_nano < span.end_time_unix_nano);
            traces.entry(&span.trace_id).or_default().insert(&span.span_id);
        }
        assert_eq!(traces.len(), 64);
        assert!(traces.values().all(|ids| ids.len() == 8));
        for span in spans.iter().filter(|span| !span.parent_span_id.is_empty()) {
            assert!(traces[&*span.trace_id].contains(&*span.parent_span_id), "{}", span.name);
        }
    }

    #[test]
    fn about_one_span_of_a_hundred_fails_and_some_have_events_and_links() {
        let (_, spans) = spans(20_000);
        let share = |holds: fn(&Span) -> bool| spans.iter().filter(|span| holds(span)).count() * 1_000 / spans.len();
        let failing = share(|span| span.status.is_some());
        assert!((7..=16).contains(&failing), "{failing}");
        assert!(share(|span| !span.events.is_empty()) > 30);
        assert!(share(|span| !span.links.is_empty()) > 10);
    }

    #[test]
    fn any_number_of_spans_can_be_asked_for() {
        for number in [1, 7, 8, 9, 100] {
            assert_eq!(spans(number).1.len(), number as usize);
        }
    }
}
