//! Wrong use is answered in words, with code 2, and nothing is started.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::{binary, free_port_base};

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(binary())
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("SAGASCOPE_URL")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn help_shows_examples() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        said(&output).contains("sagascope inject payments latency"),
        "{}",
        said(&output)
    );
}

#[test]
fn unknown_words_are_wrong_use() {
    for arguments in [
        &["dance"][..],
        &["service", "nobody"],
        &["inject", "payments", "gremlins"],
        &["demo", "--rate", "-1"],
        &["demo", "--port-base", "80"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_collector_that_is_not_there_is_named_with_what_to_do() {
    let url = format!("http://127.0.0.1:{}", free_port_base());
    let output = run(&["sagas", "--url", &url]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains(&url) && text.contains("sagascope collect"), "{text}");
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let base = free_port_base();
    let _holder = TcpListener::bind(("127.0.0.1", base + 1)).unwrap();
    let output = run(&["demo", "--headless", "--port-base", &base.to_string()]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let text = said(&output);
    assert!(
        text.contains(&format!("port {} (OTLP HTTP) is taken", base + 1)) && text.contains("--port-base"),
        "{text}"
    );
}

#[test]
fn a_data_folder_that_cannot_be_used_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, "a file, not a folder").unwrap();
    let base = free_port_base().to_string();
    let output = run(&[
        "demo",
        "--headless",
        "--port-base",
        &base,
        "--data-dir",
        path.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("--data-dir"), "{}", said(&output));
}
