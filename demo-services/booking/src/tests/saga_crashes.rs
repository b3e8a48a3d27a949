//! The orchestrator killed at every call, before and after its effect, on the way forward and on the way back: it
//! resumes, and every effect happens once.

use sagascope_conventions::SagaState;
use shop_kit::testing::eventually;

use super::fakes::{Effects, Held, Peers, Trouble, open, wish};
use crate::booking::Status;

const ID: &str = "b-1";

/// Kills the orchestrator while it waits for `call`; then the next one takes over, with all peers well but for `refused`.
async fn killed_at(call: &'static str, when: Trouble, refused: Option<&'static str>) -> (SagaState, Effects, Status) {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    let refuse = |peers: &Peers| {
        if let Some(step) = refused {
            peers.trouble(step, Trouble::Refused("no"), u32::MAX);
        }
    };
    refuse(&peers);
    peers.trouble(call, when, 1);
    let mut desk = open(&folder, &peers);
    desk.run();
    desk.place(ID, wish(Some(false))).await;
    let reached = || async { (peers.calls().last() == Some(&call)).then_some(()) };
    eventually("the call at which it is killed", reached).await;
    // What was under way is gone with the task; what was committed is in the file.
    drop(desk);
    peers.heal();
    refuse(&peers);
    let mut desk = open(&folder, &peers);
    desk.run();
    let instance = desk.ended(ID).await;
    let told = desk.told().await;
    assert_eq!(
        told.len(),
        2,
        "INV-07: created and one final state, once each: {told:?}"
    );
    (instance.state, peers.effects(), desk.booking(ID).await.status)
}

#[tokio::test]
async fn g01_killed_on_the_way_forward_it_completes() {
    for call in ["reserve room", "reserve car", "charge", "confirm room", "confirm car"] {
        for when in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let all_done = Effects {
                room: Held::Confirmed,
                car: Held::Confirmed,
                held_minor: 0,
                paid_minor: 21_200,
            };
            let ended = killed_at(call, when, None).await;
            assert_eq!(
                ended,
                (SagaState::Completed, all_done, Status::Confirmed),
                "{call} {when:?}"
            );
        }
    }
}

#[tokio::test]
async fn g01_killed_on_the_way_back_it_compensates() {
    for call in ["refund", "release car", "release room"] {
        for when in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let ended = killed_at(call, when, Some("confirm car")).await;
            let undone = (SagaState::Compensated, Effects::default(), Status::Cancelled);
            assert_eq!(ended, undone, "{call} {when:?}");
        }
    }
}
