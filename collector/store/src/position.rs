//! Where a record lies in the log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A record's place: later records have greater ones, also across files and restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Number of the file.
    pub file: u64,
    /// Byte at which its frame begins in that file.
    pub offset: u64,
}

impl Position {
    /// Right behind this: no record lies between.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            file: self.file,
            offset: self.offset + 1,
        }
    }

    /// Right before this: no record lies between. The very first place has nothing before it.
    #[must_use]
    pub const fn before(self) -> Option<Self> {
        match (self.file, self.offset.checked_sub(1)) {
            (file, Some(offset)) => Some(Self { file, offset }),
            (0, None) => None,
            (file, None) => Some(Self {
                file: file - 1,
                offset: u64::MAX,
            }),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}
