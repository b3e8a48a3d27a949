//! The page in a real browser, driven by the story in `dashboard-web/tests`.

use std::process::Command;
use std::time::Duration;

use sagascope_conventions::SagaState;

use crate::support::demo::{Demo, sagas};
use crate::support::workspace;

const PACKAGES: &str = "dashboard-web/node_modules/playwright-core/package.json";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lives_in_a_real_browser() {
    let root = workspace();
    assert!(
        root.join(PACKAGES).is_file(),
        "the browser story needs `npm ci` in dashboard-web; `cargo verify` does that"
    );
    let demo = Demo::start(&["--rate", "10"]).await;
    demo.overview("sagas complete", Duration::from_secs(30), |now| {
        sagas(now, SagaState::Completed) >= 3
    })
    .await;
    let output = Command::new("node")
        .arg("tests/browser.mjs")
        .current_dir(root.join("dashboard-web"))
        .env("SAGASCOPE_URL", demo.url())
        .env("SAGASCOPE_TOKEN", demo.token())
        .env("SAGASCOPE_OTLP_URL", format!("http://127.0.0.1:{}", demo.base() + 1))
        .output()
        .expect("Node.js is installed");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{text}");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("ok "), "the story told nothing: {text}");
}
