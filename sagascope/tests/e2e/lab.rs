//! `sagascope lab` from end to end: shops of their own, measured tables, a verdict, and nothing left.

use std::process::Command;

use serde_json::Value;

use crate::support::binary;

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
