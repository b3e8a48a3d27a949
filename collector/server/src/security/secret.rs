//! Random words kept in files that only their owner reads.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Shortest word that a person may choose.
const SHORTEST: usize = 16;
const RANDOM_BYTES: usize = 32;

/// A token or session secret; never printed by `{:?}`.
#[derive(Clone)]
pub(crate) struct Secret(String);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// Chosen too short, or with characters that do not fit into a header.
    #[error("the token must be {SHORTEST} to 500 letters, digits, `-`, `_`, `.` or `~`")]
    Unfit,
    /// The file cannot be read or written.
    #[error("cannot keep the token in {path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// No randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Secret {
    /// The word that someone chose.
    pub(crate) fn chosen(word: &str) -> Result<Self, SecretError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if (SHORTEST..=500).contains(&word.len()) && word.bytes().all(fits) {
            Ok(Self(word.into()))
        } else {
            Err(SecretError::Unfit)
        }
    }

    /// The word in the file; made up and written when there is none.
    pub(crate) fn kept(path: &Path) -> Result<Self, SecretError> {
        let failed = |error| SecretError::File {
            path: path.display().to_string(),
            error,
        };
        match fs::read_to_string(path) {
            Ok(word) if Self::chosen(word.trim()).is_ok() => return Ok(Self(word.trim().into())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let made = Self::random()?;
        made.keep(path).map_err(failed)?;
        Ok(made)
    }

    /// Writes the word to a file of mode 0600, in one step.
    pub(crate) fn keep(&self, path: &Path) -> io::Result<()> {
        let fresh = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&fresh)?;
        writeln!(file, "{}", self.0)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    }

    pub(crate) fn random() -> Result<Self, SecretError> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
        Ok(Self(
            bytes
                .iter()
                .fold(String::new(), |word, byte| format!("{word}{byte:02x}")),
        ))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that depends on the lengths only.
    pub(crate) fn matches(&self, other: &[u8]) -> bool {
        let own = self.0.as_bytes();
        if own.len() != other.len() {
            return false;
        }
        let difference = own
            .iter()
            .zip(other)
            .fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        difference == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
