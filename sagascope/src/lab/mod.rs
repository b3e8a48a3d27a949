//! `sagascope lab`: named experiments on shops of their own, each with measured tables and a verdict.
//!
//! A scenario starts the whole demo in a temporary folder on free ports, loads it from a seed, breaks something, asks the
//! services what is true, and says whether that is what the pattern promises. Nothing of it stays.

mod cluster;
mod fates;
mod figures;
mod laboratory;
mod load;
mod progress;
mod report;
mod scenarios;

use std::io::Write;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::LabOptions;
use crate::exit;
pub(crate) use laboratory::ChildLab;
use progress::Progress;
use report::Report;
use scenarios::{SCENARIOS, Scenario};

const INTERRUPTED: &str = "interrupted; its shop is stopped and its folder removed";

/// Lists the scenarios, or runs those that were named, one after another.
pub(crate) async fn run(options: LabOptions) -> anyhow::Result<()> {
    let chosen = choose(&options)?;
    if chosen.is_empty() {
        return list(options.json);
    }
    let mut reports = Vec::with_capacity(chosen.len());
    for scenario in chosen {
        let report = run_one(scenario, &options).await?;
        if !options.json {
            report::print(&mut std::io::stdout().lock(), &report)?;
        }
        reports.push(report);
    }
    if options.json {
        serde_json::to_writer_pretty(std::io::stdout().lock(), &reports)?;
        writeln!(std::io::stdout())?;
    }
    let failed: Vec<&str> = reports
        .iter()
        .filter(|report| !report.holds())
        .map(|r| r.scenario)
        .collect();
    anyhow::ensure!(failed.is_empty(), "not as promised: {}", failed.join(", "));
    Ok(())
}

async fn run_one(scenario: &'static Scenario, options: &LabOptions) -> anyhow::Result<Report> {
    if !options.json {
        report::announce(&mut std::io::stdout().lock(), scenario)?;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut report = Report::new(scenario, options.seed);
    tokio::select! {
        outcome = (scenario.run)(options, &mut report) => outcome.with_context(|| format!("{} broke off", scenario.name))?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!(INTERRUPTED),
        _ = terminate.recv() => anyhow::bail!(INTERRUPTED),
    }
    Progress::new(options).tell(format!("{} has its figures", scenario.name));
    Ok(report)
}

fn choose(options: &LabOptions) -> anyhow::Result<Vec<&'static Scenario>> {
    if options.all {
        return Ok(SCENARIOS.iter().collect());
    }
    let find = |name: &String| {
        SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
            let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            exit::usage(format!("no scenario {name}; known: {}", known.join(", ")))
        })
    };
    options.scenarios.iter().map(find).collect()
}

fn list(json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let rows: Vec<_> = SCENARIOS.iter().map(Scenario::described).collect();
        serde_json::to_writer_pretty(&mut out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    for scenario in SCENARIOS {
        writeln!(out, "{:<20} {}", scenario.name, scenario.title)?;
    }
    writeln!(
        out,
        "\nRun one with `sagascope lab NAME`, all with `sagascope lab --all`."
    )?;
    Ok(())
}
