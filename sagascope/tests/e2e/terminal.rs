//! The terminal dashboard in a pseudo-terminal, as a person uses it.

use rustix::process::Signal;

use crate::support::demo::Demo;
use crate::support::processes;
use crate::support::terminal::Terminal;

async fn open(demo: &Demo, columns: u16, rows: u16) -> Terminal {
    let (url, token) = (demo.url(), demo.token_file());
    let arguments = [
        "tui",
        "--url",
        &url,
        "--token-file",
        token.to_str().expect("a plain path"),
    ];
    Terminal::run(&arguments, demo.folder(), columns, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_shows_every_view_and_leaves_the_terminal_as_it_was() {
    let demo = Demo::start(&["--rate", "10"]).await;
    let mut terminal = open(&demo, 120, 40).await;
    terminal.shows(&["Sagascope", "Overview", "live", "payments"]).await;
    for (key, word) in [
        ("2", "waits for"),
        ("3", "newest traces"),
        ("5", "caller → target"),
        ("6", "daily_sales"),
        ("9", "Inject a fault"),
        ("1", "Services"),
    ] {
        terminal.press(key);
        terminal.shows(&[word]).await;
    }
    terminal.press("?");
    terminal.shows(&["quit"]).await;
    terminal.press("\u{1b}");
    // A key that follows at once would be one with Alt.
    terminal.hides("Enter runs").await;
    terminal.resize(80, 24);
    terminal.shows(&["Overview"]).await;
    terminal.press("q");
    assert_eq!(terminal.ended().await, 0);
    terminal.assert_restored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_too_small_says_so_and_recovers() {
    let demo = Demo::collector(&[]).await;
    let mut terminal = open(&demo, 20, 5).await;
    terminal.shows(&["too small"]).await;
    terminal.resize(80, 24);
    terminal.shows(&["Overview"]).await;
    terminal.press("q");
    assert_eq!(terminal.ended().await, 0);
    terminal.assert_restored();
}

#[tokio::test(flavor = "multi_thread")]
async fn being_told_to_end_restores_the_terminal() {
    let demo = Demo::collector(&[]).await;
    for signal in [Signal::TERM, Signal::HUP] {
        let mut terminal = open(&demo, 80, 24).await;
        terminal.shows(&["Overview"]).await;
        processes::signal(terminal.pid(), signal);
        terminal.ended().await;
        terminal.assert_restored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_collector_is_shown_and_found_again() {
    let mut demo = Demo::start(&["--rate", "5"]).await;
    let mut terminal = open(&demo, 120, 40).await;
    terminal.shows(&["live"]).await;
    processes::signal(demo.process("collector").await, Signal::STOP);
    processes::signal(demo.process("collector").await, Signal::KILL);
    terminal.shows(&["disconnected"]).await;
    terminal.shows(&["● live"]).await;
    terminal.press("q");
    assert_eq!(terminal.ended().await, 0);
    terminal.assert_restored();
    demo.signal(Signal::INT);
    assert!(demo.gone().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_in_a_terminal_ends_with_its_dashboard() {
    let folder = tempfile::tempdir().unwrap();
    let base = crate::support::free_port_base().to_string();
    let mut terminal = Terminal::run(&["demo", "--port-base", &base, "--rate", "10"], folder.path(), 120, 40);
    terminal.shows(&["Overview", "payments"]).await;
    let children = processes::children_of(terminal.pid());
    assert_eq!(
        children.len(),
        1 + shop_kit::topology::SERVICES.len(),
        "collector and services"
    );
    terminal.press("q");
    assert_eq!(terminal.ended().await, 0);
    terminal.assert_restored();
    assert!(
        !children.iter().any(|pid| processes::is_alive(*pid)),
        "every child has ended before the demo did"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_it_says_so() {
    let output = std::process::Command::new(crate::support::binary())
        .arg("tui")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("terminal"), "{text}");
}
