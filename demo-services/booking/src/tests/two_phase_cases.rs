//! Two-phase commit when nothing is killed: all yes, each no, each answer lost, each decision repeated.

use sagascope_conventions::SagaState;
use shop_kit::two_phase::Decision;

use super::fakes::{Effects, Held, Peers, Trouble, open, wish};
use crate::booking::{Booking, Protocol, Status};

const ID: &str = "b-1";
const NOTHING: Effects = Effects {
    room: Held::Free,
    car: Held::Free,
    held_minor: 0,
    paid_minor: 0,
};
const ALL: Effects = Effects {
    room: Held::Confirmed,
    car: Held::Confirmed,
    held_minor: 0,
    paid_minor: 21_200,
};

struct Ended {
    state: SagaState,
    decision: Option<Decision>,
    booking: Booking,
    calls: Vec<&'static str>,
    effects: Effects,
}

/// Runs one booking to its end with this trouble. `car`: wanted, and whether it is optional.
async fn run(car: Option<bool>, troubles: &[(&'static str, Trouble, u32)]) -> Ended {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    for &(call, trouble, times) in troubles {
        peers.trouble(call, trouble, times);
    }
    let mut desk = open(&folder, &peers);
    desk.run();
    desk.begin(ID, wish(car)).await;
    let transaction = desk.finished(ID).await;
    Ended {
        state: transaction.state,
        decision: transaction.decision,
        booking: desk.booking(ID).await,
        calls: peers.calls(),
        effects: peers.effects(),
    }
}

#[tokio::test]
async fn all_vote_yes_and_all_commit() {
    let ended = run(Some(false), &[]).await;
    assert_eq!(
        (ended.state, ended.decision),
        (SagaState::Completed, Some(Decision::Commit))
    );
    let calls = [
        "prepare room",
        "prepare car",
        "prepare money",
        "commit room",
        "commit car",
        "commit money",
    ];
    assert_eq!(ended.calls, calls);
    assert_eq!(ended.effects, ALL);
    assert_eq!(
        (ended.booking.status, ended.booking.protocol),
        (Status::Confirmed, Protocol::TwoPhase)
    );
    assert_eq!(ended.booking.price.map(|price| price.total_minor), Some(21_200));
}

#[tokio::test]
async fn one_no_aborts_all_and_only_those_with_a_lock_are_told() {
    for (call, code, then) in [
        ("prepare room", "no_room", vec![]),
        ("prepare car", "no_car", vec!["abort room"]),
        ("prepare money", "card_declined", vec!["abort car", "abort room"]),
    ] {
        let ended = run(Some(false), &[(call, Trouble::Refused(code), 1)]).await;
        assert_eq!(
            (ended.state, ended.decision),
            (SagaState::Compensated, Some(Decision::Abort))
        );
        let asked = ended.calls.iter().position(|asked| *asked == call).expect("asked");
        assert_eq!(ended.calls[asked + 1..], then, "{call}");
        assert_eq!((ended.effects, ended.booking.status), (NOTHING, Status::Cancelled));
    }
}

#[tokio::test]
async fn a_vote_whose_answer_got_lost_counts_as_no_and_its_lock_is_given_back() {
    for call in ["prepare room", "prepare car", "prepare money"] {
        for trouble in [Trouble::Lost, Trouble::AnswerLost] {
            let ended = run(Some(false), &[(call, trouble, 1)]).await;
            let seen = (ended.decision, ended.effects, ended.booking.status);
            assert_eq!(
                seen,
                (Some(Decision::Abort), NOTHING, Status::Cancelled),
                "{call} {trouble:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_decision_is_told_until_it_is_heard() {
    for call in ["commit room", "commit car", "commit money"] {
        for trouble in [Trouble::Lost, Trouble::AnswerLost] {
            let ended = run(Some(false), &[(call, trouble, 2)]).await;
            assert_eq!(
                (ended.state, ended.effects),
                (SagaState::Completed, ALL),
                "{call} {trouble:?}"
            );
        }
    }
    let declined = ("prepare money", Trouble::Refused("card_declined"), 1);
    for call in ["abort car", "abort room"] {
        for trouble in [Trouble::Lost, Trouble::AnswerLost] {
            let ended = run(Some(false), &[declined, (call, trouble, 2)]).await;
            assert_eq!(
                (ended.state, ended.effects),
                (SagaState::Compensated, NOTHING),
                "{call} {trouble:?}"
            );
        }
    }
}

#[tokio::test]
async fn no_car_is_no_failure_when_none_is_wanted_or_needed() {
    let no_car = ("prepare car", Trouble::Refused("no_car"), 1);
    for (car, troubles) in [(None, &[][..]), (Some(true), &[no_car][..])] {
        let ended = run(car, troubles).await;
        assert_eq!(ended.state, SagaState::Completed);
        assert!(!ended.calls.contains(&"commit car"), "{:?}", ended.calls);
        assert_eq!((ended.effects.car, ended.effects.paid_minor), (Held::Free, 14_200));
    }
}

#[tokio::test]
async fn a_participant_that_breaks_its_promise_needs_a_person() {
    let ended = run(Some(false), &[("commit car", Trouble::Refused("released"), 1)]).await;
    assert_eq!(
        (ended.state, ended.decision),
        (SagaState::Failed, Some(Decision::Commit))
    );
    assert_eq!(ended.booking.status, Status::Confirmed, "the decision stands");
}
