//! Runs seeds: `cargo run -p shop-simulation -- --from 1 --seeds 200`, or `--seeds 1 --from N --story` for all of one.

use std::sync::Mutex;
use std::time::Instant;

use clap::Parser;
use sagascope_conventions::OrderFlow;
use shop_simulation::{Options, Outcome, coverage_gaps, run_all};

/// Runs the simulated shop under many seeds.
#[derive(Debug, Parser)]
struct Arguments {
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// Customers of each run.
    #[arg(long, default_value_t = Options::default().shoppers)]
    shoppers: u32,
    /// They order in the two oldest ways.
    #[arg(long)]
    oldest: bool,
    /// Print every line of every run.
    #[arg(long)]
    story: bool,
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let mut options = Options {
        shoppers: arguments.shoppers,
        ..Options::default()
    };
    if arguments.oldest {
        options.flows = vec![OrderFlow::Sync, OrderFlow::Broker];
    }
    let (began, outcomes) = (Instant::now(), Mutex::new(Vec::new()));
    run_all(arguments.from..arguments.from + arguments.seeds, &options, |outcome| {
        tell(&outcome, arguments.story);
        let lean = Outcome {
            lines: Vec::new(),
            ..outcome
        };
        outcomes.lock().expect("no panic in here").push(lean);
    });
    let outcomes = outcomes.into_inner().expect("no panic in here");
    let broken = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    let gaps = coverage_gaps(&outcomes);
    println!(
        "{} seeds in {:.1} s, {broken} with broken promises",
        outcomes.len(),
        began.elapsed().as_secs_f64()
    );
    for kind in &gaps {
        println!("{} never came", kind.name());
    }
    if broken == 0 && gaps.is_empty() {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}

fn tell(outcome: &Outcome, story: bool) {
    if story {
        outcome.lines.iter().for_each(|line| println!("{line}"));
    }
    println!(
        "seed {} {:016x} {:?} {:?} {:?} at rest after {:.1} s",
        outcome.seed, outcome.hash, outcome.sagas, outcome.trips, outcome.breaches, outcome.rest_after_seconds
    );
    for violation in &outcome.violations {
        println!("  {} {}", violation.invariant, violation.what);
    }
    if !outcome.violations.is_empty() {
        println!(
            "  again: cargo run -p shop-simulation -- --from {} --seeds 1 --story",
            outcome.seed
        );
    }
}
