//! The booking saga when nothing is killed: the three scenarios, no car, each step failing, each undo failing.

use sagascope_conventions::SagaState;

use super::fakes::{Desk, Effects, Held, Peers, Trouble, open, wish};
use crate::booking::{Booking, Status};

const ID: &str = "b-1";

/// Everything there, at the price of room and car.
const WITH_CAR: Effects = Effects {
    room: Held::Confirmed,
    car: Held::Confirmed,
    held_minor: 0,
    paid_minor: 21_200,
};
const WITHOUT_CAR: Effects = Effects {
    room: Held::Confirmed,
    car: Held::Free,
    held_minor: 0,
    paid_minor: 14_200,
};
const NOTHING: Effects = Effects {
    room: Held::Free,
    car: Held::Free,
    held_minor: 0,
    paid_minor: 0,
};

struct Ended {
    state: SagaState,
    booking: Booking,
    calls: Vec<&'static str>,
    effects: Effects,
    told: Vec<String>,
}

/// Runs one booking to its end with this trouble. `car`: wanted, and whether it is optional.
async fn run(car: Option<bool>, troubles: &[(&'static str, Trouble, u32)]) -> Ended {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    for &(call, trouble, times) in troubles {
        peers.trouble(call, trouble, times);
    }
    let mut desk: Desk = open(&folder, &peers);
    desk.run();
    desk.place(ID, wish(car)).await;
    Ended {
        state: desk.ended(ID).await.state,
        booking: desk.booking(ID).await,
        calls: peers.calls(),
        effects: peers.effects(),
        told: desk.told().await,
    }
}

#[tokio::test]
async fn scenario_one_all_goes_well() {
    let ended = run(Some(false), &[]).await;
    assert_eq!(ended.state, SagaState::Completed);
    let steps = ["reserve room", "reserve car", "charge", "confirm room", "confirm car"];
    assert_eq!(ended.calls, steps);
    assert_eq!(ended.effects, WITH_CAR);
    assert_eq!(ended.booking.status, Status::Confirmed);
    assert_eq!(ended.booking.price.map(|price| price.total_minor), Some(21_200));
    assert_eq!(ended.told, ["BookingCreated", "BookingConfirmed"]);
}

#[tokio::test]
async fn scenario_two_no_room_cancels_the_booking() {
    let ended = run(Some(false), &[("reserve room", Trouble::Refused("no_room"), 1)]).await;
    assert_eq!(ended.state, SagaState::Compensated);
    assert_eq!(ended.calls, ["reserve room"], "a clear no is not repeated");
    assert_eq!(ended.effects, NOTHING);
    assert_eq!(ended.booking.status, Status::Cancelled);
    assert!(ended.booking.reason.is_some());
    assert_eq!(ended.told, ["BookingCreated", "BookingCancelled"]);
}

#[tokio::test]
async fn scenario_three_a_payment_that_fails_cancels_car_room_and_booking_in_this_order() {
    let ended = run(Some(false), &[("charge", Trouble::Refused("card_declined"), 1)]).await;
    assert_eq!(ended.state, SagaState::Compensated);
    let there_and_back = ["reserve room", "reserve car", "charge", "release car", "release room"];
    assert_eq!(ended.calls, there_and_back);
    assert_eq!(ended.effects, NOTHING);
    assert_eq!(ended.booking.status, Status::Cancelled);
}

#[tokio::test]
async fn no_car_is_no_failure_when_the_customer_said_so() {
    let no_car = ("reserve car", Trouble::Refused("no_car"), 1);
    let ended = run(Some(true), &[no_car]).await;
    assert_eq!((ended.state, ended.effects), (SagaState::Completed, WITHOUT_CAR));
    assert!(!ended.calls.contains(&"confirm car"));

    let ended = run(Some(false), &[no_car]).await;
    assert_eq!((ended.state, ended.effects), (SagaState::Compensated, NOTHING));
    assert_eq!(ended.calls, ["reserve room", "reserve car", "release room"]);
}

#[tokio::test]
async fn whoever_wants_no_car_is_not_asked_for_one() {
    let ended = run(None, &[]).await;
    assert_eq!((ended.state, ended.effects), (SagaState::Completed, WITHOUT_CAR));
    assert_eq!(ended.calls, ["reserve room", "charge", "confirm room"]);
    let ended = run(None, &[("charge", Trouble::Refused("card_declined"), 1)]).await;
    assert_eq!(ended.calls, ["reserve room", "charge", "release room"]);
}

#[tokio::test]
async fn an_optional_car_that_may_have_been_reserved_is_undone_with_the_rest() {
    let ended = run(Some(true), &[("reserve car", Trouble::AnswerLost, u32::MAX)]).await;
    assert_eq!((ended.state, ended.effects), (SagaState::Compensated, NOTHING));
}

#[tokio::test]
async fn g03_every_step_refused_or_out_of_attempts_leaves_nothing() {
    for call in ["reserve room", "reserve car", "charge", "confirm room", "confirm car"] {
        for trouble in [Trouble::Refused("no"), Trouble::Lost, Trouble::AnswerLost] {
            let ended = run(Some(false), &[(call, trouble, u32::MAX)]).await;
            let seen = (ended.state, ended.effects, ended.booking.status);
            let nothing = (SagaState::Compensated, NOTHING, Status::Cancelled);
            assert_eq!(seen, nothing, "{call} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn g02_a_step_whose_answer_got_lost_is_repeated_and_acts_once() {
    for call in ["reserve room", "reserve car", "charge", "confirm room", "confirm car"] {
        for trouble in [Trouble::Lost, Trouble::AnswerLost] {
            let ended = run(Some(false), &[(call, trouble, 2)]).await;
            let seen = (ended.state, ended.effects);
            assert_eq!(seen, (SagaState::Completed, WITH_CAR), "{call} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn g03_every_undo_is_repeated_and_parked_when_it_cannot_be_done() {
    let declined = ("confirm car", Trouble::Refused("no"), u32::MAX);
    for undo in ["refund", "release car", "release room"] {
        let ended = run(Some(false), &[declined, (undo, Trouble::AnswerLost, 4)]).await;
        assert_eq!(
            (ended.state, ended.effects),
            (SagaState::Compensated, NOTHING),
            "{undo}"
        );
        let ended = run(Some(false), &[declined, (undo, Trouble::Lost, u32::MAX)]).await;
        assert_eq!(ended.state, SagaState::Failed, "{undo} needs a person");
        assert_eq!(
            ended.booking.status,
            Status::Cancelled,
            "the others are undone all the same"
        );
    }
}

#[tokio::test]
async fn a_room_locked_by_a_transaction_in_doubt_is_asked_for_again() {
    let ended = run(None, &[("reserve room", Trouble::Refused("in_doubt"), 2)]).await;
    assert_eq!((ended.state, ended.effects), (SagaState::Completed, WITHOUT_CAR));
    let ended = run(None, &[("reserve room", Trouble::Refused("in_doubt"), u32::MAX)]).await;
    assert_eq!((ended.state, ended.effects), (SagaState::Compensated, NOTHING));
}
