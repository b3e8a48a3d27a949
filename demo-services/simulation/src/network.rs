//! The network between the machines: each message takes its time, and some do not arrive, or twice, or late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shop_kit::topology::{SERVICES, Topology};
use shop_kit::transport::{Broken, Transport};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::story::Story;
use crate::trouble::Trouble;

/// Name of the collector in the network.
pub(crate) const COLLECTOR: &str = "collector";
/// One way of an ordinary message, milliseconds.
const ORDINARY_MS: std::ops::RangeInclusive<u64> = 1..=20;
/// One way of a late one: up to twice the time that callers wait.
const LATE_MS: std::ops::RangeInclusive<u64> = 200..=4_000;
/// Share of messages that each kind of weather hits.
const SHARE: f64 = 0.04;

/// Who answers requests.
pub(crate) trait Hosts: Send + Sync + 'static {
    /// Gives a request to the machine `to`; `None` when nobody listens there. Work that has begun can be cut off.
    fn deliver(&self, to: &'static str, request: Request<Bytes>) -> Option<Work>;
}

/// Work on a request.
pub(crate) struct Work {
    /// Its answer; an error when the machine dies.
    pub(crate) answer: oneshot::Receiver<Response<Bytes>>,
    /// Ends it.
    pub(crate) cut: Box<dyn FnOnce() + Send>,
}

/// A cheap clone.
#[derive(Clone)]
pub(crate) struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    topology: Topology,
    story: Story,
    state: Mutex<State>,
    journeys: Mutex<JoinSet<()>>,
    hosts: Mutex<Option<Arc<dyn Hosts>>>,
}

struct State {
    dice: StdRng,
    weather: BTreeSet<Trouble>,
    cut: BTreeSet<(&'static str, &'static str)>,
    /// Requests that are answered as done and never delivered: by service and path.
    swallowed: Option<(&'static str, &'static str)>,
    /// One message that is lost.
    loss: Option<Loss>,
    /// Every request arrives twice.
    twice: bool,
    messages: u64,
    delivered: BTreeMap<&'static str, u64>,
}

/// The first message of its kind from now on, which is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// To which service.
    pub service: &'static str,
    /// How the path of the request ends.
    pub path_ends: &'static str,
    /// The answer to it, and not the request.
    pub answer: bool,
}

/// What becomes of one message, decided when it is sent.
#[derive(Clone, Copy)]
struct Fate {
    number: u64,
    there: Duration,
    back: Duration,
    lost_request: bool,
    lost_answer: bool,
    again_after: Option<Duration>,
    cuts_off: bool,
}

impl Network {
    pub(crate) fn new(seed: u64, topology: Topology, story: Story) -> Self {
        let state = State {
            dice: StdRng::seed_from_u64(seed ^ 0x6e65_7477_6f72_6b00),
            weather: BTreeSet::new(),
            cut: BTreeSet::new(),
            swallowed: None,
            loss: None,
            twice: false,
            messages: 0,
            delivered: BTreeMap::new(),
        };
        let shared = Shared {
            topology,
            story,
            state: Mutex::new(state),
            journeys: Mutex::default(),
            hosts: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Requests go to `hosts` from now on.
    pub(crate) fn connect(&self, hosts: Arc<dyn Hosts>) {
        *self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner) = Some(hosts);
    }

    /// Ends every message under way, and lets go of the hosts.
    pub(crate) fn close(&self) {
        self.shared
            .journeys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
        *self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The weather from now on.
    pub(crate) fn weather(&self, kinds: impl IntoIterator<Item = Trouble>) {
        self.state().weather = kinds.into_iter().filter(|kind| kind.is_weather()).collect();
    }

    /// The two cannot reach each other, until it is mended.
    pub(crate) fn part(&self, one: &'static str, other: &'static str) {
        self.state().cut.extend([(one, other), (other, one)]);
    }

    /// They can again.
    pub(crate) fn mend(&self, one: &'static str, other: &'static str) {
        let mut state = self.state();
        state.cut.remove(&(one, other));
        state.cut.remove(&(other, one));
    }

    /// Everybody reaches everybody, and the weather is fine.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.cut.clear();
        state.weather.clear();
    }

    /// Every request arrives twice, or once again.
    pub(crate) fn twice(&self, twice: bool) {
        self.state().twice = twice;
    }

    /// Loses one message.
    pub(crate) fn lose(&self, loss: Loss) {
        self.state().loss = Some(loss);
    }

    /// A mutant of the cluster: such requests are answered as done, and nobody does them.
    pub(crate) fn swallow(&self, service: &'static str, path_ends: &'static str) {
        self.state().swallowed = Some((service, path_ends));
    }

    /// How requests of `from` leave it.
    pub(crate) fn transport(&self, from: &'static str) -> Transport {
        let network = self.clone();
        Transport::simulated(Arc::new(move |request| {
            Box::pin(network.clone().exchange(from, request))
        }))
    }

    async fn exchange(self, from: &'static str, request: Request<Bytes>) -> Result<Response<Bytes>, Broken> {
        let Some(to) = self.whom(request.uri()) else {
            return Err(Broken::Unreachable);
        };
        let fate = self.doomed(to, request.uri().path(), self.fate());
        let (answer, answered) = oneshot::channel();
        self.go(self.clone().journey(from, to, request, fate, answer));
        match answered.await {
            Ok(answer) => answer,
            // Lost: the caller waits until it has had enough.
            Err(_) => std::future::pending().await,
        }
    }

    async fn journey(
        self,
        from: &'static str,
        to: &'static str,
        request: Request<Bytes>,
        fate: Fate,
        mut answer: oneshot::Sender<Result<Response<Bytes>, Broken>>,
    ) {
        let what = format!(
            "#{} {from} → {to} {} {}",
            fate.number,
            request.method(),
            request.uri().path()
        );
        tokio::time::sleep(fate.there).await;
        if fate.lost_request {
            return self.shared.story.trouble(Trouble::LostRequest, &what);
        }
        if self.is_cut(from, to) {
            return self.shared.story.tell(format_args!("{what} stopped by a partition"));
        }
        // Of a long poll whose answer goes nowhere only a wait would come.
        let after = fate
            .again_after
            .filter(|_| !(self.state().twice && request.uri().path().ends_with("/fetch")));
        if let Some(after) = after {
            self.go(self.clone().repeat(to, request.clone(), after, what.clone()));
        }
        if self.is_swallowed(to, &request) {
            // The one who asked may be gone.
            let _ = answer.send(Ok(Response::new(Bytes::from_static(b"{}"))));
            return;
        }
        let Some(Work { answer: done, cut }) = self.deliver(to, request) else {
            tokio::time::sleep(fate.back).await;
            let _ = answer.send(Err(Broken::Unreachable));
            return;
        };
        let response = tokio::select! {
            biased;
            done = done => done.map_err(|_| Broken::Cut),
            () = answer.closed(), if fate.cuts_off => {
                self.shared.story.trouble(Trouble::CutOff, &what);
                return cut();
            }
        };
        match &response {
            Ok(response) => self
                .shared
                .story
                .tell(format_args!("{what} {}", response.status().as_u16())),
            Err(_) => self
                .shared
                .story
                .tell(format_args!("{what} broken: the other side died")),
        }
        if fate.lost_answer && response.is_ok() {
            return self.shared.story.trouble(Trouble::LostAnswer, &what);
        }
        tokio::time::sleep(fate.back).await;
        if !self.is_cut(from, to) {
            // The one who asked may be gone.
            let _ = answer.send(response);
        }
    }

    /// The same request once more; nobody hears the answer.
    async fn repeat(self, to: &'static str, request: Request<Bytes>, after: Duration, what: String) {
        tokio::time::sleep(after).await;
        self.shared.story.trouble(Trouble::Duplicate, &what);
        if let Some(work) = self.deliver(to, request) {
            // Whatever it is: it was answered before.
            let _ = work.answer.await;
        }
    }

    fn deliver(&self, to: &'static str, request: Request<Bytes>) -> Option<Work> {
        let hosts = self
            .shared
            .hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let work = hosts.deliver(to, request)?;
        *self.state().delivered.entry(to).or_default() += 1;
        Some(work)
    }

    fn go(&self, journey: impl Future<Output = ()> + Send + 'static) {
        let mut journeys = self.shared.journeys.lock().unwrap_or_else(PoisonError::into_inner);
        while journeys.try_join_next().is_some() {}
        journeys.spawn(journey);
    }

    fn fate(&self) -> Fate {
        let mut state = self.state();
        state.messages += 1;
        let number = state.messages;
        let (weather, twice) = (state.weather.clone(), state.twice);
        let dice = &mut state.dice;
        let mut hit = |kind: Trouble| dice.random_bool(SHARE) && weather.contains(&kind);
        let lost_request = hit(Trouble::LostRequest);
        let lost_answer = hit(Trouble::LostAnswer);
        let duplicate = hit(Trouble::Duplicate);
        let (late_there, late_back) = (hit(Trouble::Overtaken), hit(Trouble::Overtaken));
        let mut way = |late: bool| Duration::from_millis(dice.random_range(if late { LATE_MS } else { ORDINARY_MS }));
        let (there, back) = (way(late_there), way(late_back));
        let again = way(late_there);
        let cuts_off = weather.contains(&Trouble::CutOff) && dice.random_bool(0.5);
        drop(state);
        if late_there || late_back {
            self.shared
                .story
                .trouble(Trouble::Overtaken, format_args!("#{number} is late"));
        }
        Fate {
            number,
            there,
            back,
            lost_request,
            lost_answer,
            again_after: (duplicate || twice).then_some(again),
            cuts_off,
        }
    }

    /// The same fate, but for the one message that is to be lost.
    fn doomed(&self, to: &'static str, path: &str, fate: Fate) -> Fate {
        let mut state = self.state();
        let is_it = |loss: &Loss| loss.service == to && path.ends_with(loss.path_ends);
        match state.loss.take_if(|loss| is_it(loss)) {
            Some(Loss { answer: true, .. }) => Fate {
                lost_answer: true,
                ..fate
            },
            Some(_) => Fate {
                lost_request: true,
                ..fate
            },
            None => fate,
        }
    }

    fn whom(&self, uri: &Uri) -> Option<&'static str> {
        let (topology, port) = (self.shared.topology, uri.port_u16()?);
        if port == topology.port_base() + 1 {
            return Some(COLLECTOR);
        }
        SERVICES.into_iter().find(|name| topology.port(name) == Some(port))
    }

    fn is_cut(&self, one: &'static str, other: &'static str) -> bool {
        self.state().cut.contains(&(one, other))
    }

    fn is_swallowed(&self, to: &'static str, request: &Request<Bytes>) -> bool {
        let swallowed = self.state().swallowed;
        swallowed.is_some_and(|(service, path)| service == to && request.uri().path().ends_with(path))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
