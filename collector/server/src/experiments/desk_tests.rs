//! Runs begin, tell, end and are forgotten.

use super::*;

fn desk(kept: Vec<ExperimentRun>) -> Desk {
    let scenario = |name: &str| Scenario {
        name: name.into(),
        title: "a title".into(),
        look_at: vec!["the tables".into()],
        about_seconds: Some(90),
    };
    Desk::new(vec![scenario("a"), scenario("b")], kept)
}

fn measured(holds: &[bool]) -> Measured {
    Measured {
        tables: vec![FigureTable {
            title: "t".into(),
            columns: vec!["x".into()],
            rows: vec![vec!["1".into()]],
        }],
        findings: holds
            .iter()
            .enumerate()
            .map(|(n, holds)| Finding {
                holds: *holds,
                text: format!("finding {n}"),
            })
            .collect(),
    }
}

fn code(answer: Answer<ExperimentRun>) -> String {
    answer.unwrap_err().problem().code.clone()
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn one_runs_at_a_time_and_its_verdict_follows_from_its_findings() {
    let mut desk = desk(Vec::new());
    assert_eq!(
        code(desk.begin("c", RunRequest::default(), "e-1", Time(1))),
        "unknown_experiment"
    );
    let cases: [(Result<Measured, String>, RunState, &str); 4] = [
        (Ok(measured(&[true, true])), RunState::Passed, "all 2 findings hold"),
        (Ok(measured(&[true, false])), RunState::Failed, "(1 of 2): finding 1"),
        (Ok(measured(&[])), RunState::Error, "proves nothing"),
        (
            Err("the shop does not come up".into()),
            RunState::Error,
            "does not come up",
        ),
    ];
    for (n, (told, state, verdict)) in cases.into_iter().enumerate() {
        let id = format!("e-{n}");
        let begun = desk.begin("a", RunRequest::default(), &id, Time(1)).unwrap();
        assert_eq!(begun.summary.state, RunState::Running);
        assert_eq!(
            code(desk.begin("b", RunRequest::default(), "e-x", Time(1))),
            "experiment_running"
        );
        let (ended, _) = desk.end(&id, Outcome::of(told), Time(2)).unwrap();
        assert_eq!(ended.summary.state, state);
        let said = ended.summary.verdict.unwrap();
        assert!(said.contains(verdict), "{said}");
    }
}

#[test]
fn the_last_verdict_stays_in_sight_while_the_next_run_goes_on() {
    let mut desk = desk(Vec::new());
    desk.begin("b", RunRequest::default(), "e-1", Time(SECOND)).unwrap();
    desk.end("e-1", Outcome::of(Ok(measured(&[true]))), Time(13 * SECOND))
        .unwrap();
    desk.take_changes();
    desk.begin("b", RunRequest::default(), "e-2", Time(20 * SECOND))
        .unwrap();
    let rows = desk.take_changes();
    assert_eq!(rows.len(), 1, "the other has not changed");
    let row = &rows[0];
    assert_eq!(
        (row.place, row.scenario.about_seconds),
        (2, Some(12)),
        "as long as it took last time"
    );
    assert_eq!(row.last.as_ref().unwrap().state, RunState::Passed);
    assert_eq!(row.run.as_ref().unwrap().summary.id, "e-2");
    assert!(desk.take_changes().is_empty());
}

#[test]
fn what_a_run_tells_is_cut_and_cleaned() {
    let mut desk = desk(Vec::new());
    desk.begin("a", RunRequest::default(), "e-1", Time(1)).unwrap();
    for n in 0..PROGRESS_HELD + 3 {
        desk.tell("e-1", &format!("line {n}\u{1b}[31m"), Time(2));
    }
    desk.tell("e-other", "whose is this", Time(2));
    let run = desk.run("e-1").unwrap();
    assert_eq!((run.progress.len(), run.progress_dropped), (PROGRESS_HELD, 3));
    assert_eq!(run.progress[0].text, "line 3\u{fffd}[31m");
    let mut wild = measured(&[true; 200]);
    wild.findings[150].holds = false;
    wild.tables[0].rows = vec![vec!["\u{1b}x".repeat(500); 40]; 500];
    let (ended, _) = desk.end("e-1", Outcome::of(Ok(wild)), Time(3)).unwrap();
    assert_eq!(ended.summary.state, RunState::Failed);
    assert!(!ended.findings[0].holds, "a broken promise is not cut off");
    assert_eq!((ended.findings.len(), ended.tables[0].rows.len()), (FINDINGS, ROWS));
    assert_eq!(ended.tables[0].rows[0].len(), 1, "a cell for each column");
    assert!(!ended.tables[0].rows[0][0].contains('\u{1b}'));
}

#[test]
fn old_runs_are_forgotten_but_never_the_last_of_an_experiment() {
    let mut desk = desk(Vec::new());
    desk.begin("b", RunRequest::default(), "e-b", Time(0)).unwrap();
    desk.end("e-b", Outcome::of(Ok(measured(&[true]))), Time(1)).unwrap();
    let mut forgotten = Vec::new();
    for n in 0..RUNS as u64 + 5 {
        let id = format!("e-{n}");
        desk.begin("a", RunRequest::default(), &id, Time(n + 2)).unwrap();
        forgotten.extend(desk.end(&id, Outcome::ended(End::Cancelled), Time(n + 3)).unwrap().1);
    }
    assert_eq!(desk.runs().len(), RUNS);
    assert_eq!(forgotten[..2], ["e-0", "e-1"]);
    assert!(desk.run("e-b").is_some());
}

#[test]
fn a_run_that_was_killed_with_the_collector_says_so() {
    let mut before = desk(Vec::new());
    before.begin("a", RunRequest::default(), "e-1", Time(1)).unwrap();
    before.tell("e-1", "half way", Time(5));
    let mut after = desk(vec![before.run("e-1").unwrap()]);
    let run = after.run("e-1").unwrap().summary;
    assert_eq!((run.state, run.ended_at), (RunState::Error, Some(Time(5))));
    assert!(after.begin("b", RunRequest::default(), "e-2", Time(9)).is_ok());
}
