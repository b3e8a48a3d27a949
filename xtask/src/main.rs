//! Development commands: `cargo demo`, `cargo verify`, `cargo xtask …`.

mod bench;
mod build;
mod steps;
mod tools;
mod verify;
mod web;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Development commands of Sagascope
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the page and the release binary `target/release/sagascope`, which contains it
    Build,
    /// Build, then run `sagascope demo` with the given arguments
    Demo {
        /// Handed on; see `cargo demo --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measure this build against the project's goals
    Bench(bench::Options),
    /// Run every check
    Verify {
        /// Run only the steps whose name contains this; can be repeated
        #[arg(long = "only", value_name = "TEXT")]
        only: Vec<String>,
        /// List the steps and end
        #[arg(long)]
        list: bool,
    },
    /// Build the page alone, into `target/web/dist`
    Web {
        /// Fast to build, big to load
        #[arg(long)]
        dev: bool,
        /// Build again on every change, in dev mode
        #[arg(long)]
        watch: bool,
    },
}

// `cargo demo --help` should be the demo's help, not ours.
fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let root = root()?;
    match task() {
        Task::Build => build::all(&root).map(|_| ExitCode::SUCCESS),
        Task::Demo { arguments } => demo(&root, &arguments),
        Task::Bench(options) => bench::run(&root, &options),
        Task::Verify { only, list } => verify::run(&root, &only, list),
        Task::Web { watch: true, .. } => {
            tools::wasm_target()?;
            web::watch(&root).map(|()| ExitCode::SUCCESS)
        }
        Task::Web { dev, .. } => {
            tools::wasm_target()?;
            println!("{}", web::build(&root, dev)?.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The task asked for. What stands after `demo` belongs to the demo, `--help` too, so clap must not see it.
fn task() -> Task {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "demo") {
        return Task::Demo {
            arguments: arguments.collect(),
        };
    }
    Cli::parse().task
}

fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask is not in a workspace")?;
    Ok(root.to_owned())
}

/// Becomes the demo, so that its exit code and the terminal's signals are its own.
fn demo(root: &Path, arguments: &[OsString]) -> Result<ExitCode> {
    let binary = build::all(root)?;
    let error = Command::new(&binary).arg("demo").args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", binary.display()))
}
