//! The terminal dashboard: alone, or in front of the demo.

use crate::cli::TuiOptions;

/// `sagascope tui`.
pub(crate) async fn run(options: TuiOptions) -> anyhow::Result<()> {
    let _ = (options.connection.token()?, options.read_only, options.ascii);
    in_demo(&options.connection.url, "").await
}

/// The dashboard of the demo that this process supervises.
pub(crate) async fn in_demo(_url: &str, _token: &str) -> anyhow::Result<()> {
    anyhow::bail!("the terminal dashboard is not part of this build")
}
