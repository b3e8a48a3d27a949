//! The cluster keeps its promises under every seed, and a seed is the same run each time.

use std::sync::Mutex;

use shop_simulation::{Options, Outcome, coverage_gaps, run, run_all};

/// Seeds of one pass; `SEEDS=10000` for more.
const SEEDS: u64 = 200;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn how_to_repeat(outcome: &Outcome) -> String {
    let broken: Vec<String> = outcome
        .violations
        .iter()
        .map(|violation| format!("  {} {}", violation.invariant, violation.what))
        .collect();
    format!(
        "seed {}:\n{}\n  again: SEED={} cargo test -p shop-simulation one_seed -- --nocapture",
        outcome.seed,
        broken.join("\n"),
        outcome.seed
    )
}

#[test]
fn every_seed_keeps_the_promises_and_every_kind_of_trouble_comes() {
    let outcomes = Mutex::new(Vec::new());
    run_all(1..1 + number("SEEDS", SEEDS), &Options::default(), |outcome| {
        let lean = Outcome {
            lines: Vec::new(),
            ..outcome
        };
        outcomes.lock().expect("no panic in here").push(lean);
    });
    let outcomes = outcomes.into_inner().expect("no panic in here");
    let broken: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.violations.is_empty())
        .map(how_to_repeat)
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(coverage_gaps(&outcomes), [], "kinds of trouble that never came");
    let ends = |state| {
        outcomes
            .iter()
            .filter_map(|outcome| outcome.sagas.get(state))
            .sum::<usize>()
    };
    let (sagas, whole, links) = outcomes.iter().fold((0, 0, 0), |(sagas, whole, links), outcome| {
        let traces = outcome.traces;
        (sagas + traces.sagas, whole + traces.whole, links + traces.links)
    });
    println!("{whole} of {sagas} traces are whole, {links} compensations link to their steps");
    assert!(
        whole * 10 > sagas * 9 && links > 0,
        "the rest lost spans with a machine"
    );
    assert!(ends("completed") > 0 && ends("compensated") > 0, "both ends are seen");
}

/// `SEED=n cargo test -p shop-simulation one_seed -- --nocapture` tells all that happens under that seed.
#[test]
fn one_seed() {
    let outcome = run(number("SEED", 1), &Options::default());
    outcome.lines.iter().for_each(|line| println!("{line}"));
    assert!(outcome.violations.is_empty(), "{}", how_to_repeat(&outcome));
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 7, 11] {
        let (once, again) = (run(seed, &Options::default()), run(seed, &Options::default()));
        assert_eq!(once.lines, again.lines, "seed {seed}");
        assert_eq!(once.hash, again.hash, "seed {seed}");
    }
    assert_ne!(run(1, &Options::default()).hash, run(2, &Options::default()).hash);
}

/// A consumer that gave up in the middle of its acknowledgement left the broker's memory ahead of its log.
#[test]
fn seed_94_an_acknowledgement_is_not_cut_off_in_the_middle() {
    let outcome = run(94, &Options::default());
    assert!(outcome.violations.is_empty(), "{}", how_to_repeat(&outcome));
}
