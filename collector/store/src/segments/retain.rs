//! How long sealed rows stay: by age, and by bytes; the oldest go first.

use std::sync::Arc;
use std::time::Duration;

use sagascope_api::Time;

use super::{Segments, SegmentsError, mark};

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// For how long after it was received; for ever when absent.
    pub age: Option<Duration>,
    /// How many bytes of sealed files; without bound when absent. Who counts the log too takes its size off first.
    pub bytes: Option<u64>,
}

/// What was let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl Segments {
    /// Lets go of the oldest units beyond what is to be kept. Queries that look at them now keep them to their end.
    ///
    /// # Errors
    /// When the catalogue cannot be changed; nothing is let go then.
    pub fn retain(&mut self, keep: Keep, now: Time) -> Result<Removed, SegmentsError> {
        let age = keep.age.map_or(u128::MAX, |age| age.as_nanos());
        let is_old = |newest: Time| u128::from(now.0.saturating_sub(newest.0)) > age;
        let mut bytes = self.view.bytes();
        let mut gone = Vec::new();
        for (unit, files) in self.view.units() {
            let is_too_much = keep.bytes.is_some_and(|most| bytes > most);
            if !is_too_much && !is_old(unit.newest) {
                break;
            }
            bytes -= files.iter().map(|file| file.meta().bytes).sum::<u64>();
            gone.extend(files);
        }
        if gone.is_empty() {
            return Ok(Removed::default());
        }
        let removed = Removed {
            files: gone.len() as u64,
            rows: gone.iter().map(|file| file.meta().rows).sum(),
            bytes: gone.iter().map(|file| file.meta().bytes).sum(),
        };
        if gone.len() == self.view.files.len()
            && let Some(progress) = self.catalogue.progress()?
        {
            (self.steps)("mark")?;
            mark::keep(&self.dir, progress)?;
        }
        (self.steps)("commit")?;
        let metas: Vec<_> = gone.iter().map(|file| file.meta()).collect();
        self.catalogue.change(&[], &metas, None)?;
        let mut view = (*self.view).clone();
        view.files
            .retain(|file| !gone.iter().any(|gone| Arc::ptr_eq(file, gone)));
        gone.iter().for_each(|file| file.doom());
        self.view = Arc::new(view);
        Ok(removed)
    }
}
