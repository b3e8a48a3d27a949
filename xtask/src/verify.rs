//! `cargo verify`: every check, each step by name, with a summary and the counted tests at the end.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::steps::{self, Counts};
use crate::{build, tools};

/// One check. It adds the tests that it ran to the counts.
struct Step {
    name: &'static str,
    run: fn(&Path, &mut Counts) -> Result<()>,
}

/// Cheap checks first, so that a mistake is found early; the page and the binary before what needs them.
const STEPS: [Step; 10] = [
    Step {
        name: "format",
        run: format,
    },
    Step {
        name: "tools",
        run: install_tools,
    },
    Step {
        name: "lint: host",
        run: lint_host,
    },
    Step {
        name: "lint: page",
        run: lint_page,
    },
    Step {
        name: "tests: unit and integration",
        run: test_workspace,
    },
    Step {
        name: "tests: damaged input",
        run: test_damaged_input,
    },
    Step {
        name: "tests: sealed rows in other engines",
        run: test_other_engines,
    },
    Step {
        name: "tests: page",
        run: test_page,
    },
    Step {
        name: "build: page and binary",
        run: build_all,
    },
    Step {
        name: "tests: end to end",
        run: test_end_to_end,
    },
];

struct Outcome {
    name: &'static str,
    took: Duration,
    error: Option<anyhow::Error>,
}

/// Runs the steps whose name contains one of `only`, or all. A failed step does not hide what later ones find.
pub(crate) fn run(root: &Path, only: &[String], list: bool) -> Result<ExitCode> {
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| only.is_empty() || only.iter().any(|text| step.name.contains(text.as_str())))
        .collect();
    if chosen.is_empty() {
        bail!("no step has that in its name; `cargo verify --list` shows them");
    }
    if list {
        chosen.iter().for_each(|step| println!("{}", step.name));
        return Ok(ExitCode::SUCCESS);
    }
    let began = Instant::now();
    let mut counts = Counts::default();
    let outcomes: Vec<Outcome> = chosen
        .into_iter()
        .map(|step| perform(step, root, &mut counts))
        .collect();
    summary(&outcomes, counts, began.elapsed());
    let good = counts.failed == 0 && outcomes.iter().all(|outcome| outcome.error.is_none());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn perform(step: &Step, root: &Path, counts: &mut Counts) -> Outcome {
    let began = Instant::now();
    let error = steps::timed(step.name, || (step.run)(root, counts)).err();
    if let Some(error) = &error {
        eprintln!("  {error:#}");
    }
    Outcome {
        name: step.name,
        took: began.elapsed(),
        error,
    }
}

fn summary(outcomes: &[Outcome], counts: Counts, took: Duration) {
    println!();
    for outcome in outcomes {
        let mark = if outcome.error.is_none() { "●" } else { "✖" };
        println!("{mark} {:<36} {:>10}", outcome.name, steps::shown(outcome.took));
        if let Some(error) = &outcome.error {
            println!("    {error:#}");
        }
    }
    println!("in {}", steps::shown(took));
    println!("{} passed, {} failed", counts.passed, counts.failed);
}

fn format(root: &Path, _: &mut Counts) -> Result<()> {
    steps::must(tools::cargo(root).args(["fmt", "--all", "--check"]))
}

fn install_tools(root: &Path, _: &mut Counts) -> Result<()> {
    tools::wasm_target()?;
    tools::browser_and_node()?;
    tools::npm_packages(&root.join("dashboard-web"), "playwright-core")?;
    let sdk = root.join("sagascope/tests/e2e/sdk");
    tools::npm_packages(&sdk, "@opentelemetry/api")?;
    tools::python_packages(&root.join("target/python"), &sdk.join("requirements.txt"))?;
    let engines = root.join("collector/store/tests/engines/requirements.txt");
    tools::python_packages(&root.join("target/python-engines"), &engines)
}

fn lint_host(root: &Path, _: &mut Counts) -> Result<()> {
    let arguments = [
        "clippy",
        "--quiet",
        "--locked",
        "--workspace",
        "--exclude",
        "sagascope-web",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    steps::must(tools::cargo(root).args(arguments))
}

fn lint_page(root: &Path, _: &mut Counts) -> Result<()> {
    let arguments = [
        "clippy",
        "--quiet",
        "--locked",
        "--package",
        "sagascope-web",
        "--target",
        "wasm32-unknown-unknown",
        "--",
        "-D",
        "warnings",
    ];
    steps::must(tools::cargo(root).args(arguments))
}

/// Everything but the page, whose target is another, and the binary, whose tests want it built for release.
fn test_workspace(root: &Path, counts: &mut Counts) -> Result<()> {
    let arguments = [
        "test",
        "--quiet",
        "--locked",
        "--no-fail-fast",
        "--workspace",
        "--exclude",
        "sagascope-web",
        "--exclude",
        "sagascope",
    ];
    tests(tools::cargo(root).args(arguments), counts)
}

/// New inputs for some seconds each; the ordinary tests try the same ones each time.
fn test_damaged_input(root: &Path, counts: &mut Counts) -> Result<()> {
    let mut command = tools::cargo(root);
    command.args(["test", "--quiet", "--locked", "--no-fail-fast"]);
    for package in ["sagascope-core", "sagascope-store", "sagascope-server"] {
        command.args(["--package", package]);
    }
    // The names of the tests or of their modules hold the word.
    command
        .args(["--lib", "--test", "fuzz"])
        .env("SAGASCOPE_FUZZ_SECONDS", "5");
    tests(command.arg("fuzz"), counts)
}

/// pyarrow, DuckDB and ClickHouse read what is sealed.
fn test_other_engines(root: &Path, counts: &mut Counts) -> Result<()> {
    let mut command = tools::cargo(root);
    command.args(["test", "--quiet", "--locked", "--package", "sagascope-store"]);
    tests(command.args(["--test", "engines", "--", "--ignored"]), counts)
}

/// The page's pure parts run on the host.
fn test_page(root: &Path, counts: &mut Counts) -> Result<()> {
    tests(
        tools::cargo(root).args([
            "test",
            "--quiet",
            "--locked",
            "--no-fail-fast",
            "--package",
            "sagascope-web",
        ]),
        counts,
    )
}

fn build_all(root: &Path, _: &mut Counts) -> Result<()> {
    build::all(root).map(drop)
}

/// Real processes of the release binary: cluster, terminal, browser. One at a time: each starts a whole shop.
fn test_end_to_end(root: &Path, counts: &mut Counts) -> Result<()> {
    let binary = root.join("target/release/sagascope");
    ensure!(
        binary.is_file(),
        "{} is not there; build it with `cargo xtask build`",
        binary.display()
    );
    let mut command = tools::cargo(root);
    command.args([
        "test",
        "--quiet",
        "--locked",
        "--no-fail-fast",
        "--package",
        "sagascope",
        "--",
        "--test-threads=1",
    ]);
    command.env("SAGASCOPE_BIN", binary);
    if let Some(browser) = tools::browser() {
        command.env("SAGASCOPE_BROWSER", browser);
    }
    tests(&mut command, counts)
}

fn tests(command: &mut Command, counts: &mut Counts) -> Result<()> {
    let status = steps::counted(command, counts)?;
    ensure!(status.success(), "some tests failed");
    Ok(())
}
