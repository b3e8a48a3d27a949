//! Every case of a choreographed order within bounds, one by one: which service refuses × how each undo fails × whose
//! messages come twice × after how many messages all services die. The orchestrated counterpart is beside the saga
//! machine of the kit.

use std::time::Duration;

use sagascope_conventions::OrderFlow;
use shop_kit::broker::Message;
use shop_kit::choreography;
use tokio::task::JoinSet;

use super::bus::{Bus, End};
use super::fakes::{Peers, Trouble};
use super::flows::{cancelled, confirmed};

const PATIENT: Duration = Duration::from_secs(30);
const SERVICES: [&str; 3] = ["inventory", "payments", "shipping"];
const STEPS: [&str; 3] = ["reserve", "charge", "ship"];
const UNDOS: [&str; 2] = ["release", "refund"];

/// What becomes of an undo.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Undo {
    Works,
    /// It acts, and then fails.
    FailsOnce,
    /// Until somebody mends what it needs.
    FailsTillMended,
}

#[derive(Clone, Debug)]
struct Case {
    /// Place of the step that is refused; none when it is beyond the last.
    refused: usize,
    undos: Vec<Undo>,
    /// A bit for each service that hears everything twice.
    twice: usize,
    /// All services die after so many messages.
    prefix: usize,
}

impl Case {
    fn peers(&self) -> Peers {
        let peers = Peers::default();
        if let Some(&step) = STEPS.get(self.refused) {
            peers.trouble(step, Trouble::Refused, 1);
        }
        for (&undo, call) in self.undos.iter().zip(UNDOS) {
            match undo {
                Undo::Works => {}
                Undo::FailsOnce => drop(peers.trouble(call, Trouble::AnswerLost, 1)),
                Undo::FailsTillMended => drop(peers.trouble(call, Trouble::Lost, u32::MAX)),
            }
        }
        peers
    }

    fn expected(&self) -> End {
        if self.refused < STEPS.len() {
            cancelled()
        } else {
            confirmed()
        }
    }

    fn times(&self, message: &Message) -> usize {
        let hears = |service: &&str| choreography::reaction(service, &message.event_type).is_some();
        let place = SERVICES.iter().position(hears);
        1 + place.map_or(0, |place| (self.twice >> place) & 1)
    }
}

/// Plays it; false when the order was over before the services could die.
async fn play(case: &Case) -> bool {
    let peers = case.peers();
    let mut bus = Bus::open(&peers, PATIENT);
    bus.place(OrderFlow::Choreographed).await;
    let mut next = 0;
    while next < case.prefix && next < bus.log.len() {
        deliver(case, &mut bus, next).await;
        next += 1;
    }
    let died = next == case.prefix;
    if died {
        bus.restart();
        // Handled, and not acknowledged: it comes again.
        next = next.saturating_sub(1);
    }
    while next < bus.log.len() {
        deliver(case, &mut bus, next).await;
        next += 1;
    }
    if case.undos.contains(&Undo::FailsTillMended) {
        assert!(!bus.end().await.saga.is_final(), "{case:?} is not over");
        peers.heal();
        // Its message comes again; so do the others, and what was handled changes nothing.
        bus.settle(0, 1).await;
    }
    assert_eq!(bus.end().await, case.expected(), "{case:?}");
    died
}

async fn deliver(case: &Case, bus: &mut Bus, place: usize) {
    let message = bus.log[place].clone();
    for _ in 0..case.times(&message) {
        bus.deliver(&message).await;
    }
}

/// All ways in which that many undos fail.
fn undos(count: usize) -> Vec<Vec<Undo>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        let one_more = |before: &Vec<Undo>| {
            [Undo::Works, Undo::FailsOnce, Undo::FailsTillMended].map(|undo| [before.as_slice(), &[undo]].concat())
        };
        all = all.iter().flat_map(one_more).collect();
    }
    all
}

/// A case after the other, until there is no more message after which to die.
async fn every_prefix(mut case: Case) -> usize {
    let mut cases = 0;
    loop {
        let died = play(&case).await;
        cases += 1;
        if !died {
            return cases;
        }
        case.prefix += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g01_g03_every_case_of_a_choreographed_order_ends_as_it_must() {
    let mut all = JoinSet::new();
    for refused in 0..=STEPS.len() {
        let (asked, undone) = ((refused + 1).min(STEPS.len()), refused.min(UNDOS.len()));
        for undos in undos(if refused < STEPS.len() { undone } else { 0 }) {
            for twice in 0..1 << asked {
                all.spawn(every_prefix(Case {
                    refused,
                    undos: undos.clone(),
                    twice,
                    prefix: 0,
                }));
            }
        }
    }
    let cases: usize = all.join_all().await.into_iter().sum();
    println!("choreographed: {cases} cases, every prefix × repeats × failing undos");
    assert!(cases > 400, "{cases}");
}
