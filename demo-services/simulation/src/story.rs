//! What happened in a run: every line in order, a hash over them all, and how often each kind of trouble came.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::trouble::Trouble;

/// FNV-1a, 64 bits.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// A cheap clone; all clones write the same story.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    began: Instant,
    hash: u64,
    lines: Vec<String>,
    seen: BTreeMap<Trouble, u64>,
}

impl Story {
    /// Begins now.
    pub(crate) fn begin() -> Self {
        let inner = Inner {
            began: Instant::now(),
            hash: FNV_BASIS,
            lines: Vec::new(),
            seen: BTreeMap::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Adds a line.
    pub(crate) fn tell(&self, what: impl Display) {
        let mut inner = self.lock();
        let line = format!("{:>9.3} {what}", inner.began.elapsed().as_secs_f64());
        for byte in line.bytes().chain([b'\n']) {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        inner.lines.push(line);
    }

    /// Adds a line about trouble, and counts it.
    pub(crate) fn trouble(&self, kind: Trouble, what: impl Display) {
        *self.lock().seen.entry(kind).or_default() += 1;
        self.tell(format_args!("[{}] {what}", kind.name()));
    }

    /// Counts trouble that others tell of.
    pub(crate) fn count(&self, kind: Trouble, times: u64) {
        *self.lock().seen.entry(kind).or_default() += times;
    }

    /// Hash of all lines so far.
    pub(crate) fn hash(&self) -> u64 {
        self.lock().hash
    }

    /// All lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// How often each kind of trouble came.
    pub(crate) fn seen(&self) -> BTreeMap<Trouble, u64> {
        self.lock().seen.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
