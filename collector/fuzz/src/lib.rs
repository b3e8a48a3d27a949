//! Feeds damaged input to whatever reads input from outside. Runs on the stable compiler, as part of the tests.
//!
//! Each target has good examples in `corpus/<target>/`. They are changed again and again: bits flipped, pieces cut,
//! repeated, exchanged. What behaves in a way not seen before, by the target's own account, is changed further. An
//! ordinary test run tries a fixed number of inputs, the same each time; `SAGASCOPE_FUZZ_SECONDS=60 cargo test fuzz` tries
//! new ones for so long. An input that makes a target panic is written to its corpus, where it is tried first from then on.

mod mutate;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mutate::Mutator;

/// Inputs of an ordinary run.
const RUNS: u64 = 3_000;
/// Inputs that behaved in new ways and are kept to be changed further.
const POOL_MAX: usize = 512;
/// Longer inputs are cut.
const LENGTH_MAX: usize = 64 << 10;
const SECONDS: &str = "SAGASCOPE_FUZZ_SECONDS";

/// Feeds a target. `run` gets one input and tells in one number how the target behaved: the same for the same kind of
/// outcome, so that new kinds are noticed. `words` are pieces that mean something to it.
///
/// # Panics
/// When the target does, or has no corpus.
pub fn fuzz(target: &str, words: &[&[u8]], run: impl Fn(&[u8]) -> u64) {
    fuzz_some(RUNS, target, words, run);
}

/// The same for a target that is slow: an ordinary run tries so many inputs.
///
/// # Panics
/// When the target does, or has no corpus.
pub fn fuzz_some(runs: u64, target: &str, words: &[&[u8]], run: impl Fn(&[u8]) -> u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let examples = examples(&folder);
    assert!(!examples.is_empty(), "{} has no examples", folder.display());
    let seconds = std::env::var(SECONDS).ok().and_then(|seconds| seconds.parse().ok());
    let tried = feed(examples, words, Limit::of(seconds, runs), |input| {
        guarded(&folder, input, &run)
    });
    println!("{target}: {} inputs, {} ways to behave", tried.inputs, tried.ways);
}

/// When to end.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Inputs(u64),
    Until(Instant),
}

impl Limit {
    fn of(seconds: Option<u64>, runs: u64) -> Self {
        seconds.map_or(Self::Inputs(runs), |seconds| {
            Self::Until(Instant::now() + Duration::from_secs(seconds))
        })
    }

    fn reached(self, inputs: u64) -> bool {
        match self {
            Self::Inputs(limit) => inputs >= limit,
            Self::Until(end) => Instant::now() >= end,
        }
    }

    /// A fixed number of inputs are the same each time; those of a while are new ones.
    fn seed(self) -> u64 {
        match self {
            Self::Inputs(_) => 1,
            Self::Until(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |since| since.as_nanos() as u64),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Tried {
    inputs: u64,
    ways: usize,
}

fn feed(examples: Vec<Vec<u8>>, words: &[&[u8]], limit: Limit, mut run: impl FnMut(&[u8]) -> u64) -> Tried {
    let mut ways: BTreeSet<u64> = examples.iter().map(|example| run(example)).collect();
    let mut inputs = examples.len() as u64;
    let mut pool = examples;
    let mut mutator = Mutator::new(limit.seed(), words);
    while !limit.reached(inputs) {
        let mut input = mutator.change(&pool);
        input.truncate(LENGTH_MAX);
        inputs += 1;
        if ways.insert(run(&input)) && pool.len() < POOL_MAX {
            pool.push(input);
        }
    }
    Tried {
        inputs,
        ways: ways.len(),
    }
}

/// Runs the target; keeps an input that makes it panic.
fn guarded(folder: &Path, input: &[u8], run: &impl Fn(&[u8]) -> u64) -> u64 {
    match catch_unwind(AssertUnwindSafe(|| run(input))) {
        Ok(way) => way,
        Err(panic) => {
            let file = folder.join(format!("found-{:016x}", hash(input)));
            match std::fs::write(&file, input) {
                Ok(()) => eprintln!("the input is kept in {}", file.display()),
                Err(error) => eprintln!("the input {input:?} cannot be kept: {error}"),
            }
            resume_unwind(panic)
        }
    }
}

/// In the order of their names, so that runs repeat.
fn examples(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Joins what tells outcomes apart into one number.
#[must_use]
pub fn way(parts: &[u64]) -> u64 {
    hash(&parts.iter().flat_map(|part| part.to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_mistake_is_found_step_by_step() {
        // Each right byte is a new way to behave; without that hint all four at once would never come about.
        let secret = b"SGF1";
        let mut found = false;
        let tried = feed(vec![vec![0; 8]], &[], Limit::Inputs(200_000), |input| {
            let right = input.iter().zip(secret).take_while(|(a, b)| a == b).count();
            found |= right == secret.len();
            right as u64
        });
        assert!(found, "{tried:?}");
    }

    #[test]
    fn a_fixed_number_of_inputs_repeats() {
        let inputs = || {
            let mut seen = Vec::new();
            feed(vec![b"hello".to_vec()], &[b"word"], Limit::Inputs(100), |input| {
                seen.push(input.to_vec());
                hash(input) % 7
            });
            seen
        };
        assert_eq!(inputs(), inputs());
        assert_eq!(inputs().len(), 100);
    }

    #[test]
    fn an_input_that_panics_is_kept() {
        let folder = std::env::temp_dir().join(format!("sagascope-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let outcome = catch_unwind(|| guarded(&folder, b"bad", &|_| panic!("as asked")));
        assert!(outcome.is_err());
        assert_eq!(examples(&folder), [b"bad".to_vec()]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
