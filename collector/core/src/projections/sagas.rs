//! Saga instances and types: who told what, where each instance stands, which are stuck.
//!
//! An instance is the *set* of what was told about it; its row is a pure function of that set ([`replay`]), so order,
//! repeats and late arrival cannot matter. The row is drawn anew for each batch that tells something, and by
//! [`Sagas::tick`] when its deadline passes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use sagascope_api::Time;
use sagascope_api::overview::SagaTypeSummary;
use sagascope_api::sagas::{Saga, SagaDetail, SagaType};
use sagascope_conventions::SagaState;
use serde::{Deserialize, Serialize};

use self::instance::{Drawn, Instance};
use self::telling::Addressed;
use self::types::{Share, TypeNumbers};
use super::HashMap;
use super::keys::{Keyed, Keys};
use super::names::{Names, cut};
use crate::block::{LogRef, SpanRef};
use crate::rows::TraceId;

#[cfg(test)]
mod choreography_tests;
mod instance;
mod order;
mod replay;
mod telling;
#[cfg(test)]
mod tests;
mod types;

/// Types counted; instances of further ones are held, but not summed up.
const TYPES_MAX: usize = 200;
/// Instances handed out at once that had completed before anyone heard of them; of more, the newest. Nobody can follow
/// thousands a second, and each would go to every watcher; queries find them all.
const COMPLETED_UNHEARD_MAX: usize = 200;
/// The same of those that run as they should; one that gets stuck, fails or is undone is always told.
const RUNNING_UNHEARD_MAX: usize = 500;
/// Traces with faults remembered until their saga is known.
const FAULTY_TRACES_MAX: usize = 4_096;

/// Place of an instance in [`Sagas::held`].
type Place = u32;

/// A breaker as those who wait on it name it: caller and breaker.
pub(super) type BreakerName = (Arc<str>, Arc<str>);

/// All sagas.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sagas {
    limit: usize,
    held: Vec<Option<Box<Held>>>,
    free: Vec<Place>,
    /// Places by name and id; follows from `held`.
    #[serde(skip)]
    by_key: ByKey,
    by_trace: BTreeSet<(TraceId, Place)>,
    /// Begin and place of all, and of those not ended.
    by_start: BTreeSet<(Time, Place)>,
    open: BTreeSet<(Time, Place)>,
    /// From when on each open instance is stuck.
    due: BTreeSet<(Time, Place)>,
    types: BTreeMap<Arc<str>, TypeNumbers>,
    faulty_traces: HashMap<TraceId, Vec<Arc<str>>>,
    /// Instances that wait, by the caller and breaker they wait on, then by saga type.
    waiting: HashMap<BreakerName, BTreeMap<Arc<str>, u64>>,
    /// Told of since their rows were drawn.
    #[serde(skip)]
    stale: Vec<Place>,
    /// Rows drawn since changes were last taken.
    #[serde(skip)]
    changed: Vec<Place>,
    #[serde(skip)]
    removed: Vec<String>,
    /// Breakers whose waiting sagas changed since last asked.
    #[serde(skip)]
    waiting_changed: BTreeSet<BreakerName>,
    lost: u64,
    aged_out: u64,
}

type Instances = [Option<Box<Held>>];

/// Instances by name and id, which they keep themselves.
#[derive(Debug, Default)]
struct ByKey {
    places: HashTable<Place>,
    hasher: RandomState,
}

impl ByKey {
    fn find(&self, held: &Instances, name: &str, id: &str) -> Option<Place> {
        let hash = self.hasher.hash_one((name, id));
        let found = self.places.find(hash, |place| {
            held[*place as usize]
                .as_ref()
                .is_some_and(|held| held.instance.is(name, id))
        });
        found.copied()
    }

    fn insert(&mut self, held: &Instances, place: Place) {
        let Self { places, hasher } = self;
        let hash = |place: &Place| {
            let held = held[*place as usize].as_ref();
            hasher.hash_one(held.map(|held| held.instance.key()).unwrap_or_default())
        };
        places.insert_unique(hash(&place), place, hash);
    }

    fn remove(&mut self, instance: &Instance, place: Place) {
        let hash = self.hasher.hash_one(instance.key());
        if let Ok(entry) = self.places.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
    }
}

/// One instance with what was drawn of it.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    instance: Instance,
    #[serde(skip)]
    drawn: Option<Drawn>,
    share: Option<Share>,
    due: Option<Time>,
    waits_on: Option<BreakerName>,
    name: Arc<str>,
    #[serde(skip)]
    is_stale: bool,
    #[serde(skip)]
    is_changed: bool,
    /// Its row was among changes that were taken.
    #[serde(skip)]
    is_heard_of: bool,
}

impl Sagas {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            held: Vec::new(),
            free: Vec::new(),
            by_key: ByKey::default(),
            by_trace: BTreeSet::new(),
            by_start: BTreeSet::new(),
            open: BTreeSet::new(),
            due: BTreeSet::new(),
            types: BTreeMap::new(),
            faulty_traces: HashMap::default(),
            waiting: HashMap::default(),
            stale: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            waiting_changed: BTreeSet::new(),
            lost: 0,
            aged_out: 0,
        }
    }

    /// Bounded by `limit` from now on; draws the rows, which follow from the rest, and shares names again.
    pub(super) fn restored(&mut self, limit: usize, names: &mut Names, now: Time) {
        self.limit = limit.max(1);
        for held in self.held.iter_mut().flatten() {
            held.name = names.share(&held.name);
            held.instance.share_names(names);
            let facts = held.instance.told();
            held.drawn = facts.map(|facts| Drawn::of(&facts, now));
        }
        for place in (0..self.held.len()).filter(|place| self.held[*place].is_some()) {
            self.by_key.insert(&self.held, place as Place);
        }
    }

    /// Joins a log record when it is a state event of a saga.
    pub(super) fn apply_log(&mut self, log: LogRef<'_>, keys: &mut Keys, names: &mut Names) {
        if let Some(addressed) = telling::of_log(log, keys, names) {
            self.tell(addressed, names);
        }
    }

    /// Joins a span when it is one of a saga.
    pub(super) fn apply_span(&mut self, span: SpanRef<'_>, keyed: &Keyed<'_>, names: &mut Names) {
        if let Some(addressed) = telling::of_span(span, keyed, names) {
            self.tell(addressed, names);
        }
    }

    /// A fault acted on a span of this trace: it touched the sagas that the trace belongs to.
    pub(super) fn touch_by_fault(&mut self, trace: TraceId, fault: &Arc<str>) {
        let told = self.by_trace.range((trace, 0)..=(trace, Place::MAX));
        for place in told.map(|(_, place)| *place).collect::<Vec<_>>() {
            if let Some(held) = self.held[place as usize].as_mut() {
                held.instance.touch_by_fault(fault);
                self.mark_stale(place);
            }
        }
        if self.faulty_traces.len() == FAULTY_TRACES_MAX && !self.faulty_traces.contains_key(&trace) {
            self.faulty_traces.clear();
        }
        let faults = self.faulty_traces.entry(trace).or_default();
        if faults.len() < 16 && !faults.contains(fault) {
            faults.push(Arc::clone(fault));
        }
    }

    /// Draws the rows of all instances told of since the last call.
    pub(super) fn settle(&mut self, now: Time) {
        for place in std::mem::take(&mut self.stale) {
            self.redraw(place, now);
        }
        self.make_room();
    }

    /// Flags the instances whose deadline has passed.
    pub(super) fn tick(&mut self, now: Time) {
        while let Some((due, place)) = self.due.first().copied().filter(|(due, _)| *due < now) {
            self.due.remove(&(due, place));
            self.redraw(place, now);
        }
    }

    /// Rows drawn, and keys let go, since the last call.
    pub(super) fn take_changes(&mut self) -> Option<(Vec<Saga>, Vec<String>)> {
        let removed = std::mem::take(&mut self.removed);
        let mut rows = Vec::new();
        let (mut completed, mut running) = (COMPLETED_UNHEARD_MAX, RUNNING_UNHEARD_MAX);
        for place in std::mem::take(&mut self.changed).into_iter().rev() {
            let Some(held) = self.held[place as usize].as_mut() else {
                continue;
            };
            // A place given to another instance meanwhile stands twice.
            if !std::mem::take(&mut held.is_changed) {
                continue;
            }
            let Some(drawn) = &held.drawn else { continue };
            let left = match drawn.state {
                _ if held.is_heard_of || drawn.stuck => None,
                SagaState::Completed => Some(&mut completed),
                SagaState::Running => Some(&mut running),
                _ => None,
            };
            if let Some(left) = left {
                if *left == 0 {
                    continue;
                }
                *left -= 1;
            }
            held.is_heard_of = true;
            rows.push(held.instance.row(drawn));
        }
        rows.reverse();
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    /// Unended ones first, the newest in front.
    pub(super) fn snapshot(&self, limit: usize) -> Vec<Saga> {
        let is_open = |at: &&(Time, Place)| self.open.contains(*at);
        let ended = self.by_start.iter().rev().filter(|at| !is_open(at));
        self.open
            .iter()
            .rev()
            .chain(ended)
            .filter_map(|(_, place)| self.row(*place))
            .take(limit)
            .collect()
    }

    /// Newest first.
    pub(super) fn rows(&self) -> impl Iterator<Item = Saga> {
        self.by_start.iter().rev().filter_map(|(_, place)| self.row(*place))
    }

    /// One instance; of equal ids the newest, or the one of this type.
    pub(super) fn detail(&self, id: &str, name: Option<&str>) -> Option<(SagaDetail, BTreeSet<&str>)> {
        let place = match name {
            Some(name) => self.by_key.find(&self.held, name, id)?,
            None => self
                .types
                .keys()
                .filter_map(|name| self.by_key.find(&self.held, name, id))
                .max_by_key(|place| self.drawn(*place).map(|drawn| drawn.started_at))?,
        };
        let held = self.held[place as usize].as_ref()?;
        let facts = held.instance.told()?;
        let detail = SagaDetail {
            saga: held.instance.row(held.drawn.as_ref()?),
            steps: instance::steps(&facts),
            events: held.instance.events(),
            breakers: Vec::new(),
        };
        Some((detail, held.instance.services()))
    }

    pub(super) fn type_graph(&self, name: &str) -> Option<SagaType> {
        self.types.get(name).map(|numbers| numbers.graph(name))
    }

    pub(super) fn type_summaries(&self, now: Time) -> Vec<SagaTypeSummary> {
        self.types
            .iter()
            .map(|(name, numbers)| numbers.summary(name, now))
            .collect()
    }

    /// Instances that wait on a breaker, by saga type.
    pub(super) fn waiting_on(&self, caller: &Arc<str>, breaker: &Arc<str>) -> BTreeMap<String, u64> {
        self.waiting
            .get(&(Arc::clone(caller), Arc::clone(breaker)))
            .into_iter()
            .flatten()
            .map(|(name, count)| (name.to_string(), *count))
            .collect()
    }

    /// Breakers, as caller and name, whose waiting sagas changed since the last call.
    pub(super) fn take_waiting_changes(&mut self) -> BTreeSet<BreakerName> {
        std::mem::take(&mut self.waiting_changed)
    }

    /// Let go before they ended.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Let go after they ended.
    pub(super) const fn aged_out(&self) -> u64 {
        self.aged_out
    }

    fn tell(&mut self, addressed: Addressed<'_>, names: &mut Names) {
        let place = self.place(addressed.name, addressed.id, names);
        let Some(held) = self.held[place as usize].as_mut() else {
            return;
        };
        let traces = addressed.tellings.iter().map(|telling| telling.trace_id);
        let is_of_known_traces = traces
            .flatten()
            .all(|trace| held.instance.traces().binary_search(&trace).is_ok());
        if is_of_known_traces {
            held.instance.tell(addressed);
        } else {
            let before = held.instance.traces().to_vec();
            held.instance.tell(addressed);
            for trace in &before {
                self.by_trace.remove(&(*trace, place));
            }
            let mut faults: Vec<Arc<str>> = Vec::new();
            for trace in held.instance.traces() {
                self.by_trace.insert((*trace, place));
                if !before.contains(trace) {
                    faults.extend(self.faulty_traces.get(trace).into_iter().flatten().cloned());
                }
            }
            for fault in faults {
                held.instance.touch_by_fault(&fault);
            }
        }
        self.mark_stale(place);
    }

    fn place(&mut self, name: &str, id: &str, names: &mut Names) -> Place {
        let (name, id) = (cut(name), cut(id));
        if let Some(place) = self.by_key.find(&self.held, name, id) {
            return place;
        }
        let name = names.share(name);
        let held = Some(Box::new(Held {
            instance: Instance::new(Arc::clone(&name), id),
            drawn: None,
            share: None,
            due: None,
            waits_on: None,
            name,
            is_stale: false,
            is_changed: false,
            is_heard_of: false,
        }));
        let place = match self.free.pop() {
            Some(place) => {
                self.held[place as usize] = held;
                place
            }
            None => {
                self.held.push(held);
                (self.held.len() - 1) as Place
            }
        };
        self.by_key.insert(&self.held, place);
        place
    }

    fn mark_stale(&mut self, place: Place) {
        if let Some(held) = self.held[place as usize].as_mut().filter(|held| !held.is_stale) {
            held.is_stale = true;
            self.stale.push(place);
        }
    }

    /// Draws the row anew and brings every index and number in line with it.
    fn redraw(&mut self, place: Place, now: Time) {
        let Some(mut held) = self.held[place as usize].take() else {
            return;
        };
        held.is_stale = false;
        if let Some(facts) = held.instance.facts() {
            let drawn = Drawn::of(&facts, now);
            self.index(place, held.drawn.as_ref(), &drawn);
            self.count(&mut held, &facts, &drawn, now);
            self.await_deadline(place, &mut held, facts.stuck_from.filter(|_| !drawn.stuck));
            let waits_on = held.instance.waits_on_breaker(&facts);
            self.wait(&mut held, waits_on);
            if held.instance.take_is_changed() || held.drawn.as_ref() != Some(&drawn) {
                held.drawn = Some(drawn);
                if !held.is_changed {
                    held.is_changed = true;
                    self.changed.push(place);
                }
            }
        }
        self.held[place as usize] = Some(held);
    }

    fn index(&mut self, place: Place, old: Option<&Drawn>, new: &Drawn) {
        if let Some(old) = old {
            if (old.started_at, old.state.is_final()) == (new.started_at, new.state.is_final()) {
                return;
            }
            self.by_start.remove(&(old.started_at, place));
            self.open.remove(&(old.started_at, place));
        }
        self.by_start.insert((new.started_at, place));
        if !new.state.is_final() {
            self.open.insert((new.started_at, place));
        }
    }

    fn count(&mut self, held: &mut Held, facts: &replay::Facts, drawn: &Drawn, now: Time) {
        if !self.types.contains_key(&held.name) {
            if self.types.len() == TYPES_MAX {
                return;
            }
            self.types.insert(Arc::clone(&held.name), TypeNumbers::default());
        }
        let Some(numbers) = self.types.get_mut(&held.name) else {
            return;
        };
        let known = held.drawn.as_ref().map(|drawn| drawn.started_at);
        match (held.share.take(), known) {
            (Some(share), Some(known)) if known != drawn.started_at => {
                numbers.remove(&share);
                numbers.started_earlier(known, drawn.started_at, now);
            }
            (Some(share), _) => numbers.remove(&share),
            (None, _) => numbers.started(drawn.started_at, now),
        }
        held.share = Some(numbers.add(facts, drawn.stuck));
    }

    fn await_deadline(&mut self, place: Place, held: &mut Held, due: Option<Time>) {
        if held.due == due {
            return;
        }
        if let Some(old) = held.due.take() {
            self.due.remove(&(old, place));
        }
        if let Some(due) = due {
            self.due.insert((due, place));
            held.due = Some(due);
        }
    }

    fn wait(&mut self, held: &mut Held, on: Option<BreakerName>) {
        if held.waits_on == on {
            return;
        }
        if let Some(old) = std::mem::replace(&mut held.waits_on, on.clone()) {
            if let Some(types) = self.waiting.get_mut(&old) {
                let left = types.get_mut(&held.name).map_or(0, |count| {
                    *count = count.saturating_sub(1);
                    *count
                });
                if left == 0 {
                    types.remove(&held.name);
                }
                if types.is_empty() {
                    self.waiting.remove(&old);
                }
            }
            self.waiting_changed.insert(old);
        }
        if let Some(on) = on {
            let types = self.waiting.entry(on.clone()).or_default();
            *types.entry(Arc::clone(&held.name)).or_default() += 1;
            self.waiting_changed.insert(on);
        }
    }

    /// Lets go of an eighth at once when there are too many, so that the search for them is paid for rarely: ended
    /// ones first, then those unchanged for longest.
    fn make_room(&mut self) {
        if self.by_start.len() <= self.limit {
            return;
        }
        let surplus = self.by_start.len() - self.limit + self.limit / 8;
        let mut ranked: Vec<(bool, Time, Place)> = self
            .by_start
            .iter()
            .filter_map(|(_, place)| {
                let drawn = self.drawn(*place)?;
                Some((!drawn.state.is_final(), drawn.updated_at, *place))
            })
            .collect();
        ranked.sort_unstable();
        for (_, _, place) in ranked.into_iter().take(surplus) {
            self.let_go(place);
        }
    }

    fn let_go(&mut self, place: Place) {
        let Some(mut held) = self.held[place as usize].take() else {
            return;
        };
        self.await_deadline(place, &mut held, None);
        self.wait(&mut held, None);
        if let (Some(share), Some(numbers)) = (&held.share, self.types.get_mut(&held.name)) {
            numbers.remove(share);
        }
        for trace in held.instance.traces() {
            self.by_trace.remove(&(*trace, place));
        }
        self.by_key.remove(&held.instance, place);
        if held.drawn.as_ref().is_some_and(|drawn| drawn.state.is_final()) {
            self.aged_out += 1;
        } else {
            self.lost += 1;
        }
        if let Some(drawn) = &held.drawn {
            self.by_start.remove(&(drawn.started_at, place));
            self.open.remove(&(drawn.started_at, place));
            self.removed.push(held.instance.row(drawn).key());
        }
        self.free.push(place);
    }

    fn drawn(&self, place: Place) -> Option<&Drawn> {
        self.held[place as usize].as_ref()?.drawn.as_ref()
    }

    fn row(&self, place: Place) -> Option<Saga> {
        let held = self.held[place as usize].as_ref()?;
        Some(held.instance.row(held.drawn.as_ref()?))
    }
}
