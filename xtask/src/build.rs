//! The page, then the binary that contains it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{steps, tools, web};

/// Builds both and gives the path of the release binary.
pub(crate) fn all(root: &Path) -> Result<PathBuf> {
    steps::timed("page", || {
        tools::wasm_target()?;
        web::build(root, false)
    })?;
    steps::timed("binary", || binary(root))
}

/// Builds the release binary alone.
pub(crate) fn binary(root: &Path) -> Result<PathBuf> {
    let status = tools::cargo(root)
        .args(["build", "--release", "--locked", "--package", "sagascope"])
        .env("SAGASCOPE_WEB_DIST", root.join("target/web/dist"))
        .env("CARGO_TARGET_DIR", root.join("target"))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the binary does not build");
    Ok(root.join("target/release/sagascope"))
}
