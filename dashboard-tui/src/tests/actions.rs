//! What a person has services do, by keyboard: asked for, confirmed, and told what came of it.

use crossterm::event::KeyCode;
use insta::assert_snapshot;
use sagascope_api::Problem;
use sagascope_api::actions::{ActionDone, LetterAction, SagaAction, Verified};
use sagascope_api::client::ClientError;
use sagascope_api::live::Rows;
use sagascope_api::read_models::DeadLetter;

use super::fixture;
use super::hand::Hand;
use crate::event::{Answer, Effect, Question};

fn asked(hand: &Hand) -> Vec<&Question> {
    let is_command = |question: &&Question| {
        matches!(
            question,
            Question::Letters(..) | Question::Rebuild(..) | Question::Act(..)
        )
    };
    let questions = hand.effects.iter().filter_map(|effect| match effect {
        Effect::Ask(question) => Some(question),
        _ => None,
    });
    questions.filter(is_command).collect()
}

/// In front of the read models, on the dead letter at the end of the list.
fn at_the_letter() -> Hand {
    let mut hand = Hand::in_trouble();
    hand.keys("6G");
    hand
}

#[test]
fn a_dead_letter_is_inspected_and_replayed_after_a_yes() {
    let mut hand = at_the_letter();
    hand.keys("v");
    assert_snapshot!("letter_80x24", hand.screen(80, 24));
    hand.keys("R");
    assert_snapshot!("letter_replay_80x24", hand.screen(80, 24));
    hand.keys("n");
    assert!(asked(&hand).is_empty());
    hand.keys("Ry");
    let [Question::Letters(LetterAction::Replay, request)] = asked(&hand)[..] else {
        panic!("{:?}", hand.effects)
    };
    let letter = fixture::letter();
    assert_eq!(
        (&request.destination, request.id.as_ref()),
        (&letter.destination, Some(&letter.id))
    );
    hand.answer(Answer::Acted(Ok(ActionDone {
        services: vec!["broker".into()],
        count: 1,
        detail: "1 dead letter is delivered once more.".into(),
        verified: Verified::Telemetry,
    })));
    assert!(
        hand.screen(120, 30)
            .contains("delivered once more. (broker; the telemetry shows it)")
    );
}

#[test]
fn a_dead_letter_is_purged_from_its_details() {
    let mut hand = at_the_letter();
    hand.keys("vPy");
    assert!(matches!(asked(&hand)[..], [Question::Letters(LetterAction::Purge, _)]));
    hand.keys("v");
    hand.code(KeyCode::Esc);
    assert!(hand.app.overlay.is_none());
}

#[test]
fn a_read_model_is_rebuilt_after_a_yes_and_a_refusal_is_told() {
    let mut hand = Hand::in_trouble();
    hand.keys("6B");
    assert!(hand.screen(80, 24).contains("Rebuild "), "{}", hand.screen(80, 24));
    hand.keys("y");
    assert!(matches!(asked(&hand)[..], [Question::Rebuild(_, _)]));
    hand.answer(Answer::Acted(Err(ClientError::Refused(Problem {
        status: 504,
        code: "no_answer".into(),
        title: "No answer".into(),
        field: None,
        detail: "orders was told".into(),
    }))));
    assert!(hand.screen(80, 24).contains("refused: orders was told"));
    hand.keys("R");
    assert!(hand.screen(80, 24).contains("select a dead letter first"));
}

#[test]
fn a_saga_is_retried_or_turned_back_after_a_yes() {
    let mut hand = Hand::in_trouble();
    hand.keys("2Ry");
    hand.keys("Uy");
    hand.keys("Kn");
    hand.keys("Ky");
    hand.keys("Ay");
    assert!(matches!(
        asked(&hand)[..],
        [
            Question::Act(SagaAction::Retry, _),
            Question::Act(SagaAction::Cancel, _),
            Question::Act(SagaAction::CommitInDoubt, _),
            Question::Act(SagaAction::AbortInDoubt, _)
        ]
    ));
}

#[test]
fn nothing_is_asked_without_a_token_or_when_only_looking() {
    for read_only in [true, false] {
        let mut hand = Hand::new(|setup| (setup.read_only, setup.has_token) = (read_only, read_only));
        for rows in fixture::trouble() {
            hand.hear(rows);
        }
        hand.keys("6GRy");
        hand.keys("Py");
        hand.keys("gBy");
        hand.keys("2Ry");
        hand.keys("Uy");
        assert!(asked(&hand).is_empty(), "{:?}", hand.effects);
    }
}

#[test]
fn a_hostile_letter_reaches_no_cell() {
    let mut hand = Hand::in_trouble();
    let hostile = "\u{1b}]52;c;eA==\u{7}\u{202e}evil\u{9b}2J".to_owned();
    hand.hear(Rows::DeadLetters(vec![DeadLetter {
        id: hostile.clone(),
        destination: hostile.clone(),
        reason: Some(hostile),
        at: fixture::NOW.plus_seconds(1.0),
        ..fixture::letter()
    }]));
    hand.keys("6Gkv");
    let details = hand.screen(100, 30);
    hand.keys("R");
    let question = hand.screen(100, 30);
    for screen in [details, question] {
        let bad = screen
            .chars()
            .find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{202e}'));
        assert_eq!(bad, None, "{screen}");
    }
}
