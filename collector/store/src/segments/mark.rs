//! How far the log was sealed, in a file of its own: the footers tell it too, but not when age has taken every file.
//!
//! ```text
//! crc32 of what follows the space, 8 digits | space | JSON
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::meta::Progress;
use super::sync_dir;

const NAME: &str = "sealed-to";
const TEMPORARY: &str = "sealed-to.new";

/// Keeps the mark, in place of the one before.
pub(super) fn keep(dir: &Path, progress: Progress) -> io::Result<()> {
    let json = serde_json::to_string(&progress)?;
    let temporary = dir.join(TEMPORARY);
    let mut file = File::create(&temporary)?;
    write!(file, "{:08x} {json}", crc32fast::hash(json.as_bytes()))?;
    file.sync_all()?;
    fs::rename(temporary, dir.join(NAME))?;
    sync_dir(dir)
}

/// The mark kept last; `None` when there is none, or none that can be trusted.
pub(super) fn kept(dir: &Path) -> Option<Progress> {
    let text = fs::read_to_string(dir.join(NAME)).ok()?;
    let read = parse(&text);
    if read.is_none() {
        tracing::warn!(dir = %dir.display(), "the mark of how far the log was sealed is damaged");
    }
    read
}

fn parse(text: &str) -> Option<Progress> {
    let (sum, json) = text.split_once(' ')?;
    let is_whole = sum == format!("{:08x}", crc32fast::hash(json.as_bytes()));
    is_whole.then(|| serde_json::from_str(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;
    use crate::head::Sequences;

    #[test]
    fn a_mark_comes_back_and_one_with_a_byte_flipped_or_cut_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(dir.path()), None);
        let progress = Progress {
            sealed_to: Position { file: 3, offset: 12 },
            next: Sequences {
                spans: 7,
                logs: 8,
                points: 9,
            },
        };
        keep(dir.path(), progress).unwrap();
        assert_eq!(kept(dir.path()), Some(progress));
        let text = fs::read(dir.path().join(NAME)).unwrap();
        for at in 0..text.len() {
            let mut flipped = text.clone();
            flipped[at] ^= 1;
            for damaged in [&flipped[..], &text[..at]] {
                fs::write(dir.path().join(NAME), damaged).unwrap();
                assert_eq!(kept(dir.path()), None, "at {at}");
            }
        }
    }
}
