//! `sagascope lab` from end to end: shops of their own, measured tables, a verdict, and nothing left.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use sagascope_api::experiments::{RunRequest, RunState};
use serde_json::Value;

use crate::support::demo::Demo;
use crate::support::{binary, eventually, processes};

/// Time for a shop to come up and an experiment on it, on a machine that is busy.
const DONE_WITHIN: Duration = Duration::from_secs(150);

fn lab(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(binary())
        .args(["lab", "--json", "--rate", "5"])
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), answer, said)
}

#[test]
fn scenarios_are_listed_and_an_unknown_one_is_answered_with_the_known() {
    let (code, list, _) = lab(&[]);
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["name"].as_str())
        .collect();
    assert_eq!(code, Some(0));
    assert!(
        names.contains(&"generations") && names.contains(&"two-phase-commit"),
        "{names:?}"
    );
    let (code, _, said) = lab(&["no-such-thing"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("stale-read"), "{said}");
}

#[test]
fn bookings_and_stale_reads_behave_as_promised_in_shops_of_their_own() {
    let (code, reports, said) = lab(&["booking", "stale-read"]);
    assert_eq!(code, Some(0), "{said}\n{reports:#}");
    for report in reports.as_array().unwrap() {
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.len() >= 3, "{report:#}");
        assert!(findings.iter().all(|finding| finding["holds"] == true), "{report:#}");
        assert!(
            !report["tables"][0]["rows"].as_array().unwrap().is_empty(),
            "{report:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_runs_an_experiment_on_request_and_takes_one_that_goes_on_with_it() {
    let mut demo = Demo::start(&["--rate", "0"]).await;
    let client = demo.client();
    let begun = client
        .run_experiment("stale-read", &RunRequest::default())
        .await
        .unwrap();
    let run = eventually("the experiment has a verdict", DONE_WITHIN, || async {
        let run = client.experiment_run(&begun.summary.id).await.ok()?;
        (run.summary.state != RunState::Running).then_some(run)
    })
    .await;
    assert_eq!(run.summary.state, RunState::Passed, "{run:#?}");
    assert!(
        run.progress.iter().any(|line| line.text == "the shop is up"),
        "{run:#?}"
    );
    assert!(!run.tables[0].rows.is_empty() && run.findings.len() >= 3, "{run:#?}");
    let shops = demo.folder().join("experiments/shops");
    assert_eq!(std::fs::read_dir(&shops).unwrap().count(), 0);

    client.run_experiment("booking", &RunRequest::default()).await.unwrap();
    let lab = eventually("the experiment's process", DONE_WITHIN, || async {
        let collector = demo.process_now("collector")?;
        processes::children_of(collector).into_iter().next()
    })
    .await;
    let shop = eventually("the experiment's shop", DONE_WITHIN, || async {
        processes::children_of(lab).into_iter().next()
    })
    .await;
    demo.signal(Signal::KILL);
    demo.gone().await;
    eventually("nothing to run on", Duration::from_secs(20), || async {
        [lab, shop].iter().all(|pid| !processes::is_alive(*pid)).then_some(())
    })
    .await;
}
