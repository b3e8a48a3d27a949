//! Stories by keyboard and mouse: what a person does, and what it leads to.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use sagascope_api::client::ClientError;
use sagascope_api::client::live::{Connection, LiveEvent};
use sagascope_api::faults::Traffic;
use sagascope_api::live::Rows;
use sagascope_api::overview::Overview;
use sagascope_api::traces::TraceSummary;
use sagascope_api::{Problem, services::Service};
use sagascope_conventions::{FaultKind, FaultState};

use super::fixture;
use super::hand::Hand;
use crate::app::place::Place;
use crate::event::{Answer, Effect, Event, Question};

/// Clicks at the first place where the text stands.
fn click(hand: &mut Hand, text: &str) {
    let screen = hand.screen(120, 30);
    let found = screen
        .lines()
        .enumerate()
        .find_map(|(row, line)| Some((row, line.find(text)?, line)));
    let (row, at, line) = found.unwrap_or_else(|| panic!("no {text:?} in\n{screen}"));
    let column = unicode_width::UnicodeWidthStr::width(&line[..at]);
    hand.event(Event::Mouse(MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: column as u16,
        row: row as u16,
        modifiers: KeyModifiers::NONE,
    }));
}

#[test]
fn from_the_alarm_to_the_cause_in_one_key_each() {
    let mut hand = Hand::in_trouble();
    hand.screen(80, 24);
    // The first line is the silent service; the next the open breaker.
    hand.keys("j");
    hand.code(KeyCode::Enter);
    assert_eq!(hand.app.place, Place::Breakers);
    assert_eq!(hand.app.breakers.selected(), Some("orders~payments~1"));
    hand.code(KeyCode::Enter);
    assert_eq!(hand.app.place, Place::Sagas);
    assert_eq!(hand.app.sagas.rows(), ["order/90aa7731-4444"]);
    hand.keys("t");
    assert_eq!(hand.app.place, Place::Trace(fixture::TRACE.into()));
    assert!(
        hand.effects
            .contains(&Effect::Ask(Question::Trace(fixture::TRACE.into())))
    );
    hand.keys("[[");
    assert_eq!(hand.app.place, Place::Breakers);
    hand.keys("]");
    assert_eq!(hand.app.place, Place::Sagas);
}

#[test]
fn a_fault_is_armed_only_after_a_yes() {
    let mut hand = Hand::in_trouble();
    hand.keys("9");
    hand.answer(Answer::Catalogue(Ok(fixture::catalogue())));
    hand.keys("An");
    assert!(
        !hand
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ask(Question::Arm(_))))
    );
    hand.keys("Ay");
    let Some(Effect::Ask(Question::Arm(request))) = hand.effects.last() else {
        panic!("{:?}", hand.effects)
    };
    assert_eq!(
        (request.kind, request.target.service.as_str()),
        (FaultKind::ErrorRate, "payments")
    );
    assert_eq!((request.strength.percent, request.duration_seconds), (Some(100), 30));
}

#[test]
fn the_form_is_filled_by_keys_alone() {
    let mut hand = Hand::in_trouble();
    hand.keys("9");
    hand.answer(Answer::Catalogue(Ok(fixture::catalogue())));
    hand.keys("jjj");
    hand.keys("45");
    hand.code(KeyCode::Enter);
    hand.code(KeyCode::Enter);
    hand.code(KeyCode::Enter);
    hand.keys("y");
    let Some(Effect::Ask(Question::Arm(request))) = hand.effects.last() else {
        panic!("{:?}", hand.effects)
    };
    assert_eq!(request.duration_seconds, 45);
}

#[test]
fn nothing_is_changed_read_only_or_without_a_token() {
    for (read_only, has_token, words) in [(true, true, "read-only"), (false, false, "no token")] {
        let mut hand = Hand::in_trouble();
        hand.app.setup.read_only = read_only;
        hand.app.setup.has_token = has_token;
        hand.keys("9");
        hand.answer(Answer::Catalogue(Ok(fixture::catalogue())));
        hand.effects.clear();
        for key in ["A", "C", "X", "+", "-"] {
            hand.keys(key);
            assert!(hand.screen(120, 30).contains(words), "{key}");
        }
        assert_eq!(hand.effects, []);
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    let mut hand = Hand::in_trouble();
    let problem = Problem {
        status: 401,
        code: "unauthorised".into(),
        title: "Token needed".into(),
        field: None,
        detail: "send it".into(),
    };
    hand.answer(Answer::Armed(Err(ClientError::Refused(problem))));
    assert!(hand.screen(120, 30).contains("SAGASCOPE_TOKEN"));
}

#[test]
fn q_asks_only_while_a_fault_is_active() {
    let mut hand = Hand::in_trouble();
    hand.keys("q");
    assert!(!hand.effects.contains(&Effect::Quit));
    assert!(hand.screen(80, 24).contains("error rate 100 %"));
    hand.keys("y");
    assert!(hand.effects.contains(&Effect::Quit));

    let mut calm = Hand::in_trouble();
    calm.hear(Rows::Faults(vec![fixture::fault("f1", FaultState::Cleared)]));
    calm.keys("q");
    assert!(calm.effects.contains(&Effect::Quit));
}

#[test]
fn a_frozen_screen_stands_still_and_counts() {
    let mut hand = Hand::in_trouble();
    hand.keys(" ");
    let before = hand.screen(120, 30);
    hand.hear(Rows::Services(vec![Service {
        name: "newcomer".into(),
        ..Service::default()
    }]));
    assert!(hand.screen(160, 50).contains("1 held back"));
    let frozen = hand.screen(120, 30);
    assert!(frozen.contains("frozen 1") && !frozen.contains("newcomer"));
    assert_eq!(before.lines().nth(10), frozen.lines().nth(10));
    hand.keys(" ");
    assert!(hand.screen(120, 30).contains("newcomer"));
}

#[test]
fn without_a_connection_nothing_claims_to_be_well() {
    let mut hand = Hand::new(|_| ());
    hand.event(Event::Live(LiveEvent::Connection(Connection::Live)));
    hand.hear(Rows::Overview(vec![Overview::default()]));
    assert!(hand.screen(120, 30).contains("all well"));
    let lost = Connection::Lost {
        retry_at: hand.now.plus_seconds(2.0),
        reason: "connection refused".into(),
    };
    hand.event(Event::Live(LiveEvent::Connection(lost)));
    let screen = hand.screen(120, 30);
    assert!(
        !screen.contains("all well") && screen.contains("retry in 2 s"),
        "{screen}"
    );
    hand.event(Event::Live(LiveEvent::Connection(Connection::Live)));
    assert!(hand.screen(120, 30).contains("all well"));
}

#[test]
fn a_list_taken_hold_of_does_not_move() {
    let mut hand = Hand::in_trouble();
    hand.keys("3j");
    let held = hand.app.traces.rows().to_vec();
    let newest = TraceSummary {
        trace_id: "ff".into(),
        started_at: fixture::NOW,
        ..TraceSummary::default()
    };
    hand.hear(Rows::Traces(vec![newest]));
    assert_eq!(hand.app.traces.rows(), held);
    assert!(hand.screen(120, 30).contains("1 new, f follows"));
    hand.keys("f");
    assert_eq!(hand.app.traces.rows()[0], "ff");
}

#[test]
fn a_search_asks_once_and_shows_why_it_was_refused() {
    let mut hand = Hand::in_trouble();
    hand.keys("3/duration>");
    assert!(
        !hand
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Ask(Question::Traces(_))))
    );
    hand.code(KeyCode::Enter);
    assert!(
        hand.effects
            .contains(&Effect::Ask(Question::Traces("duration>".into())))
    );
    let problem = Problem {
        status: 400,
        code: "bad_query".into(),
        title: "Query not understood".into(),
        field: Some("q".into()),
        detail: "a duration is expected at character 9".into(),
    };
    hand.answer(Answer::Traces("duration>".into(), Err(ClientError::Refused(problem))));
    assert!(hand.screen(120, 30).contains("at character 9"));
    hand.code(KeyCode::Esc);
    assert!(hand.screen(120, 30).contains("3 newest traces"));
}

#[test]
fn the_rate_of_orders_is_changed_by_plus_and_minus() {
    let mut hand = Hand::in_trouble();
    hand.keys("+");
    let asked = |rate| {
        Effect::Ask(Question::Traffic(Traffic {
            orders_per_second: rate,
            flows: None,
        }))
    };
    assert_eq!(hand.effects.last(), Some(&asked(25.0)));
    hand.keys("-");
    assert_eq!(hand.effects.last(), Some(&asked(15.0)));
}

#[test]
fn the_mouse_opens_what_it_clicks() {
    let mut hand = Hand::in_trouble();
    click(&mut hand, "5 Breakers");
    assert_eq!(hand.app.place, Place::Breakers);
    click(&mut hand, "gateway → orders");
    assert_eq!(hand.app.breakers.selected(), Some("gateway~orders~1"));
    click(&mut hand, "failing");
    assert_eq!(hand.app.breakers.rows()[0], "orders~payments~1");
    click(&mut hand, "3 Traces");
    click(&mut hand, "0af76519");
    click(&mut hand, "0af76519");
    assert_eq!(hand.app.place, Place::Trace("0af7651916cd43dd8448eb211c80319c".into()));
}

#[test]
fn a_pasted_id_is_looked_for() {
    let mut hand = Hand::in_trouble();
    hand.event(Event::Paste(" 7f3a91c2-1111\n".into()));
    hand.code(KeyCode::Enter);
    assert!(
        hand.effects
            .contains(&Effect::Ask(Question::Explain("7f3a91c2-1111".into())))
    );
}

#[test]
fn ids_are_copied_in_full_and_links_are_the_pages() {
    let mut hand = Hand::in_trouble();
    hand.keys("2jyo");
    assert!(hand.effects.contains(&Effect::Copy("19cc02d7-2222".into())));
    hand.code(KeyCode::Enter);
    hand.keys("o");
    let link = "http://127.0.0.1:4319/sagas/19cc02d7-2222?name=order";
    assert_eq!(hand.effects.last(), Some(&Effect::Browse(link.into())));
}

#[test]
fn hostile_text_reaches_no_cell() {
    let mut hand = Hand::in_trouble();
    let hostile = "\u{1b}]52;c;eA==\u{7}\u{202e}evil\u{9b}2J\u{200f}";
    hand.hear(Rows::Services(vec![Service {
        name: hostile.into(),
        up: true,
        ..Service::default()
    }]));
    let screen = hand.screen(160, 50);
    assert!(screen.contains("evil"), "{screen}");
    let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200f}';
    assert!(!screen.chars().any(bad), "{screen:?}");
}

#[test]
fn no_size_and_no_key_brings_it_down() {
    let keys = "123569?:/jkGghlieFtbcyo nNfA[]+-XM";
    for (width, height) in [
        (1, 1),
        (3, 2),
        (39, 9),
        (40, 10),
        (80, 24),
        (81, 11),
        (110, 12),
        (300, 100),
    ] {
        let mut hand = Hand::in_trouble();
        hand.answer(Answer::Catalogue(Ok(fixture::catalogue())));
        for key in keys.chars() {
            hand.keys(&key.to_string());
            hand.screen(width, height);
            hand.code(KeyCode::Enter);
            hand.screen(width, height);
            hand.code(KeyCode::Esc);
        }
        hand.answer(Answer::Saga(
            fixture::compensating_key(),
            Ok(Box::new(fixture::saga_detail())),
        ));
        hand.answer(Answer::Trace(fixture::TRACE.into(), Ok(Box::new(fixture::trace()))));
        hand.answer(Answer::SagaType("order".into(), Ok(Box::new(fixture::saga_type()))));
        for key in ["2j", "\n", "F", "3", "\n", "n", "h"] {
            if key == "\n" {
                hand.code(KeyCode::Enter)
            } else {
                hand.keys(key)
            }
            hand.screen(width, height);
        }
    }
}
