//! The secret of this demo: given, kept from last time, or made up and kept.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::cli::{CollectorOptions, read_token};

const BYTES: usize = 24;

/// The secret that every process of the demo is given.
pub(crate) fn resolve(options: &CollectorOptions, data_dir: &Path) -> anyhow::Result<String> {
    if let Some(token) = &options.token {
        anyhow::ensure!(
            !token.trim().is_empty(),
            "the token is empty; leave --token out to have one made up"
        );
        return Ok(token.trim().to_owned());
    }
    if let Some(file) = &options.token_file {
        return read_token(file);
    }
    let kept = data_dir.join("token");
    if kept.exists() { read_token(&kept) } else { make(&kept) }
}

fn make(path: &Path) -> anyhow::Result<String> {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes).context("no randomness to make a token from")?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot keep the token in {}", path.display()))?;
    writeln!(file, "{token}")?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn options(line: &str) -> CollectorOptions {
        match Cli::parse_from(line.split(' ')).command {
            Command::Collect(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_made_up_token_is_kept_for_the_owner_alone_and_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = resolve(&options("sagascope collect"), folder.path()).unwrap();
        assert_eq!(first.len(), BYTES * 2);
        assert_eq!(resolve(&options("sagascope collect"), folder.path()).unwrap(), first);
        let mode = std::fs::metadata(folder.path().join("token"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_given_token_wins_and_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            resolve(&options("sagascope collect --token given"), folder.path()).unwrap(),
            "given"
        );
        assert!(!folder.path().join("token").exists());
    }
}
