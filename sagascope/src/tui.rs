//! The terminal dashboard: alone, or in front of the demo.

use std::io::IsTerminal;

use sagascope_tui::{NoTerminal, Options};
use tokio::task::JoinHandle;

use crate::cli::TuiOptions;
use crate::exit;

/// `sagascope tui`.
pub(crate) async fn run(options: TuiOptions) -> anyhow::Result<()> {
    let dashboard = Options {
        url: options.connection.url.clone(),
        token: options.connection.token()?,
        read_only: options.read_only,
        ascii: options.ascii,
        ..Options::default()
    };
    sagascope_tui::run(dashboard).await.map_err(wrong_place)
}

/// The dashboard of the demo that this process supervises, in a task of its own: should it panic, the terminal is given
/// back and the children are still stopped in order.
pub(crate) fn in_demo(url: &str, token: &str) -> JoinHandle<anyhow::Result<()>> {
    let dashboard = Options {
        url: url.to_owned(),
        token: Some(token.to_owned()),
        ..Options::default()
    };
    tokio::spawn(async move { sagascope_tui::run(dashboard).await.map_err(wrong_place) })
}

/// Refuses, before anything starts, to open a dashboard where there is none to see it.
pub(crate) fn must_be_possible() -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(exit::usage(
        "standard output is no terminal; run the demo without the dashboard: --headless",
    ))
}

fn wrong_place(error: anyhow::Error) -> anyhow::Error {
    if error.is::<NoTerminal>() {
        exit::usage(error.to_string())
    } else {
        error
    }
}
