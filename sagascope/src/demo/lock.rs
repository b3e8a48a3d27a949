//! One demo at a time on one data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The data folder, ours until dropped. The kernel lets go of the lock when the process ends in any way.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder when it is absent and takes it.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        let logs = path.join("logs");
        std::fs::create_dir_all(&logs).with_context(|| {
            format!(
                "cannot make the data folder {}; choose another with --data-dir",
                path.display()
            )
        })?;
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot resolve {}", path.display()))?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the output of each process goes.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("demo.lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| {
            format!(
                "cannot write in the data folder {}; choose another with --data-dir",
                folder.display()
            )
        })?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).unwrap_or_default();
            anyhow::bail!(
                "a demo already runs on {} (process {}). Stop it, or choose another folder with --data-dir",
                folder.display(),
                holder.trim()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_demo_on_the_same_folder_is_refused_until_the_first_has_gone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let first = DataFolder::take(&path).unwrap();
        let error = DataFolder::take(&path).unwrap_err().to_string();
        assert!(
            error.contains("already runs") && error.contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        assert!(DataFolder::take(&path).is_ok());
    }

    #[test]
    fn a_file_in_the_way_is_refused_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        std::fs::write(&path, "not a folder").unwrap();
        let error = format!("{:#}", DataFolder::take(&path).unwrap_err());
        assert!(error.contains("--data-dir"), "{error}");
    }
}
