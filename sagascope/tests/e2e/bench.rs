//! `sagascope bench` from end to end, small.

use std::process::Command;

use serde_json::Value;

use crate::support::binary;

#[test]
fn a_bench_accounts_for_every_record_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(binary())
        .args([
            "bench",
            "--spans",
            "8192",
            "--batch",
            "64",
            "--logs",
            "--metrics",
            "--json",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["sending"]["is_exact"], true, "{report:#}");
    for signal in ["spans", "logs", "points"] {
        assert!(report["sending"][signal]["accepted"].as_u64().unwrap() > 0, "{signal}");
    }
    for question in ["trace_by_id", "newest_errors", "attribute_filter"] {
        let waits = &report["questions"][question];
        assert_eq!(waits["times"], 50, "{question}");
    }
    assert_eq!(report["questions"]["trace_by_id"]["missed"], 0, "{report:#}");
    assert_eq!(
        (&report["visible"]["missed"], &report["pushed"]["missed"]),
        (&0.into(), &0.into())
    );
    assert!(report["restart_accepting_seconds"].as_f64().unwrap() > 0.0);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
