//! The picture of the projections, kept beside the data so that a restart need not read the whole log.
//!
//! ```text
//! magic 8 | version 4 | crc32 4 | file 8 | offset 8 | raw length 8 | zstd bytes …
//! (little endian; the checksum covers all behind it)
//! ```
//! The file is replaced as a whole: written under another name, synced, renamed, and the folder synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::Position;

const NAME: &str = "picture";
const MAGIC: [u8; 8] = *b"SAGAPIC\0";
const VERSION: u32 = 1;
const HEADER: usize = 40;
const LEVEL: i32 = 1;
/// No picture is larger; what says so is damaged.
const RAW_MAX: u64 = 1 << 30;

/// The picture after every record up to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPicture {
    /// The last record in it.
    pub position: Position,
    /// The projections' own bytes.
    pub bytes: Vec<u8>,
}

/// Keeps a picture in place of the one before.
///
/// # Errors
/// When the folder cannot be written; the one before is still there then.
pub fn keep(dir: &Path, picture: &KeptPicture) -> io::Result<()> {
    let packed = zstd::bulk::compress(&picture.bytes, LEVEL)?;
    let mut content = Vec::with_capacity(HEADER + packed.len());
    content.extend_from_slice(&MAGIC);
    content.extend_from_slice(&VERSION.to_le_bytes());
    content.extend_from_slice(&[0; 4]);
    content.extend_from_slice(&picture.position.file.to_le_bytes());
    content.extend_from_slice(&picture.position.offset.to_le_bytes());
    content.extend_from_slice(&(picture.bytes.len() as u64).to_le_bytes());
    content.extend_from_slice(&packed);
    let crc = crc32fast::hash(&content[16..]);
    content[12..16].copy_from_slice(&crc.to_le_bytes());
    let temporary = dir.join(format!("{NAME}.new"));
    let written = write(&temporary, &content).and_then(|()| fs::rename(&temporary, dir.join(NAME)));
    if let Err(error) = written {
        // Nothing more can be done about a file that cannot be removed either.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    File::open(dir)?.sync_all()
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The picture kept last; `None` when there is none, or none that can be trusted.
#[must_use]
pub fn kept(dir: &Path) -> Option<KeptPicture> {
    let path = dir.join(NAME);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the kept picture cannot be read; the log is read instead");
            return None;
        }
    };
    let read = parse(&content);
    if read.is_none() {
        tracing::warn!(file = %path.display(), "the kept picture is damaged or of another version; the log is read instead");
    }
    read
}

fn parse(content: &[u8]) -> Option<KeptPicture> {
    let word = |at: usize| Some(u32::from_le_bytes(content.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(content.get(at..at + 8)?.try_into().ok()?));
    if content.get(..8)? != MAGIC || word(8)? != VERSION || word(12)? != crc32fast::hash(content.get(16..)?) {
        return None;
    }
    let raw_length = usize::try_from(long(32).filter(|length| *length <= RAW_MAX)?).ok()?;
    Some(KeptPicture {
        position: Position {
            file: long(16)?,
            offset: long(24)?,
        },
        bytes: zstd::bulk::decompress(content.get(HEADER..)?, raw_length).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(offset: u64) -> KeptPicture {
        KeptPicture {
            position: Position { file: 3, offset },
            bytes: vec![7; 100],
        }
    }

    #[test]
    fn the_newest_picture_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(dir.path()), None);
        for offset in [1, 2] {
            keep(dir.path(), &picture(offset)).unwrap();
        }
        assert_eq!(kept(dir.path()), Some(picture(2)));
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_picture_with_any_byte_flipped_or_cut_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &picture(1)).unwrap();
        let content = fs::read(dir.path().join(NAME)).unwrap();
        for at in 0..content.len() {
            let mut flipped = content.clone();
            flipped[at] ^= 0x20;
            assert_eq!(parse(&flipped), None, "flipped {at}");
            assert_eq!(parse(&content[..at]), None, "cut {at}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_keeps_the_old_picture() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &picture(1)).unwrap();
        fs::create_dir(dir.path().join("picture.new")).unwrap();
        assert!(keep(dir.path(), &picture(2)).is_err());
        assert_eq!(kept(dir.path()), Some(picture(1)));
    }
}
