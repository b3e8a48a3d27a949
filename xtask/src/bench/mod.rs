//! `cargo xtask bench`: measures the build at hand against the goals and prints the table.

mod goals;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{build, steps, tools};
use goals::{GOALS, Goal, Measured, Verdict};

/// What to measure, and how thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Less load and a shorter overload: two minutes instead of seven
    #[arg(long)]
    quick: bool,
    /// End with code 1 when a goal is missed
    #[arg(long)]
    strict: bool,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// The page's files that a browser loads, compressed.
const BUNDLE: &str = "target/web/dist";

/// Runs everything and prints the table.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => build::all(root)?,
    };
    let (spans, overload) = if options.quick {
        ("250000", "10s")
    } else {
        ("1000000", "60s")
    };
    let load = ["--spans", spans];
    let overloaded = ["--spans", spans, "--overload", "4", "--overload-for", overload];
    let watched = ["--spans", spans, "--watchers", "100"];
    // The first figures of a cold machine would be compared with those of a warm one.
    steps::timed("warm up", || bench(&binary, &["--spans", "50000"]))?;
    let mut measured = Measured {
        report: steps::timed("load, questions, restart, overload", || bench(&binary, &overloaded))?,
        ..Measured::default()
    };
    // Processor time is compared between the better of two runs with and without watchers: one run may meet the machine in a
    // bad mood.
    let alone = steps::timed("load", || bench(&binary, &load))?;
    measured.watched = steps::timed("load, 100 watchers", || bench(&binary, &watched))?;
    let watched_again = steps::timed("load, 100 watchers, again", || bench(&binary, &watched))?;
    take_lower(&mut measured.report, &alone, "cpu_seconds_per_million");
    take_lower(&mut measured.watched, &watched_again, "cpu_seconds_per_million");
    measured.frame_micros = steps::timed("terminal frames", || frames(root))?;
    measured.bundle_bytes = bundle(&root.join(BUNDLE));
    print(&measured, options.quick);
    let missed = GOALS.iter().any(|goal| goal.verdict(&measured) == Verdict::Missed);
    Ok(if options.strict && missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// One run of the binary's own bench.
fn bench(binary: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(binary)
        .args(["bench", "--json"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    ensure!(output.status.success(), "the bench failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Of two measurements of the same, the one that other programs disturbed less.
fn take_lower(report: &mut Value, other: &Value, key: &str) {
    let (Some(one), Some(two)) = (report[key].as_f64(), other[key].as_f64()) else {
        return;
    };
    if two < one {
        report[key] = other[key].clone();
        report["cpu_seconds_per_million_by_thread"] = other["cpu_seconds_per_million_by_thread"].clone();
    }
}

/// The slowest view of the terminal dashboard, microseconds.
fn frames(root: &Path) -> Result<Option<f64>> {
    let output = tools::cargo(root)
        .args([
            "test",
            "--release",
            "--package",
            "sagascope-tui",
            "--lib",
            "--",
            "--ignored",
            "--nocapture",
        ])
        .arg("frame_cost")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "the frames cannot be measured: {}",
        output.status
    );
    Ok(slowest(&String::from_utf8_lossy(&output.stdout)))
}

/// From lines such as `sagas: median 380 µs, p99 512 µs`.
fn slowest(output: &str) -> Option<f64> {
    let medians = output.lines().filter_map(|line| {
        let (_, median) = line.split_once(": median ")?;
        median.split_once(' ')?.0.parse::<f64>().ok()
    });
    medians.max_by(f64::total_cmp)
}

/// Bytes of the compressed files; nothing when the page is not built.
fn bundle(folder: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bundle(&entry.path()).unwrap_or(0),
        Ok(metadata) if entry.path().extension().is_some_and(|extension| extension == "br") => metadata.len(),
        _ => 0,
    });
    Some(bytes.sum()).filter(|bytes| *bytes > 0)
}

fn print(measured: &Measured, is_quick: bool) {
    println!();
    if is_quick {
        println!("Quick: less load than the goals are written for.");
    }
    println!(
        "{:<36} {:<14} {:>9} {:>9} {:>11}  verdict",
        "goal", "unit", "must", "aim", "measured"
    );
    for goal in &GOALS {
        println!("{}", row(goal, measured));
    }
}

fn row(goal: &Goal, measured: &Measured) -> String {
    let sign = match goal.bound {
        goals::Bound::AtMost => "≤",
        goals::Bound::AtLeast => "≥",
    };
    let figure = match goal.figure(measured) {
        Some(figure) if figure >= 1e9 => "wrong".to_owned(),
        Some(figure) => format!("{figure:.2}"),
        None => "–".to_owned(),
    };
    format!(
        "{:<36} {:<14} {:>9} {:>9} {figure:>11}  {}",
        goal.name,
        goal.unit,
        format!("{sign} {}", goal.must),
        format!("{sign} {}", goal.aim),
        goal.verdict(measured).as_str()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_slowest_view_counts() {
        let output = "running 1 test\noverview: median 210 µs, p99 400 µs\nsagas: median 380 µs, p99 512 µs\nok\n";
        assert_eq!(slowest(output), Some(380.0));
        assert_eq!(slowest("nothing"), None);
    }

    #[test]
    fn the_calmer_run_counts() {
        let key = "cpu_seconds_per_million";
        let mut report = json!({key: 2.0});
        take_lower(&mut report, &json!({key: 2.5}), key);
        assert_eq!(report[key], 2.0);
        take_lower(&mut report, &json!({key: 1.5}), key);
        assert_eq!(report[key], 1.5);
        take_lower(&mut report, &json!({}), key);
        assert_eq!(report[key], 1.5);
    }

    #[test]
    fn a_row_shows_what_is_not_measured_as_such() {
        let shown = row(&GOALS[0], &Measured::default());
        assert!(
            shown.contains("≤ 3") && shown.contains("≤ 1.5") && shown.ends_with("not measured"),
            "{shown}"
        );
    }
}
