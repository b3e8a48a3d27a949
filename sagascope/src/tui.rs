//! The terminal dashboard: alone, or in front of the demo.

use sagascope_tui::{NoTerminal, Options};

use crate::cli::TuiOptions;
use crate::exit::usage;

/// `sagascope tui`.
pub(crate) async fn run(options: TuiOptions) -> anyhow::Result<()> {
    let dashboard = Options {
        token: options.connection.token()?,
        url: options.connection.url,
        read_only: options.read_only,
        ascii: options.ascii,
        ground: None,
    };
    show(dashboard).await
}

/// The dashboard of the demo that this process supervises.
pub(crate) async fn in_demo(url: &str, token: &str) -> anyhow::Result<()> {
    let dashboard = Options {
        url: url.to_owned(),
        token: Some(token.to_owned()),
        ..Options::default()
    };
    show(dashboard).await
}

/// To be started without a terminal is wrong use, not a failure.
async fn show(options: Options) -> anyhow::Result<()> {
    let outcome = sagascope_tui::run(options).await;
    outcome.map_err(|error| match error.downcast_ref::<NoTerminal>() {
        Some(reason) => usage(reason.to_string()),
        None => error,
    })
}
