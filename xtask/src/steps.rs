//! Named steps with their durations, and the summary at the end.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Runs one step and says how long it took.
pub(crate) fn timed<T>(name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("▸ {name}");
    let began = Instant::now();
    let outcome = step();
    let mark = if outcome.is_ok() { "●" } else { "✖" };
    eprintln!("{mark} {name} · {}", shown(began.elapsed()));
    outcome
}

/// Tests that were counted in the output of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// Reads one line of output: libtest's summary, or one line of TAP.
    fn read(&mut self, line: &str) {
        let line = line.trim_start();
        if let Some(summary) = line.strip_prefix("test result:") {
            self.passed += number_before(summary, " passed");
            self.failed += number_before(summary, " failed");
        } else if line.starts_with("not ok ") {
            self.failed += 1;
        } else if line.starts_with("ok ") {
            self.passed += 1;
        }
    }
}

/// The number that stands before a word: 12 in `… ok. 12 passed; …`.
fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else {
        return 0;
    };
    before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Runs a command that must succeed.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", program(command)))?;
    ensure!(status.success(), "{} {status}", program(command));
    Ok(())
}

/// Runs a command whose output counts tests, and shows that output as it comes.
pub(crate) fn counted(command: &mut Command, counts: &mut Counts) -> Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", program(command)))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            counts.read(&line);
            println!("{line}");
        }
    }
    Ok(child.wait()?)
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// `850 ms`, `12.3 s`, `4 m 05 s`.
pub(crate) fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(output: &str) -> Counts {
        let mut counts = Counts::default();
        output.lines().for_each(|line| counts.read(line));
        counts
    }

    #[test]
    fn tests_are_counted_from_both_kinds_of_output() {
        let output = "running 3 tests\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored\n\
            ok 1 - the page loads\nnot ok 2 - it is fast\nokay then\n";
        assert_eq!(counts(output), Counts { passed: 16, failed: 3 });
    }

    #[test]
    fn nothing_is_counted_in_other_output() {
        assert_eq!(counts("7 passed\nok\ntest foo ... ok\n"), Counts::default());
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(shown(Duration::from_millis(850)), "850 ms");
        assert_eq!(shown(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(shown(Duration::from_secs(245)), "4 m 05 s");
    }
}
