//! Whole screens, each at the least and at a generous size.

use crossterm::event::KeyCode;
use insta::assert_snapshot;
use sagascope_api::Time;
use sagascope_api::client::live::{Connection, LiveEvent};
use sagascope_api::explain::{Evidence, Explanation};
use sagascope_api::live::Rows;
use sagascope_conventions::{CanaryState, FaultState};

use super::fixture::{self, NOW};
use super::hand::Hand;
use crate::event::{Answer, Event};

fn both(name: &str, hand: &mut Hand) {
    assert_snapshot!(format!("{name}_80x24"), hand.screen(80, 24));
    assert_snapshot!(format!("{name}_160x50"), hand.screen(160, 50));
}

#[test]
fn overview() {
    both("overview", &mut Hand::in_trouble());
}

#[test]
fn overview_with_a_canary() {
    let mut hand = Hand::in_trouble();
    hand.hear(Rows::Canaries(vec![fixture::canary(CanaryState::Running)]));
    assert_snapshot!("overview_canary_160x50", hand.screen(160, 50));
    hand.hear(Rows::Canaries(vec![fixture::canary(CanaryState::RolledBack)]));
    both("overview_canary_rolled_back", &mut hand);
}

#[test]
fn overview_before_anything_is_heard() {
    let mut hand = Hand::new(|_| ());
    assert_snapshot!("overview_connecting_80x24", hand.screen(80, 24));
}

#[test]
fn sagas() {
    let mut hand = Hand::in_trouble();
    hand.keys("2j");
    hand.answer(Answer::Saga(
        fixture::compensating_key(),
        Ok(Box::new(fixture::saga_detail())),
    ));
    both("sagas", &mut hand);
    hand.code(KeyCode::Enter);
    both("saga", &mut hand);
}

#[test]
fn saga_flow_graph() {
    let mut hand = Hand::in_trouble();
    hand.keys("2F");
    hand.answer(Answer::SagaType("order".into(), Ok(Box::new(fixture::saga_type()))));
    both("saga_type", &mut hand);
}

#[test]
fn traces() {
    let mut hand = Hand::in_trouble();
    hand.keys("3");
    both("traces", &mut hand);
    hand.code(KeyCode::Enter);
    hand.answer(Answer::Trace(fixture::TRACE.into(), Ok(Box::new(fixture::trace()))));
    hand.keys("n");
    both("trace", &mut hand);
}

#[test]
fn breakers() {
    let mut hand = Hand::in_trouble();
    hand.keys("5");
    both("breakers", &mut hand);
}

#[test]
fn read_models() {
    let mut hand = Hand::in_trouble();
    hand.keys("6");
    both("read_models", &mut hand);
}

#[test]
fn invariants() {
    let mut hand = Hand::in_trouble();
    hand.hear(sagascope_api::live::Rows::Invariants(fixture::invariants(true)));
    both("overview_broken_invariant", &mut hand);
    hand.keys("v");
    both("invariants", &mut hand);
}

#[test]
fn chaos() {
    let mut hand = Hand::in_trouble();
    hand.keys("9");
    hand.answer(Answer::Catalogue(Ok(fixture::catalogue())));
    both("chaos", &mut hand);
    hand.keys("A");
    assert_snapshot!("chaos_confirm_80x24", hand.screen(80, 24));
}

#[test]
fn disconnected() {
    let mut hand = Hand::in_trouble();
    hand.event(Event::Live(LiveEvent::Connection(Connection::Lost {
        retry_at: NOW.plus_seconds(4.0),
        reason: "connection refused".into(),
    })));
    hand.now = Time(NOW.0 + 2_000_000_000);
    both("disconnected", &mut hand);
}

#[test]
fn frozen_and_help() {
    let mut hand = Hand::in_trouble();
    hand.keys(" ");
    hand.hear(sagascope_api::live::Rows::Faults(vec![fixture::fault(
        "f1",
        FaultState::Cleared,
    )]));
    hand.keys("?freeze");
    assert_snapshot!("frozen_help_80x24", hand.screen(80, 24));
}

#[test]
fn explanation() {
    let mut hand = Hand::in_trouble();
    hand.keys("2je");
    let explanation = Explanation {
        id: "19cc02d7-2222".into(),
        kind: "saga".into(),
        summary: "Order 19cc02d7 is being undone after charge failed 3 times.".into(),
        cause: Some("fault error rate 100 % on payments (practised)".into()),
        evidence: vec![
            Evidence {
                text: "charge failed: 503 payments, marked by the fault".into(),
                link: Some(format!("/traces/{}", fixture::TRACE)),
            },
            Evidence {
                text: "breaker orders → payments opened 12 s ago".into(),
                link: Some("/breakers/orders~payments~1".into()),
            },
        ],
    };
    hand.answer(Answer::Explain("19cc02d7-2222".into(), Ok(Box::new(explanation))));
    assert_snapshot!("explanation_80x24", hand.screen(80, 24));
}

#[test]
fn in_ascii() {
    let mut hand = Hand::in_trouble();
    hand.app.setup.theme.ascii = true;
    hand.keys("5");
    let screen = hand.screen(120, 30);
    assert_snapshot!("ascii_breakers_120x30", screen);
}

#[test]
fn too_small() {
    assert_snapshot!("too_small_20x5", Hand::in_trouble().screen(20, 5));
}
