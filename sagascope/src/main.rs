//! `sagascope`: one binary with the collector, both dashboards and the demo cluster in it.

mod assets;
mod bench;
mod cli;
mod collect;
mod demo;
mod exit;
mod lab;
mod lifeline;
mod logging;
mod memory;
mod remote;
mod service;
mod tui;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Takes less time than the system's, and hands memory back after a burst.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memory::give_back_soon();
    lifeline::watch();
    let cli = Cli::parse();
    exit::code(run(cli.command))
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads(&command))
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Demo(options) => demo::run(options).await,
            Command::Collect(options) => collect::run(options).await,
            Command::Bench(options) => bench::run(options).await,
            Command::Lab(options) => lab::run(options).await,
            Command::Tui(options) => tui::run(options).await,
            Command::Service { name, release } => service::run(name, release).await,
            Command::Inject(options) => remote::inject::run(options).await,
            Command::Act(options) => remote::act::run(options).await,
            Command::Explain(options) => remote::explain::run(options).await,
            Command::Health(options) => remote::health::run(options).await,
            Command::Views(view) => remote::show::run(view).await,
        }
    });
    runtime.shutdown_background();
    outcome
}

/// Threads for one process. Ten services share one machine, so each gets few; the collector gets what there is.
fn worker_threads(command: &Command) -> usize {
    match command {
        Command::Collect(_) => std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8),
        _ => 2,
    }
}
