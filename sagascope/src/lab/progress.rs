//! What a scenario does now, told on standard error: words for a person, one JSON object a line with `--json`.
//!
//! Standard output holds the results alone, so that `sagascope lab --all --json > lab.json` is one document.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::cli::LabOptions;

/// One line on standard error under `--json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// What the scenario does now.
    pub(super) progress: String,
}

/// How progress is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Progress {
    Words,
    Json,
}

impl Progress {
    pub(super) const fn new(options: &LabOptions) -> Self {
        if options.json { Self::Json } else { Self::Words }
    }

    pub(super) fn tell(self, what: impl Into<String>) {
        // Nobody reading is no reason to stop.
        let _ = self.write(&mut io::stderr().lock(), what.into());
    }

    fn write(self, out: &mut impl Write, progress: String) -> io::Result<()> {
        match self {
            Self::Words => writeln!(out, "  · {progress}"),
            Self::Json => writeln!(out, "{}", serde_json::to_string(&Line { progress })?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_whatever_it_says() {
        let mut out = Vec::new();
        Progress::Json.write(&mut out, "two\nlines \"quoted\"".into()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: Line = serde_json::from_str(&text).unwrap();
        assert_eq!(line.progress, "two\nlines \"quoted\"");
    }
}
