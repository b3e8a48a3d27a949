//! Development commands.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

mod web;

/// Development commands of Sagascope.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the web page into target/web/dist.
    Web {
        /// Fast to build, big to load.
        #[arg(long)]
        dev: bool,
        /// Rebuild on every change, in dev mode.
        #[arg(long)]
        watch: bool,
    },
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace folder")?;
    match Cli::parse().command {
        Task::Web { watch: true, .. } => web::watch(root),
        Task::Web { dev, .. } => web::build(root, dev).map(|dist| println!("{}", dist.display())),
    }
}
