//! How a command finds a running collector and the right to command it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

/// Where the demo and the collector keep their secret, unless told otherwise.
const DEFAULT_TOKEN_FILE: &str = ".sagascope/token";

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Address of the collector's web and API port
    #[arg(long, global = true, env = "SAGASCOPE_URL", default_value = "http://127.0.0.1:4319")]
    pub(crate) url: String,
    /// Secret for control calls
    #[arg(
        long,
        global = true,
        env = "SAGASCOPE_TOKEN",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    token: Option<String>,
    /// File that holds the secret [default: ./.sagascope/token when it exists]
    #[arg(
        long,
        global = true,
        env = "SAGASCOPE_TOKEN_FILE",
        value_name = "FILE",
        conflicts_with = "token"
    )]
    token_file: Option<PathBuf>,
}

impl Connection {
    /// The secret: as given, from the file given, or from the default file when there is one.
    pub(crate) fn token(&self) -> anyhow::Result<Option<String>> {
        if let Some(token) = &self.token {
            return Ok(Some(token.clone()));
        }
        if let Some(path) = &self.token_file {
            return read_token(path).map(Some);
        }
        let default = Path::new(DEFAULT_TOKEN_FILE);
        if default.exists() {
            read_token(default).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Reads a secret from a file.
pub(crate) fn read_token(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token in {}", path.display()))?;
    let token = text.trim();
    anyhow::ensure!(
        !token.is_empty(),
        "{} is empty; it should hold the token",
        path.display()
    );
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_trimmed_and_may_not_be_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, " secret\n").unwrap();
        assert_eq!(read_token(&path).unwrap(), "secret");
        std::fs::write(&path, "\n").unwrap();
        assert!(read_token(&path).unwrap_err().to_string().contains("is empty"));
        let absent = folder.path().join("nothing");
        assert!(
            read_token(&absent)
                .unwrap_err()
                .to_string()
                .contains("cannot read the token")
        );
    }
}
