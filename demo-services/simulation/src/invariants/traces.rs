//! INV-12.

use std::collections::{BTreeMap, BTreeSet};

use sagascope_api::Time;
use sagascope_api::sagas::SagaDetail;
use sagascope_conventions::events;

use crate::collector::{SeenSpan, SpanKey, Spans};
use crate::evidence::{Evidence, TRANSACTION};

const STEP: &str = "saga.step ";
const COMPENSATE: &str = "saga.compensate ";

/// What the collector has of the traces of sagas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Sagas.
    pub sagas: usize,
    /// Of these, those of whose steps no parent and no link went down with a machine.
    pub whole: usize,
    /// Compensations that link to the step that they undo.
    pub links: usize,
}

/// Each saga is one trace. Each span of a step has its parent, and each span of a compensation links to the last span of
/// the step that it undoes, at the collector; a span that it does not have went down with its machine.
pub(super) fn inv_12_traces(evidence: &Evidence) -> anyhow::Result<Vec<String>> {
    Ok(look(evidence)?.0)
}

/// How whole the traces are.
pub(crate) fn traces(evidence: &Evidence) -> anyhow::Result<Traces> {
    Ok(look(evidence)?.1)
}

fn look(evidence: &Evidence) -> anyhow::Result<(Vec<String>, Traces)> {
    let inner = evidence.collector.lock();
    let mut by_saga: BTreeMap<&(String, String), Vec<(&SpanKey, &SeenSpan)>> = BTreeMap::new();
    for (key, span) in &inner.spans {
        if let Some(saga) = &span.saga {
            by_saga.entry(saga).or_default().push((key, span));
        }
    }
    let (mut found, mut traces) = (Vec::new(), Traces::default());
    let sagas = evidence.all_sagas()?.into_iter().map(|saga| (saga.name, saga.id));
    let transactions = evidence.transactions()?.into_iter();
    for name in sagas.chain(transactions.map(|transaction| (TRANSACTION.to_owned(), transaction.id))) {
        let shown = inner.picture.saga(&name.1, Some(&name.0), Time(0));
        let mut one = OneSaga {
            name: &name,
            spans: by_saga.remove(&name).unwrap_or_default(),
            all: &inner.spans,
            lost: &evidence.lost_spans,
            found: Vec::new(),
            missing: 0,
            links: 0,
        };
        one.check(shown.as_ref());
        traces.sagas += 1;
        traces.whole += usize::from(one.missing == 0);
        traces.links += one.links;
        found.extend(one.found);
    }
    Ok((found, traces))
}

struct OneSaga<'a> {
    /// Name and id.
    name: &'a (String, String),
    spans: Vec<(&'a SpanKey, &'a SeenSpan)>,
    all: &'a Spans,
    lost: &'a BTreeSet<[u8; 8]>,
    found: Vec<String>,
    /// Spans that are pointed at and went down with their machine.
    missing: usize,
    links: usize,
}

impl OneSaga<'_> {
    fn check(&mut self, shown: Option<&SagaDetail>) {
        let events = shown.map(|shown| shown.events.as_slice()).unwrap_or_default();
        let told = events.iter().filter_map(|event| event.trace_id.clone());
        let traces: BTreeSet<String> = self
            .spans
            .iter()
            .map(|(key, _)| key.trace.to_string())
            .chain(told)
            .collect();
        if traces.len() != 1 {
            self.tell(format_args!("is in {} traces: {traces:?}", traces.len()));
        }
        let begun: BTreeSet<&str> = events
            .iter()
            .filter(|event| event.name == events::SAGA_STEP_STARTED)
            .filter_map(|event| event.step.as_deref())
            .collect();
        for (key, span) in self.spans.clone() {
            let undone = span.name.strip_prefix(COMPENSATE);
            if undone.is_none() && !span.name.starts_with(STEP) {
                continue;
            }
            match span.parent {
                Some(parent) => self.must_be_known(SpanKey { span: parent, ..*key }, &span.name, "child"),
                None => self.tell(format_args!("{} has no parent", span.name)),
            }
            if let Some(step) = undone {
                self.check_links(span, step, begun.contains(step));
            }
        }
    }

    fn check_links(&mut self, span: &SeenSpan, step: &str, is_begun: bool) {
        if span.links.len() != usize::from(is_begun) {
            return self.tell(format_args!("{} has {} links", span.name, span.links.len()));
        }
        for &link in &span.links {
            self.must_be_known(link, &span.name, "link");
            match self.all.get(&link) {
                Some(other) if other.name != format!("{STEP}{step}") || other.saga != span.saga => {
                    self.tell(format_args!(
                        "{} links to {} of {:?}",
                        span.name, other.name, other.saga
                    ));
                }
                Some(_) => self.links += 1,
                None => {}
            }
        }
    }

    fn must_be_known(&mut self, key: SpanKey, span: &str, what: &str) {
        if self.all.contains_key(&key) {
            return;
        }
        self.missing += 1;
        if !self.lost.contains(&key.span.0) {
            self.tell(format_args!(
                "{span} is a {what} of {key:?}, which the collector never got"
            ));
        }
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.found.push(format!("saga {} {}: {what}", self.name.0, self.name.1));
    }
}
