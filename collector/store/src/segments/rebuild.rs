//! The catalogue made anew from the footers of the files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::catalogue::Catalogue;
use super::checksums::Footer;
use super::file::ReadError;
use super::meta::{FileMeta, Progress};
use super::seal::{FORMAT, FORMAT_KEY, META_KEY};
use super::{SegmentsError, files_in, mark, path_in};

/// Folder of files that could not be taken up.
const ASIDE: &str = "aside";

/// Takes up the complete units among the files. Others are moved aside: a unit that lacks a file was never sealed, and
/// one inside the range of another was merged into that.
pub(super) fn rebuild(dir: &Path) -> Result<Catalogue, SegmentsError> {
    let mut found: Vec<(PathBuf, FileMeta)> = Vec::new();
    let mut strange = Vec::new();
    for path in files_in(dir)? {
        match read_meta(&path)? {
            Ok(meta) if path_in(dir, &meta) == path => found.push((path, meta)),
            Ok(_) => strange.push(path),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a sealed file cannot be read, and is moved aside");
                strange.push(path);
            }
        }
    }
    // The widest first, so that what was merged gives way to what it was merged into.
    found.sort_by(|(_, a), (_, b)| {
        let (a, b) = (&a.unit.range, &b.unit.range);
        a.start.cmp(&b.start).then(b.end.cmp(&a.end))
    });
    let mut taken: Vec<FileMeta> = Vec::new();
    while let Some((_, first)) = found.first() {
        let unit = first.unit.clone();
        let rest = found.split_off(
            found
                .iter()
                .take_while(|(_, meta)| meta.unit.range == unit.range)
                .count(),
        );
        let of_unit = std::mem::replace(&mut found, rest);
        let is_complete = of_unit.len() == unit.tables.len();
        let is_after = taken.iter().all(|taken| taken.unit.range.end <= unit.range.start);
        if is_complete && is_after {
            taken.extend(of_unit.into_iter().map(|(_, meta)| meta));
        } else {
            strange.extend(of_unit.into_iter().map(|(path, _)| path));
        }
    }
    move_aside(dir, &strange)?;
    let last = taken.last().map(|meta| Progress::from(&meta.unit));
    let further = last
        .into_iter()
        .chain(mark::kept(dir))
        .max_by_key(|progress| progress.sealed_to);
    Catalogue::create(dir, &taken, further)
}

/// What the footer says of a file.
fn read_meta(path: &Path) -> Result<Result<FileMeta, ReadError>, SegmentsError> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let footer = match Footer::read(&file) {
        Ok(footer) => footer,
        Err(error) => return Ok(Err(error)),
    };
    let pairs = footer.metadata.file_metadata().key_value_metadata();
    let value = |key| {
        let pair = pairs?.iter().find(|pair| pair.key == key)?;
        pair.value.as_deref()
    };
    let format = value(FORMAT_KEY).and_then(|format| format.parse::<i64>().ok());
    if let Some(format) = format.filter(|format| *format > FORMAT) {
        return Err(SegmentsError::Newer {
            path: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    let meta = value(META_KEY).and_then(|meta| serde_json::from_str::<FileMeta>(meta).ok());
    let is_ours = |meta: &FileMeta| format == Some(FORMAT) && meta.checksums == footer.has_checksums();
    Ok(match meta.filter(is_ours) {
        Some(meta) => Ok(FileMeta { bytes, ..meta }),
        None => Err(ReadError::Damaged("its footer is not of ours".to_owned())),
    })
}

fn move_aside(dir: &Path, paths: &[PathBuf]) -> Result<(), SegmentsError> {
    if paths.is_empty() {
        return Ok(());
    }
    let aside = dir.join(ASIDE);
    fs::create_dir_all(&aside)?;
    for path in paths {
        let name = path
            .strip_prefix(dir)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('/', "-");
        fs::rename(path, aside.join(name))?;
    }
    Ok(())
}
