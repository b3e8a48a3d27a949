//! The cluster keeps its promises under every seed, and a seed is the same run each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use sagascope_conventions::OrderFlow;
use shop_simulation::{Breach, Options, Outcome, Scene, coverage_gaps, run, run_all};

/// Seeds of one pass; `SEEDS=10000` for more.
const SEEDS: u64 = 200;
/// Of these, with orders in the two oldest ways alone.
const OLDEST_SEEDS: u64 = 24;

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
    let mut scenes: BTreeMap<Scene, usize> = BTreeMap::new();
    for (scene, times) in outcomes.iter().flat_map(|outcome| &outcome.trips) {
        *scenes.entry(*scene).or_default() += times;
    }
    println!("trips: {scenes:?}");
    let unseen: Vec<_> = Scene::ALL.iter().filter(|scene| !scenes.contains_key(scene)).collect();
    assert!(unseen.is_empty(), "{unseen:?} were never seen");
    assert!(
        outcomes.iter().all(|outcome| outcome.breaches.is_empty()),
        "the later generations break none of it"
    );
}

/// Customers who order in the two oldest ways.
fn oldest() -> Options {
    Options {
        flows: vec![OrderFlow::Sync, OrderFlow::Broker],
        travellers: 0,
        ..Options::default()
    }
}

fn run_oldest(options: &Options, seeds: std::ops::RangeInclusive<u64>) -> BTreeMap<Breach, usize> {
    let (broken, breaches): (Mutex<Vec<String>>, Mutex<BTreeMap<Breach, usize>>) = Default::default();
    run_all(*seeds.start()..seeds.end() + 1, options, |outcome| {
        if !outcome.violations.is_empty() {
            broken.lock().expect("no panic in here").push(how_to_repeat(&outcome));
        }
        let mut breaches = breaches.lock().expect("no panic in here");
        for (breach, times) in outcome.breaches {
            *breaches.entry(breach).or_default() += times;
        }
    });
    let broken = broken.into_inner().expect("no panic in here");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    breaches.into_inner().expect("no panic in here")
}

/// What they promise they keep under any trouble; the rest is why there are later ones.
#[test]
fn the_two_oldest_generations_keep_what_they_promise_and_show_what_they_do_not() {
    let breaches = run_oldest(&oldest(), 1..=number("OLDEST_SEEDS", OLDEST_SEEDS));
    println!("the two oldest generations: {breaches:?}");
    let all = [
        Breach::Stranded,
        Breach::Vanished,
        Breach::MoneyKept,
        Breach::GoodsHeld,
        Breach::Doubled,
    ];
    let unseen: Vec<_> = all.iter().filter(|breach| !breaches.contains_key(breach)).collect();
    assert!(unseen.is_empty(), "{unseen:?} were never seen");
}

/// Nobody needs a later generation when nothing goes wrong, but for customers who ask twice.
#[test]
fn without_trouble_every_generation_is_whole() {
    let calm = Options {
        trouble: Some(BTreeSet::new()),
        flows: OrderFlow::ALL.to_vec(),
        ..oldest()
    };
    let breaches = run_oldest(&calm, 1..=4);
    assert!(breaches.keys().all(|breach| *breach == Breach::Doubled), "{breaches:?}");
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
