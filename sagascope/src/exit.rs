//! How the process ends: 0 done, 1 failed, 2 used wrongly.

use std::io::Write;
use std::process::ExitCode;

/// The command was given something it cannot work with; ends with code 2, as clap's own errors do.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Shorthand for a usage error.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

/// Prints the error, if any, and chooses the code.
pub(crate) fn code(outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    if is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "sagascope: {error:#}");
    if error.downcast_ref::<Usage>().is_some() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// `sagascope sagas | head` closes our output early; that is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(outcome: anyhow::Result<()>) -> String {
        format!("{:?}", code(outcome))
    }

    #[test]
    fn wrong_use_and_failure_end_with_different_codes() {
        assert_eq!(shown(Ok(())), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(shown(Err(usage("no such service"))), format!("{:?}", ExitCode::from(2)));
        assert_eq!(
            shown(Err(anyhow::anyhow!("broken"))),
            format!("{:?}", ExitCode::FAILURE)
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(shown(Err(gone.into())), format!("{:?}", ExitCode::SUCCESS));
    }
}
