//! The service map: who calls whom, over which topics and databases.
//!
//! A synchronous edge has two witnesses: the caller's client span, which names its peer and also knows of calls that
//! never arrived, and the server span, whose parent names the caller. The fuller of the two counts is shown.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::services::{MapEdge, MapNode, ServiceMap};
use serde::{Deserialize, Serialize};

use super::calls::{Counts, SLICE_SECONDS, WINDOW_SECONDS};
use super::marks::Marks;
use super::names::Names;
use crate::block::SpanRef;
use crate::rows::{SpanId, SpanKind, SpanStatus, TraceId};

/// Silence after which an edge is forgotten, seconds.
const FORGET_SECONDS: f64 = 900.0;
/// Spans that wait for their parents to arrive.
const ORPHANS_MAX: usize = 20_000;

/// A place on the map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Node {
    Service(Arc<str>),
    Topic(Arc<str>),
    Database(Arc<str>),
}

impl Node {
    fn row(&self) -> MapNode {
        let (name, kind) = match self {
            Self::Service(name) => (name, "service"),
            Self::Topic(name) => (name, "topic"),
            Self::Database(name) => (name, "database"),
        };
        MapNode {
            name: name.to_string(),
            kind: kind.to_owned(),
        }
    }
}

/// Which side of a call told of it.
#[derive(Clone, Copy, Debug)]
enum Side {
    From,
    To,
}

#[derive(Debug, Serialize, Deserialize)]
struct Edge {
    since: Time,
    last_at: Time,
    told_by_from: Counts,
    told_by_to: Counts,
}

/// A span whose parent has not arrived.
#[derive(Debug, Serialize, Deserialize)]
struct Orphan {
    service: Arc<str>,
    at: Time,
    is_error: bool,
    asynchronous: bool,
}

/// The whole map.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Map {
    limit: usize,
    edges: HashMap<(Node, Node, bool), Edge>,
    orphans: HashMap<(TraceId, SpanId), Vec<Orphan>>,
    orphans_held: usize,
    dropped: u64,
}

impl Map {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            edges: HashMap::new(),
            orphans: HashMap::new(),
            orphans_held: 0,
            dropped: 0,
        }
    }

    /// Bounded by `limit` from now on.
    pub(super) const fn restored(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Counts a span, seen for the first time, of `service`, whose parent belongs to `parent` if that is known.
    pub(super) fn apply(
        &mut self,
        span: SpanRef<'_>,
        marks: &Marks<'_>,
        service: &Arc<str>,
        parent: Option<&Arc<str>>,
        now: Time,
        names: &mut Names,
    ) {
        self.adopt(span, service, now);
        let me = Node::Service(Arc::clone(service));
        let call = (span.end(), span.status() == SpanStatus::Error);
        match span.kind() {
            SpanKind::Client => {
                if let Some(system) = marks.db_system {
                    let name = match marks.db_namespace {
                        Some(namespace) => names.share(namespace),
                        // Without a name of its own it is taken for the service's own.
                        None => names.share(&format!("{service} {system}")),
                    };
                    self.count((me, Node::Database(name), false), Side::From, call, now);
                } else if let Some(peer) = marks.peer {
                    self.count((me, Node::Service(names.share(peer)), false), Side::From, call, now);
                }
            }
            SpanKind::Producer => {
                if let Some(topic) = marks.destination {
                    self.count((me, Node::Topic(names.share(topic)), true), Side::From, call, now);
                }
            }
            SpanKind::Consumer if marks.destination.is_some() => {
                if let Some(topic) = marks.destination {
                    self.count((Node::Topic(names.share(topic)), me, true), Side::To, call, now);
                }
            }
            SpanKind::Server | SpanKind::Consumer => self.arrive(span, service, parent, now),
            SpanKind::Internal | SpanKind::Unspecified => {}
        }
    }

    /// Forgets edges that have been silent for long.
    pub(super) fn tick(&mut self, now: Time) {
        self.edges
            .retain(|_, edge| now.seconds_since(edge.last_at) <= FORGET_SECONDS);
    }

    pub(super) fn rows(&self, services: impl Iterator<Item = Arc<str>>, now: Time) -> ServiceMap {
        let mut nodes: BTreeSet<Node> = services.map(Node::Service).collect();
        let mut edges: Vec<MapEdge> = Vec::with_capacity(self.edges.len());
        for ((from, to, asynchronous), edge) in &self.edges {
            nodes.insert(from.clone());
            nodes.insert(to.clone());
            let (rate_per_second, error_ratio) = edge.rate(now);
            edges.push(MapEdge {
                from: from.row().name,
                to: to.row().name,
                asynchronous: *asynchronous,
                rate_per_second,
                error_ratio,
            });
        }
        edges.sort_by(|a, b| (&a.from, &a.to, a.asynchronous).cmp(&(&b.from, &b.to, b.asynchronous)));
        ServiceMap {
            nodes: nodes.iter().map(Node::row).collect(),
            edges,
        }
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A server span tells of the edge from its parent's service, now or when the parent arrives.
    fn arrive(&mut self, span: SpanRef<'_>, service: &Arc<str>, parent: Option<&Arc<str>>, now: Time) {
        let Some(parent_id) = span.parent_span_id() else { return };
        let orphan = Orphan {
            service: Arc::clone(service),
            at: span.end(),
            is_error: span.status() == SpanStatus::Error,
            asynchronous: span.kind() == SpanKind::Consumer,
        };
        match parent {
            Some(parent) => self.join(parent, orphan, now),
            None => {
                if self.orphans_held == ORPHANS_MAX {
                    self.orphans.clear();
                    self.orphans_held = 0;
                }
                self.orphans
                    .entry((span.trace_id(), parent_id))
                    .or_default()
                    .push(orphan);
                self.orphans_held += 1;
            }
        }
    }

    /// Joins the spans that waited for this one.
    fn adopt(&mut self, span: SpanRef<'_>, service: &Arc<str>, now: Time) {
        if self.orphans.is_empty() {
            return;
        }
        let children = self
            .orphans
            .remove(&(span.trace_id(), span.span_id()))
            .unwrap_or_default();
        self.orphans_held -= children.len();
        for child in children {
            self.join(service, child, now);
        }
    }

    fn join(&mut self, parent: &Arc<str>, child: Orphan, now: Time) {
        if *parent == child.service {
            return;
        }
        let edge = (
            Node::Service(Arc::clone(parent)),
            Node::Service(child.service),
            child.asynchronous,
        );
        self.count(edge, Side::To, (child.at, child.is_error), now);
    }

    fn count(&mut self, key: (Node, Node, bool), side: Side, (at, is_error): (Time, bool), now: Time) {
        if self.edges.len() >= self.limit && !self.edges.contains_key(&key) {
            self.dropped += 1;
            return;
        }
        let edge = self.edges.entry(key).or_insert_with(|| Edge::since(at.min(now)));
        edge.since = edge.since.min(at);
        edge.last_at = edge.last_at.max(at.min(now));
        let counts = match side {
            Side::From => &mut edge.told_by_from,
            Side::To => &mut edge.told_by_to,
        };
        counts.add(at, now, is_error);
    }
}

impl Edge {
    fn since(at: Time) -> Self {
        let counts = || Counts::over_slices((WINDOW_SECONDS / SLICE_SECONDS) as usize);
        Self {
            since: at,
            last_at: at,
            told_by_from: counts(),
            told_by_to: counts(),
        }
    }

    fn rate(&self, now: Time) -> (f64, f64) {
        let from = self.told_by_from.rate(self.since, now);
        let to = self.told_by_to.rate(self.since, now);
        if from.0 >= to.0 { from } else { to }
    }
}
