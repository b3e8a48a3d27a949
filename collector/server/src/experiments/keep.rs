//! Runs on disk, a file each, so that a verdict survives a restart.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sagascope_api::experiments::ExperimentRun;

/// Files looked at, at most.
const FILES: usize = 500;
/// Largest file that is read.
const BYTES: u64 = 4 << 20;

/// The folder of runs.
pub(super) struct Keep {
    folder: PathBuf,
}

impl Keep {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Every run that can be read. One that cannot is left where it is, and told of.
    pub(super) fn read(&self) -> Vec<ExperimentRun> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            // Nothing was ever kept.
            return Vec::new();
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let runs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        runs.take(FILES)
            .filter_map(|path| match read(&path) {
                Ok(run) => Some(run),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a kept experiment cannot be read; it is left out");
                    None
                }
            })
            .collect()
    }

    /// Writes it under another name first: a reader sees the old file or the new one.
    pub(super) fn write(&self, run: &ExperimentRun) {
        if let Err(error) = self.try_write(run) {
            tracing::warn!(folder = %self.folder.display(), %error, "an experiment cannot be kept; it is gone at the next start");
        }
    }

    /// Forgets a run.
    pub(super) fn remove(&self, id: &str) {
        if let Err(error) = fs::remove_file(self.path(id)) {
            tracing::debug!(id, %error, "a kept experiment cannot be removed");
        }
    }

    fn try_write(&self, run: &ExperimentRun) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.path(&run.summary.id);
        let unfinished = path.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(run)?)?;
        fs::rename(unfinished, path)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn read(path: &Path) -> io::Result<ExperimentRun> {
    if fs::metadata(path)?.len() > BYTES {
        return Err(io::Error::other("it is too large"));
    }
    let run: ExperimentRun = serde_json::from_slice(&fs::read(path)?)?;
    // The id is part of addresses and file names: only the one we gave it.
    if path.file_stem().and_then(|stem| stem.to_str()) != Some(&run.summary.id) {
        return Err(io::Error::other("it holds another run than its name says"));
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use sagascope_api::experiments::RunSummary;

    use super::*;

    fn run(id: &str) -> ExperimentRun {
        ExperimentRun {
            summary: RunSummary {
                id: id.into(),
                experiment: "stale-read".into(),
                ..RunSummary::default()
            },
            ..ExperimentRun::default()
        }
    }

    #[test]
    fn what_is_kept_is_read_and_what_is_damaged_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::new(folder.path().join("experiments"));
        assert!(keep.read().is_empty());
        keep.write(&run("e-1"));
        keep.write(&run("e-2"));
        let damaged = folder.path().join("experiments/e-3.json");
        fs::write(&damaged, b"{\"id\": 3").unwrap();
        fs::copy(
            folder.path().join("experiments/e-1.json"),
            folder.path().join("experiments/e-4.json"),
        )
        .unwrap();
        let mut ids: Vec<_> = keep.read().into_iter().map(|run| run.summary.id).collect();
        ids.sort();
        assert_eq!(ids, ["e-1", "e-2"]);
        keep.remove("e-1");
        assert_eq!(keep.read(), [run("e-2")]);
        assert!(damaged.exists());
    }
}
