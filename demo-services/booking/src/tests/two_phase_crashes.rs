//! The coordinator killed at every point: when it is back all participants agree. While it is away, the room is blocked.

use sagascope_conventions::fault::{ArmedFault, Fault, FaultKind};
use sagascope_conventions::{FaultStrength, FaultTarget};
use shop_kit::testing::eventually;
use shop_kit::two_phase::Decision;

use super::fakes::{Desk, Effects, Held, Peers, Trouble, open, wish};
use crate::booking::Status;
use crate::two_phase::DECIDE;

const ID: &str = "b-1";
const OTHER: &str = "b-2";
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
/// All have voted yes, and nobody knows how it ends.
const IN_DOUBT: Effects = Effects {
    room: Held::Prepared,
    car: Held::Prepared,
    held_minor: 21_200,
    paid_minor: 0,
};

fn arm(desk: &Desk, kind: FaultKind) {
    let target = FaultTarget {
        operation: Some(DECIDE.to_owned()),
        ..FaultTarget::default()
    };
    let strength = FaultStrength {
        percent: Some(100),
        ..FaultStrength::default()
    };
    let fault = Fault {
        id: "f".into(),
        target,
        kind,
        strength,
        duration_seconds: 60,
        seed: 1,
    };
    let remaining_ms = 60_000;
    assert!(desk.faults.arm(ArmedFault { fault, remaining_ms }));
}

/// Kills the coordinator while it waits for `call`; then the next one takes over.
async fn killed_at(call: &'static str, when: Trouble, refused: Option<&'static str>) -> (Option<Decision>, Effects) {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    if let Some(call) = refused {
        peers.trouble(call, Trouble::Refused("no"), 1);
    }
    peers.trouble(call, when, 1);
    let mut desk = open(&folder, &peers);
    desk.run();
    desk.begin(ID, wish(Some(false))).await;
    let reached = || async { (peers.calls().last() == Some(&call)).then_some(()) };
    eventually("the call at which it is killed", reached).await;
    drop(desk);
    peers.heal();
    let mut desk = open(&folder, &peers);
    desk.run();
    let transaction = desk.finished(ID).await;
    let status = match transaction.decision {
        Some(Decision::Commit) => Status::Confirmed,
        _ => Status::Cancelled,
    };
    assert_eq!(desk.booking(ID).await.status, status);
    assert_eq!(desk.told().await.len(), 2, "INV-07: created and one final state");
    (transaction.decision, peers.effects())
}

#[tokio::test]
async fn g01_killed_before_the_decision_all_have_aborted_when_it_is_back() {
    for call in ["prepare room", "prepare car", "prepare money"] {
        for when in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let ended = killed_at(call, when, None).await;
            assert_eq!(ended, (Some(Decision::Abort), NOTHING), "{call} {when:?}");
        }
    }
}

#[tokio::test]
async fn g01_killed_after_the_decision_all_have_committed_when_it_is_back() {
    for call in ["commit room", "commit car", "commit money"] {
        for when in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let ended = killed_at(call, when, None).await;
            assert_eq!(ended, (Some(Decision::Commit), ALL), "{call} {when:?}");
        }
    }
}

#[tokio::test]
async fn g01_killed_while_it_aborts_all_have_aborted_when_it_is_back() {
    for call in ["abort car", "abort room"] {
        for when in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let ended = killed_at(call, when, Some("prepare money")).await;
            assert_eq!(ended, (Some(Decision::Abort), NOTHING), "{call} {when:?}");
        }
    }
}

/// The blocking problem: all have voted yes, the coordinator dies, and nobody else can have the room, by whatever
/// protocol, until it is back.
#[tokio::test]
async fn crashed_between_the_votes_and_the_decision_the_room_is_blocked_until_the_coordinator_is_back() {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    let mut desk = open(&folder, &peers);
    arm(&desk, FaultKind::Crash);
    desk.run();
    desk.begin(ID, wish(Some(false))).await;
    assert_eq!(desk.faults.dying().await, "f");
    assert_eq!(peers.effects(), IN_DOUBT);
    assert_eq!(desk.transaction(ID).await.decision, None);
    drop(desk);

    let elsewhere = tempfile::tempdir().expect("folder");
    let mut other = open(&elsewhere, &peers);
    other.run();
    other.begin(OTHER, wish(None)).await;
    assert_eq!(
        other.finished(OTHER).await.decision,
        Some(Decision::Abort),
        "refused: in doubt"
    );
    other.place("b-3", wish(None)).await;
    let reason = other.ended("b-3").await.reason;
    assert!(
        reason.is_some_and(|reason| reason.contains("no")),
        "a saga is refused too"
    );
    assert_eq!(peers.effects(), IN_DOUBT, "still locked");

    let mut desk = open(&folder, &peers);
    desk.run();
    let transaction = desk.finished(ID).await;
    assert_eq!(transaction.decision, Some(Decision::Abort), "presumed");
    assert_eq!(
        (peers.effects(), desk.booking(ID).await.status),
        (NOTHING, Status::Cancelled)
    );

    other.begin("b-4", wish(None)).await;
    assert_eq!(
        other.finished("b-4").await.decision,
        Some(Decision::Commit),
        "free again"
    );
}

#[tokio::test]
async fn hung_between_the_votes_and_the_decision_it_commits_when_the_hang_is_over() {
    let folder = tempfile::tempdir().expect("folder");
    let peers = Peers::default();
    let mut desk = open(&folder, &peers);
    arm(&desk, FaultKind::Hang);
    desk.run();
    desk.begin(ID, wish(Some(false))).await;
    let all_voted = || async { (peers.effects() == IN_DOUBT).then_some(()) };
    eventually("all votes", all_voted).await;
    assert_eq!(desk.transaction(ID).await.decision, None);
    desk.faults.clear("f");
    assert_eq!(desk.finished(ID).await.decision, Some(Decision::Commit));
    assert_eq!(peers.effects(), ALL);
}
