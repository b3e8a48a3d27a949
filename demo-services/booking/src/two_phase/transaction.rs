//! What the coordinator does next, as a pure state machine: no clock, no database, no calls.
//!
//! Votes are not worth keeping: a coordinator that comes back without a decision decides to abort. The decision is; from
//! then on there is one way only, however often the process is killed on it.

use sagascope_conventions::{SagaState, WaitingFor, attributes};
use serde::{Deserialize, Serialize};
use shop_kit::saga::{Event, SagaEvents, SagaStep};
use shop_kit::two_phase::Decision;

use crate::booking::Price;
use crate::place_booking::PlaceBooking;
use crate::price::{self, Quote};
use crate::remote::Peer;

/// Saga type on the dashboards.
pub(crate) const NAME: &str = "booking-2pc";
/// Between the votes and the decision: where faults hit hardest.
pub(crate) const DECIDE: &str = "2pc.decide";
/// Who takes part, in the order in which they are asked. Payments come last: they must know the price.
const PARTS: [Peer; 3] = [Peer::Hotels, Peer::Cars, Peer::Payments];
const STEPS: [&str; 7] = [
    "prepare.hotels",
    "prepare.cars",
    "prepare.payments",
    "decide",
    "commit.hotels",
    "commit.cars",
    "commit.payments",
];
/// Place of `decide` among the steps; the commits follow it.
const DECIDE_STEP: usize = PARTS.len();

/// One booking on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    /// The booking's id.
    pub(crate) id: String,
    /// Of the request that started it.
    pub(crate) correlation_id: String,
    /// Events told so far.
    pub(crate) sequence: u64,
    /// What was asked for.
    pub(crate) wish: PlaceBooking,
    /// Hotels, cars, payments.
    parts: [Part; PARTS.len()],
    /// All have voted and nothing is decided yet.
    deciding: bool,
    /// How it ends.
    pub(crate) decision: Option<Decision>,
    /// Why it was aborted.
    pub(crate) reason: Option<String>,
    /// Where it stands.
    pub(crate) state: SagaState,
}

/// One participant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    vote: Vote,
    /// It has answered to the decision.
    told: bool,
    /// Times it was told.
    attempt: u32,
}

/// What is known of a vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Vote {
    /// Nothing was asked.
    NotAsked,
    /// The question is on its way, or its answer got lost: it may hold a lock.
    Unknown,
    /// It holds a lock, at this price when it has one.
    Yes(Option<Quote>),
    /// It holds nothing.
    No,
}

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// It will do what it is told.
    Yes(Option<Quote>),
    /// It will not, with a stable word and a reason.
    No(String, String),
    /// Nobody knows.
    Lost(String, String),
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask this participant for its vote.
    Ask(Peer),
    /// Write the decision down.
    Decide,
    /// Tell this participant.
    Tell(Peer, Decision),
    /// Nothing: it has ended.
    Nothing,
}

impl Transaction {
    /// A new one, and the event that tells of it.
    pub(crate) fn begin(id: &str, correlation_id: &str, wish: PlaceBooking, now: u64) -> (Self, Vec<Event>) {
        let part = |_| Part {
            vote: Vote::NotAsked,
            told: false,
            attempt: 0,
        };
        let mut transaction = Self {
            id: id.to_owned(),
            correlation_id: correlation_id.to_owned(),
            sequence: 0,
            wish,
            parts: PARTS.map(part),
            deciding: false,
            decision: None,
            reason: None,
            state: SagaState::Running,
        };
        let started = transaction.tell(|events| events.started(now, &STEPS));
        (transaction, vec![started])
    }

    /// What to do now.
    pub(crate) fn next(&self) -> Next {
        if self.state.is_final() {
            return Next::Nothing;
        }
        let Some(decision) = self.decision else {
            let unasked = self.parts.iter().position(|part| part.vote == Vote::NotAsked);
            return match unasked {
                Some(index) if self.reason.is_none() => Next::Ask(PARTS[index]),
                _ => Next::Decide,
            };
        };
        let waits = |index: &usize| self.must_be_told(*index, decision) && !self.parts[*index].told;
        let mut places = 0..PARTS.len();
        let index = match decision {
            Decision::Commit => places.find(waits),
            Decision::Abort => places.rfind(waits),
        };
        index.map_or(Next::Nothing, |index| Next::Tell(PARTS[index], decision))
    }

    /// An abort is told to whoever may hold a lock.
    fn must_be_told(&self, index: usize, decision: Decision) -> bool {
        match decision {
            Decision::Commit => true,
            Decision::Abort => matches!(self.parts[index].vote, Vote::Unknown | Vote::Yes(_)),
        }
    }

    /// Nobody wants a car, or none is free and none is needed: then there is nobody to be told either.
    pub(crate) fn takes_part(&self, peer: Peer) -> bool {
        self.parts[place(peer)].vote != Vote::Yes(None) || peer == Peer::Payments
    }

    /// What room and car cost, by their votes.
    pub(crate) fn price(&self) -> Result<Price, String> {
        let quote = |peer| match &self.parts[place(peer)].vote {
            Vote::Yes(quote) => quote.as_ref(),
            _ => None,
        };
        price::total(quote(Peer::Hotels), quote(Peer::Cars))
    }

    /// Notes that a participant is about to be asked: from here on it may hold a lock.
    pub(crate) fn asking(&mut self, peer: Peer, now: u64, deadline: u64) -> Vec<Event> {
        self.parts[place(peer)].vote = Vote::Unknown;
        vec![self.tell_step(place(peer), 1, |events, step| events.step_started(now, step, deadline))]
    }

    /// Takes a vote. A no, and no answer, end the questions.
    pub(crate) fn voted(&mut self, peer: Peer, answer: Answer, now: u64) -> Vec<Event> {
        let index = place(peer);
        let (vote, why) = match answer {
            Answer::Yes(quote) => (Vote::Yes(quote), None),
            Answer::No(word, reason) => (Vote::No, Some((word, reason))),
            Answer::Lost(word, reason) => (Vote::Unknown, Some((word, reason))),
        };
        self.parts[index].vote = vote;
        let event = match &why {
            None => self.tell_step(index, 1, |events, step| events.step_succeeded(now, step)),
            Some((word, reason)) => {
                self.tell_step(index, 1, |events, step| events.step_failed(now, step, word, reason))
            }
        };
        self.reason = why.map(|(_, reason)| reason);
        vec![event]
    }

    /// Notes that all have said yes, before the decision: past `deadline` it counts as stuck.
    pub(crate) fn deciding(&mut self, now: u64, deadline: u64) -> Vec<Event> {
        if self.reason.is_some() {
            return Vec::new();
        }
        self.deciding = true;
        vec![self.tell_step(DECIDE_STEP, 1, |events, step| events.step_started(now, step, deadline))]
    }

    /// Decides by the votes.
    pub(crate) fn decide(&mut self, now: u64) -> Vec<Event> {
        if self.reason.is_some() {
            return self.abort(now);
        }
        self.decision = Some(Decision::Commit);
        vec![self.tell_step(DECIDE_STEP, 1, |events, step| events.step_succeeded(now, step))]
    }

    /// Begun by a process that has ended since. What it has asked and not decided is aborted: the votes went with it.
    pub(crate) fn recover(&mut self, now: u64) -> Vec<Event> {
        let asked = self.parts.iter().rposition(|part| part.vote != Vote::NotAsked);
        let (None, Some(asked)) = (self.decision, asked) else {
            return Vec::new();
        };
        let mut told = Vec::new();
        if self.reason.is_none() {
            let reason = "the coordinator came back without a decision: an abort is presumed";
            let cut_off = if self.deciding { DECIDE_STEP } else { asked };
            if self.deciding || self.parts[asked].vote == Vote::Unknown {
                told.push(self.tell_step(cut_off, 1, |events, step| {
                    events.step_failed(now, step, "presumed_abort", reason)
                }));
            }
            self.reason = Some(reason.to_owned());
        }
        told.extend(self.abort(now));
        told
    }

    fn abort(&mut self, now: u64) -> Vec<Event> {
        self.decision = Some(Decision::Abort);
        self.state = SagaState::Compensating;
        self.settle(now).into_iter().collect()
    }

    /// Notes that a participant is about to be told.
    pub(crate) fn telling(&mut self, peer: Peer, now: u64, deadline: u64) -> Vec<Event> {
        let index = place(peer);
        self.parts[index].attempt += 1;
        let event = match self.decision {
            Some(Decision::Commit) => self.tell_outcome(index, |events, step| events.step_started(now, step, deadline)),
            _ => self.tell_outcome(index, |events, step| events.compensation_started(now, step, deadline)),
        };
        vec![event]
    }

    /// It has answered.
    pub(crate) fn told(&mut self, peer: Peer, now: u64) -> Vec<Event> {
        let index = place(peer);
        self.parts[index].told = true;
        let event = match self.decision {
            Some(Decision::Commit) => self.tell_outcome(index, |events, step| events.step_succeeded(now, step)),
            _ => self.tell_outcome(index, |events, step| events.compensation_succeeded(now, step)),
        };
        let mut told = vec![event];
        told.extend(self.settle(now));
        told
    }

    /// It has not answered, and is told again at `due`: there is no other way out of a decision.
    pub(crate) fn not_told(&mut self, peer: Peer, word: &str, reason: &str, now: u64, due: u64) -> Vec<Event> {
        let index = place(peer);
        if self.decision == Some(Decision::Commit) {
            let failed = self.tell_outcome(index, |events, step| events.step_failed(now, step, word, reason));
            let waits_for = (WaitingFor::Retry, name(peer));
            let retrying = self.tell_outcome(index, |events, step| {
                events.step_retrying(now, step, due, waits_for, reason)
            });
            return vec![failed, retrying];
        }
        let failed = self.tell_outcome(index, |events, step| {
            events.compensation_failed(now, step, word, reason)
        });
        let failed = failed
            .with(attributes::SAGA_STEP_NEXT_ATTEMPT_AT, due)
            .with(attributes::SAGA_STEP_WAITING_FOR, WaitingFor::Retry.as_str());
        vec![failed]
    }

    /// It refuses what it has promised: a person must look.
    pub(crate) fn broken(&mut self, peer: Peer, word: &str, reason: &str, now: u64) -> Vec<Event> {
        let mut told = Vec::new();
        if self.decision == Some(Decision::Commit) {
            let index = place(peer);
            told.push(self.tell_outcome(index, |events, step| events.step_failed(now, step, word, reason)));
        }
        let reason = format!("{} does not keep its promise: {reason}", name(peer));
        self.state = SagaState::Failed;
        told.push(self.tell(|events| events.failed(now, &reason)));
        self.reason = Some(reason);
        told
    }

    fn settle(&mut self, now: u64) -> Option<Event> {
        if self.next() != Next::Nothing {
            return None;
        }
        if self.decision == Some(Decision::Commit) {
            self.state = SagaState::Completed;
            return Some(self.tell(|events| events.completed(now)));
        }
        let reason = self.reason.clone().unwrap_or_default();
        self.state = SagaState::Compensated;
        Some(self.tell(|events| events.compensated(now, &reason)))
    }

    /// Step under way, for people.
    pub(crate) fn step(&self) -> Option<&'static str> {
        let asked = self.parts.iter().position(|part| part.vote == Vote::Unknown);
        match asked {
            Some(index) if self.decision.is_none() && self.reason.is_none() => Some(STEPS[index]),
            _ => step_of(self.next()),
        }
    }

    /// A commit is a step of its own; an abort undoes the step that took the lock.
    fn tell_outcome(&mut self, index: usize, build: impl FnOnce(&mut SagaEvents, SagaStep<'_>) -> Event) -> Event {
        let step = match self.decision {
            Some(Decision::Commit) => DECIDE_STEP + 1 + index,
            _ => index,
        };
        self.tell_step(step, self.parts[index].attempt, build)
    }

    fn tell_step(
        &mut self,
        step: usize,
        attempt: u32,
        build: impl FnOnce(&mut SagaEvents, SagaStep<'_>) -> Event,
    ) -> Event {
        let index = u32::try_from(step).unwrap_or(u32::MAX);
        let name = STEPS[step];
        self.tell(|events| build(events, SagaStep { name, index, attempt }))
    }

    fn tell(&mut self, build: impl FnOnce(&mut SagaEvents) -> Event) -> Event {
        let mut events = SagaEvents::orchestrated(NAME, &self.id, &self.correlation_id);
        events.sequence = self.sequence;
        let event = build(&mut events);
        self.sequence = events.sequence;
        event
    }
}

/// The step in which that is done.
pub(crate) fn step_of(next: Next) -> Option<&'static str> {
    match next {
        Next::Ask(peer) | Next::Tell(peer, Decision::Abort) => Some(STEPS[place(peer)]),
        Next::Decide => Some(STEPS[DECIDE_STEP]),
        Next::Tell(peer, Decision::Commit) => Some(STEPS[DECIDE_STEP + 1 + place(peer)]),
        Next::Nothing => None,
    }
}

fn place(peer: Peer) -> usize {
    match peer {
        Peer::Hotels => 0,
        Peer::Cars => 1,
        Peer::Payments => 2,
    }
}

const fn name(peer: Peer) -> &'static str {
    match peer {
        Peer::Hotels => "hotels",
        Peer::Cars => "cars",
        Peer::Payments => "payments",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::cases::wish;

    fn quote(total_minor: i64) -> Option<Quote> {
        let currency = "EUR".to_owned();
        Some(Quote { total_minor, currency })
    }

    fn no() -> Answer {
        Answer::No("no_room".into(), "taken".into())
    }

    fn lost() -> Answer {
        Answer::Lost("timeout".into(), "no answer".into())
    }

    fn yes(peer: Peer) -> Answer {
        Answer::Yes(match peer {
            Peer::Hotels => quote(14_200),
            Peer::Cars => quote(7_000),
            Peer::Payments => None,
        })
    }

    /// Runs to the end; what was done, in order.
    fn run(mut transaction: Transaction, answer: impl Fn(Peer) -> Answer) -> (Transaction, Vec<Next>) {
        let mut done = Vec::new();
        loop {
            let next = transaction.next();
            done.push(next);
            match next {
                Next::Ask(peer) => {
                    transaction.asking(peer, 1, 2);
                    transaction.voted(peer, answer(peer), 1);
                }
                Next::Decide => {
                    transaction.deciding(1, 2);
                    transaction.decide(1);
                }
                Next::Tell(peer, _) => {
                    transaction.telling(peer, 1, 2);
                    transaction.told(peer, 1);
                }
                Next::Nothing => {
                    done.pop();
                    return (transaction, done);
                }
            }
        }
    }

    fn new() -> Transaction {
        Transaction::begin("b-1", "c", wish(), 0).0
    }

    use Decision::{Abort, Commit};
    use Next::{Ask, Decide, Tell};
    use Peer::{Cars, Hotels, Payments};

    #[test]
    fn all_are_asked_then_it_is_decided_then_all_are_told() {
        let (transaction, done) = run(new(), yes);
        let expected = [
            Ask(Hotels),
            Ask(Cars),
            Ask(Payments),
            Decide,
            Tell(Hotels, Commit),
            Tell(Cars, Commit),
            Tell(Payments, Commit),
        ];
        assert_eq!(done, expected);
        assert_eq!(
            (transaction.state, transaction.decision),
            (SagaState::Completed, Some(Commit))
        );
        assert_eq!(transaction.price().map(|price| price.total_minor), Ok(21_200));
    }

    #[test]
    fn one_no_aborts_and_those_who_hold_a_lock_are_told_in_reverse() {
        let with = |refuses: Peer, answer: fn() -> Answer| {
            run(new(), move |peer| if peer == refuses { answer() } else { yes(peer) })
        };
        for (refuses, answer, then) in [
            (Hotels, no as fn() -> Answer, vec![]),
            (Cars, no, vec![Tell(Hotels, Abort)]),
            (Payments, no, vec![Tell(Cars, Abort), Tell(Hotels, Abort)]),
            (Hotels, lost, vec![Tell(Hotels, Abort)]),
            (Cars, lost, vec![Tell(Cars, Abort), Tell(Hotels, Abort)]),
            (
                Payments,
                lost,
                vec![Tell(Payments, Abort), Tell(Cars, Abort), Tell(Hotels, Abort)],
            ),
        ] {
            let (transaction, done) = with(refuses, answer);
            let decided = done.iter().position(|next| *next == Decide).expect("decided");
            assert_eq!(done[decided + 1..], then, "{refuses:?}");
            assert_eq!(
                (transaction.state, transaction.decision),
                (SagaState::Compensated, Some(Abort))
            );
            assert!(transaction.reason.is_some());
        }
    }

    /// Every point of a run that goes well: before the decision all abort, after it all commit.
    #[test]
    fn recovery_aborts_what_is_undecided_and_carries_on_what_is_decided() {
        let mut at = new();
        let mut points = vec![at.clone()];
        while at.next() != Next::Nothing {
            match at.next() {
                Ask(peer) => {
                    at.asking(peer, 1, 2);
                    points.push(at.clone());
                    at.voted(peer, yes(peer), 1);
                }
                Decide => {
                    at.deciding(1, 2);
                    points.push(at.clone());
                    at.decide(1);
                }
                Tell(peer, _) => {
                    at.telling(peer, 1, 2);
                    points.push(at.clone());
                    at.told(peer, 1);
                }
                Next::Nothing => {}
            }
            points.push(at.clone());
        }
        assert_eq!(points.len(), 1 + 2 * 7);
        for (place, point) in points.into_iter().enumerate() {
            let mut recovered = point.clone();
            recovered.recover(9);
            let presumed = if place == 0 || point.decision.is_some() {
                Commit
            } else {
                Abort
            };
            let (ended, done) = run(recovered, yes);
            assert_eq!(ended.decision, Some(presumed), "point {place}");
            assert!(ended.state.is_final());
            let told = |peer| done.contains(&Tell(peer, presumed));
            let may_hold = |peer| !matches!(point.parts[super::place(peer)].vote, Vote::NotAsked | Vote::No);
            for peer in PARTS {
                if presumed == Abort {
                    assert_eq!(told(peer), may_hold(peer), "point {place}: {peer:?}");
                }
            }
        }
    }

    #[test]
    fn sequence_numbers_have_no_gaps() {
        let (mut transaction, first) = Transaction::begin("b-1", "c", wish(), 0);
        let mut told = first.len();
        told += transaction.asking(Hotels, 1, 2).len();
        told += transaction.voted(Hotels, no(), 1).len();
        told += transaction.deciding(1, 2).len();
        told += transaction.decide(1).len();
        assert_eq!((transaction.sequence, told), (4, 4), "started, asked, refused, ended");
    }

    #[test]
    fn whoever_is_told_and_does_not_answer_is_told_again() {
        let mut transaction = new();
        for peer in PARTS {
            transaction.asking(peer, 1, 2);
            transaction.voted(peer, yes(peer), 1);
        }
        transaction.decide(1);
        for attempt in 1..=5 {
            transaction.telling(Hotels, 1, 2);
            transaction.not_told(Hotels, "timeout", "no answer", 1, 3);
            assert_eq!(transaction.next(), Tell(Hotels, Commit));
            assert_eq!(transaction.parts[0].attempt, attempt);
        }
        transaction.broken(Hotels, "released", "the reservation has been released", 1);
        assert_eq!(
            (transaction.state, transaction.next()),
            (SagaState::Failed, Next::Nothing)
        );
    }
}
