//! The lab by keyboard: looked at, run, watched, ended; and its screens.

use crossterm::event::KeyCode;
use insta::assert_snapshot;
use sagascope_api::Problem;
use sagascope_api::client::ClientError;
use sagascope_api::experiments::{
    Experiment, ExperimentRun, FigureTable, Finding, ProgressLine, RunRequest, RunState, RunSummary, Scenario,
};
use sagascope_api::live::Rows;

use super::fixture::{NOW, ago};
use super::hand::Hand;
use crate::event::{Answer, Effect, Question};

fn experiment(place: u32, name: &str, title: &str, look_at: &[&str], about_seconds: Option<u64>) -> Experiment {
    Experiment {
        scenario: Scenario {
            name: name.into(),
            title: title.into(),
            look_at: look_at.iter().map(|line| (*line).to_owned()).collect(),
            about_seconds,
        },
        place,
        last: None,
        run: None,
    }
}

fn summary(name: &str, state: RunState, verdict: Option<&str>, since: f64, took: Option<f64>) -> RunSummary {
    RunSummary {
        id: format!("e-{name}"),
        experiment: name.into(),
        state,
        verdict: verdict.map(str::to_owned),
        started_at: ago(since),
        ended_at: took.map(|took| ago(since - took)),
    }
}

fn table(title: &str, columns: &[&str], rows: &[&[&str]]) -> FigureTable {
    let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
    FigureTable {
        title: title.into(),
        columns: owned(columns),
        rows: rows.iter().map(|row| owned(row)).collect(),
    }
}

fn progress(lines: &[(f64, &str)]) -> Vec<ProgressLine> {
    let line = |(since, text): &(f64, &str)| ProgressLine {
        at: ago(*since),
        text: (*text).into(),
    };
    lines.iter().map(line).collect()
}

fn findings(all: &[(bool, &str)]) -> Vec<Finding> {
    let finding = |(holds, text): &(bool, &str)| Finding {
        holds: *holds,
        text: (*text).into(),
    };
    all.iter().map(finding).collect()
}

/// Every promise was kept, and the figures are too many for a narrow screen.
fn generations() -> Experiment {
    let last = summary(
        "generations",
        RunState::Failed,
        Some("not as promised (1 of 3): event-sourced: 2 orders are stuck"),
        900.0,
        Some(184.0),
    );
    let run = ExperimentRun {
        summary: last.clone(),
        request: RunRequest {
            seed: Some(7),
            ..RunRequest::default()
        },
        tables: vec![table(
            "10 orders/s for 20 s each, payments fails 30 %, orders is killed once",
            &[
                "generation",
                "fulfilled/s",
                "command p50",
                "p95",
                "p99",
                "window p50",
                "p99",
                "lost",
                "duplicated",
                "stuck",
                "money wrong",
                "recovery",
            ],
            &[
                &[
                    "1 sync", "6.1", "212 ms", "840 ms", "1204 ms", "–", "–", "0", "4", "3", "5", "820 ms",
                ],
                &[
                    "3 hardened",
                    "9.2",
                    "41 ms",
                    "88 ms",
                    "140 ms",
                    "210 ms",
                    "600 ms",
                    "0",
                    "0",
                    "0",
                    "0",
                    "1204 ms",
                ],
                &[
                    "4 event-sourced",
                    "9.4",
                    "12 ms",
                    "31 ms",
                    "64 ms",
                    "88 ms",
                    "340 ms",
                    "0",
                    "0",
                    "2",
                    "0",
                    "640 ms",
                ],
            ],
        )],
        findings: findings(&[
            (false, "event-sourced: 2 orders are stuck"),
            (true, "hardened: no order was harmed"),
            (true, "the first generation harms orders, which is its lesson: 12"),
        ]),
        progress: progress(&[
            (900.0, "starts a shop of its own on port 40501 and above"),
            (880.0, "the shop is up"),
        ]),
        ..ExperimentRun::default()
    };
    Experiment {
        last: Some(last),
        run: Some(run),
        ..experiment(
            1,
            "generations",
            "four generations of the order saga and the choreographed one, compared by measurement",
            &[
                "command: how long the customer waits; the first generation makes it wait for every step",
                "lost, duplicated, stuck, money wrong: what a crash of orders and a failing payments leave behind",
            ],
            Some(184),
        )
    }
}

/// It goes on, and went well last time.
fn payments_down() -> Experiment {
    Experiment {
        last: Some(summary(
            "payments-down",
            RunState::Passed,
            Some("as promised: all 5 findings hold"),
            7_200.0,
            Some(38.0),
        )),
        run: Some(ExperimentRun {
            summary: summary("payments-down", RunState::Running, None, 12.0, None),
            progress: progress(&[
                (12.0, "starts a shop of its own on port 40501 and above"),
                (9.0, "the shop is up"),
                (9.0, "places 160 orders (event_sourced) in 16 s"),
                (5.0, "40 of 160 orders placed"),
                (5.0, "payments: error rate 100 % for 8 s"),
                (1.0, "81 of 160 orders placed"),
                (0.5, "the breaker orders → payments is open"),
            ]),
            ..ExperimentRun::default()
        }),
        ..experiment(
            3,
            "payments-down",
            "payments is down: browsing goes on, orders are undone, nothing is lost",
            &["the breaker orders → payments opens, and closes again after the fault"],
            Some(38),
        )
    }
}

fn stale_read() -> Experiment {
    experiment(
        2,
        "stale-read",
        "the stale read, and reading one's own write by its position",
        &["the read model orders/summary stands still while its lag grows"],
        None,
    )
}

/// In the lab, where nothing runs.
fn in_the_lab() -> Hand {
    let mut hand = Hand::in_trouble();
    hand.hear(Rows::Experiments(vec![stale_read(), generations()]));
    hand.keys("0");
    hand
}

fn asked(hand: &Hand) -> Vec<&Question> {
    let questions = hand.effects.iter().filter_map(|effect| match effect {
        Effect::Ask(question) => Some(question),
        _ => None,
    });
    questions
        .filter(|question| matches!(question, Question::Run(_) | Question::EndRun(_)))
        .collect()
}

#[test]
fn the_lab_with_a_verdict() {
    let mut hand = in_the_lab();
    assert_snapshot!("lab_80x24", hand.screen(80, 24));
    assert_snapshot!("lab_160x50", hand.screen(160, 50));
    hand.code(KeyCode::Enter);
    assert_snapshot!("experiment_80x24", hand.screen(80, 24));
    assert_snapshot!("experiment_160x50", hand.screen(160, 50));
    hand.code(KeyCode::End);
    assert_snapshot!("experiment_end_80x24", hand.screen(80, 24));
    hand.code(KeyCode::Up);
    assert!(
        hand.screen(80, 24).contains("lines 10 to 28 of 29"),
        "{}",
        hand.screen(80, 24)
    );
}

#[test]
fn the_lab_while_an_experiment_runs() {
    let mut hand = in_the_lab();
    hand.hear(Rows::Experiments(vec![payments_down()]));
    hand.keys("G");
    assert_snapshot!("lab_running_80x24", hand.screen(80, 24));
    hand.code(KeyCode::Enter);
    assert_snapshot!("experiment_running_80x24", hand.screen(80, 24));
    hand.app.setup.theme.ascii = true;
    assert_snapshot!("experiment_running_ascii_80x24", hand.screen(80, 24));
}

#[test]
fn an_experiment_is_run_after_a_yes_and_one_runs_at_a_time() {
    let mut hand = in_the_lab();
    hand.keys("jr");
    assert_snapshot!("lab_confirm_80x24", hand.screen(80, 24));
    hand.keys("n");
    assert!(asked(&hand).is_empty());
    hand.keys("ry");
    assert_eq!(asked(&hand), [&Question::Run("stale-read".into())]);
    hand.answer(Answer::Begun(Ok(Box::new(ExperimentRun {
        summary: summary("stale-read", RunState::Running, None, 0.0, None),
        ..ExperimentRun::default()
    }))));
    assert!(hand.screen(80, 24).contains("stale-read runs"));
    hand.hear(Rows::Experiments(vec![payments_down()]));
    hand.keys("r");
    assert!(
        hand.screen(80, 24)
            .contains("payments-down runs, and one runs at a time")
    );
    hand.keys("Cy");
    assert_eq!(asked(&hand)[1..], [&Question::EndRun("e-payments-down".into())]);
    hand.answer(Answer::RunEnded(Ok(())));
    assert!(hand.screen(80, 24).contains("its shop with it"));
}

#[test]
fn enter_opens_and_then_runs_and_a_refusal_is_told() {
    let mut hand = in_the_lab();
    hand.code(KeyCode::Enter);
    hand.code(KeyCode::Enter);
    hand.keys("y");
    assert_eq!(asked(&hand), [&Question::Run("generations".into())]);
    hand.answer(Answer::Begun(Err(ClientError::Refused(Problem {
        status: 409,
        code: "experiment_running".into(),
        title: "An experiment runs".into(),
        field: None,
        detail: "`booking` runs (run e-1)".into(),
    }))));
    assert!(hand.screen(80, 24).contains("refused: `booking` runs"));
    hand.keys("C");
    assert!(hand.screen(80, 24).contains("no experiment runs"));
    hand.code(KeyCode::Esc);
    assert!(hand.screen(80, 24).contains("never run"));
}

#[test]
fn a_collector_without_a_lab_says_what_to_do() {
    let mut hand = Hand::in_trouble();
    hand.keys("0");
    assert!(
        hand.screen(80, 24)
            .contains("this collector has no lab: start `sagascope demo`")
    );
    hand.keys("ry");
    assert!(asked(&hand).is_empty());
}

#[test]
fn only_looking_runs_nothing() {
    let mut hand = Hand::new(|setup| setup.read_only = true);
    hand.hear(Rows::Experiments(vec![payments_down()]));
    hand.keys("0ryCy");
    assert!(asked(&hand).is_empty());
}

#[test]
fn hostile_words_reach_no_cell() {
    let hostile = "\u{1b}]52;c;eA==\u{7}\u{202e}evil\u{9b}2J";
    let mut row = generations();
    row.scenario.title = hostile.into();
    let run = row.run.as_mut().unwrap();
    run.tables[0].rows[0][0] = hostile.into();
    run.findings[0].text = hostile.into();
    run.progress[0].text = hostile.into();
    run.summary.verdict = Some(hostile.into());
    let mut hand = Hand::in_trouble();
    hand.hear(Rows::Experiments(vec![row]));
    hand.keys("0");
    hand.code(KeyCode::Enter);
    let screen = hand.screen(160, 50);
    let bad = screen
        .chars()
        .find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{202e}'));
    assert_eq!(bad, None, "{screen}");
    assert!(screen.contains("evil"));
    assert_eq!(hand.now, NOW);
}
