//! The service map: who calls whom, over which topics and databases.
//!
//! A synchronous edge has two witnesses: the caller's client span, which names its peer and also knows of calls that
//! never arrived, and the server span, whose parent names the caller. The fuller of the two counts is shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::services::{MapEdge, MapNode, ServiceMap};
use serde::{Deserialize, Serialize};

use super::HashMap;
use super::calls::{Counts, SLICE_SECONDS, WINDOW_SECONDS, When};
use super::keys::{Key, Keyed};
use super::names::Names;
use super::notes::Notes;
use super::seen::SpanKey;
use super::services::{ServiceId, Services};
use crate::block::{SpanRef, Str};
use crate::rows::{SpanKind, SpanStatus};

/// Silence after which an edge is forgotten, seconds.
const FORGET_SECONDS: f64 = 900.0;
/// Spans that wait for their parents to arrive: one generation; up to two wait.
const ORPHANS: usize = 10_000;

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

/// Place of an edge in [`Map::edges`] until the next [`Map::tick`].
pub(super) type EdgePlace = u32;

/// An edge as a span of this service tells of it, names by the numbers of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum EdgeTold {
    /// It calls a service.
    Calls(ServiceId, Str),
    /// It uses a database, known by its system and name.
    Uses(ServiceId, Str, Option<Str>),
    /// It sends to a topic.
    Sends(ServiceId, Str),
    /// It handles what comes from a topic.
    Handles(ServiceId, Str),
    /// It serves another, by a message or by a request.
    Serves(ServiceId, ServiceId, bool),
}

/// From, to, by message.
type EdgeKey = (Node, Node, bool);

#[derive(Debug, Serialize, Deserialize)]
struct Edge {
    key: EdgeKey,
    since: Time,
    last_at: Time,
    told_by_from: Counts,
    told_by_to: Counts,
}

/// One call as a span tells of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Call {
    at: Time,
    is_error: bool,
}

/// A span whose parent has not arrived.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Orphan {
    service: ServiceId,
    call: Call,
    asynchronous: bool,
}

/// Spans that wait for one parent: mostly a single one.
#[derive(Debug, Serialize, Deserialize)]
struct Siblings {
    first: Orphan,
    more: Vec<Orphan>,
}

/// Spans by the parent they wait for. Of too many, those that have waited longest are given up.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Orphans {
    young: HashMap<SpanKey, Siblings>,
    old: HashMap<SpanKey, Siblings>,
    held: usize,
}

impl Orphans {
    fn add(&mut self, parent: SpanKey, orphan: Orphan) {
        if self.held == ORPHANS {
            self.old = std::mem::take(&mut self.young);
            self.held = 0;
        }
        self.held += 1;
        self.young
            .entry(parent)
            .and_modify(|siblings| siblings.more.push(orphan))
            .or_insert_with(|| Siblings {
                first: orphan,
                more: Vec::new(),
            });
    }

    fn take(&mut self, parent: SpanKey) -> impl Iterator<Item = Orphan> + use<> {
        let take = |from: &mut HashMap<SpanKey, Siblings>| (!from.is_empty()).then(|| from.remove(&parent)).flatten();
        let young = take(&mut self.young);
        self.held -= young.as_ref().map_or(0, |siblings| 1 + siblings.more.len());
        let both = [take(&mut self.old), young].into_iter().flatten();
        both.flat_map(|siblings| std::iter::once(siblings.first).chain(siblings.more))
    }
}

/// The whole map.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Map {
    limit: usize,
    edges: Vec<Edge>,
    /// Places by key; follows from the edges.
    #[serde(skip)]
    places: HashMap<EdgeKey, EdgePlace>,
    orphans: Orphans,
    dropped: u64,
}

/// A span in its surroundings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) span: SpanRef<'a>,
    pub(super) id: SpanKey,
    pub(super) keyed: &'a Keyed<'a>,
    pub(super) service: ServiceId,
    /// Key of the parent, and its service when it has arrived.
    pub(super) parent: Option<(SpanKey, Option<ServiceId>)>,
}

impl Map {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            edges: Vec::new(),
            places: HashMap::default(),
            orphans: Orphans::default(),
            dropped: 0,
        }
    }

    /// Bounded by `limit` from now on.
    pub(super) fn restored(&mut self, limit: usize) {
        self.limit = limit;
        self.find_places();
    }

    /// Counts a span seen for the first time.
    pub(super) fn apply(
        &mut self,
        told: Told<'_>,
        services: &Services,
        now: Time,
        names: &mut Names,
        notes: &mut Notes,
    ) {
        let Told {
            span, keyed, service, ..
        } = told;
        let call = Call {
            at: span.end(),
            is_error: span.status() == SpanStatus::Error,
        };
        let mut counting = Counting {
            services,
            now,
            names,
            notes,
        };
        for child in self.orphans.take(told.id) {
            self.join(service, child, span, &mut counting);
        }
        let topic = || keyed.given_number(Key::Destination);
        match span.kind() {
            SpanKind::Client => {
                let either = |a, b| keyed.given_number(a).or_else(|| keyed.given_number(b));
                if let Some(system) = either(Key::DbSystemName, Key::DbSystem) {
                    let edge = EdgeTold::Uses(service, system, keyed.given_number(Key::DbNamespace));
                    self.count(edge, span, call, &mut counting);
                } else if let Some(peer) = either(Key::PeerName, Key::PeerService) {
                    self.count(EdgeTold::Calls(service, peer), span, call, &mut counting);
                }
            }
            SpanKind::Producer => {
                if let Some(topic) = topic() {
                    self.count(EdgeTold::Sends(service, topic), span, call, &mut counting);
                }
            }
            SpanKind::Server | SpanKind::Consumer => match topic().filter(|_| span.kind() == SpanKind::Consumer) {
                Some(topic) => self.count(EdgeTold::Handles(service, topic), span, call, &mut counting),
                None => self.arrive(told, call, &mut counting),
            },
            SpanKind::Internal | SpanKind::Unspecified => {}
        }
    }

    /// Forgets edges that have been silent for long.
    pub(super) fn tick(&mut self, now: Time) {
        let before = self.edges.len();
        self.edges
            .retain(|edge| now.seconds_since(edge.last_at) <= FORGET_SECONDS);
        if self.edges.len() < before {
            self.find_places();
        }
    }

    pub(super) fn rows(&self, services: impl Iterator<Item = Arc<str>>, now: Time) -> ServiceMap {
        let mut nodes: BTreeSet<Node> = services.map(Node::Service).collect();
        let mut edges: Vec<MapEdge> = Vec::with_capacity(self.edges.len());
        for edge in &self.edges {
            let (from, to, asynchronous) = &edge.key;
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
    fn arrive(&mut self, told: Told<'_>, call: Call, counting: &mut Counting<'_>) {
        let Some((parent, of)) = told.parent else { return };
        let orphan = Orphan {
            service: told.service,
            call,
            asynchronous: told.span.kind() == SpanKind::Consumer,
        };
        match of {
            Some(of) => self.join(of, orphan, told.span, counting),
            None => self.orphans.add(parent, orphan),
        }
    }

    fn join(&mut self, parent: ServiceId, child: Orphan, span: SpanRef<'_>, counting: &mut Counting<'_>) {
        if parent != child.service {
            let edge = EdgeTold::Serves(child.service, parent, child.asynchronous);
            self.count(edge, span, child.call, counting);
        }
    }

    fn count(&mut self, told: EdgeTold, span: SpanRef<'_>, call: Call, counting: &mut Counting<'_>) {
        let place = match counting.notes.edges.get(&told) {
            Some(place) => *place,
            None => {
                // A service that is forgotten has no edges any more.
                let Some(key) = told.key(span, counting) else { return };
                let place = self.place(key, call.at.min(counting.now));
                counting.notes.edges.insert(told, place);
                place
            }
        };
        let Some(place) = place else {
            self.dropped += 1;
            return;
        };
        self.edges[place as usize].count(told.side(), call, counting.now);
    }

    /// The place of an edge; `None` when there are too many.
    fn place(&mut self, key: EdgeKey, since: Time) -> Option<EdgePlace> {
        if let Some(place) = self.places.get(&key) {
            return Some(*place);
        }
        if self.edges.len() >= self.limit {
            return None;
        }
        let place = EdgePlace::try_from(self.edges.len()).ok()?;
        self.edges.push(Edge::since(key.clone(), since));
        self.places.insert(key, place);
        Some(place)
    }

    fn find_places(&mut self) {
        let keys = self.edges.iter().map(|edge| edge.key.clone());
        self.places = keys.zip(0..).collect();
    }
}

/// What counting a span of a block needs beside the map.
struct Counting<'a> {
    services: &'a Services,
    now: Time,
    names: &'a mut Names,
    notes: &'a mut Notes,
}

impl EdgeTold {
    const fn side(self) -> Side {
        match self {
            Self::Calls(..) | Self::Uses(..) | Self::Sends(..) => Side::From,
            Self::Handles(..) | Self::Serves(..) => Side::To,
        }
    }

    fn key(self, span: SpanRef<'_>, counting: &mut Counting<'_>) -> Option<EdgeKey> {
        let service = |id| counting.services.name(id).cloned();
        let strings = &span.block().tables.strings;
        let mut share = |text: Str| counting.names.share(strings.get(text));
        Some(match self {
            Self::Calls(me, peer) => (Node::Service(service(me)?), Node::Service(share(peer)), false),
            Self::Uses(me, _, Some(namespace)) => {
                (Node::Service(service(me)?), Node::Database(share(namespace)), false)
            }
            Self::Uses(me, system, None) => {
                let me = service(me)?;
                // Without a name of its own it is taken for the service's own.
                let own = counting.names.share(&format!("{me} {}", strings.get(system)));
                (Node::Service(me), Node::Database(own), false)
            }
            Self::Sends(me, topic) => (Node::Service(service(me)?), Node::Topic(share(topic)), true),
            Self::Handles(me, topic) => (Node::Topic(share(topic)), Node::Service(service(me)?), true),
            Self::Serves(me, parent, asynchronous) => (
                Node::Service(service(parent)?),
                Node::Service(service(me)?),
                asynchronous,
            ),
        })
    }
}

impl Edge {
    fn since(key: EdgeKey, since: Time) -> Self {
        let counts = || Counts::over_slices((WINDOW_SECONDS / SLICE_SECONDS) as usize);
        Self {
            key,
            since,
            last_at: since,
            told_by_from: counts(),
            told_by_to: counts(),
        }
    }

    fn count(&mut self, side: Side, Call { at, is_error }: Call, now: Time) {
        self.since = self.since.min(at);
        self.last_at = self.last_at.max(at.min(now));
        let counts = match side {
            Side::From => &mut self.told_by_from,
            Side::To => &mut self.told_by_to,
        };
        counts.add(When::of(at, now), is_error);
    }

    fn rate(&self, now: Time) -> (f64, f64) {
        let from = self.told_by_from.rate(self.since, now);
        let to = self.told_by_to.rate(self.since, now);
        if from.0 >= to.0 { from } else { to }
    }
}
