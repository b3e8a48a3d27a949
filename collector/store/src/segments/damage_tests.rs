//! Sealed files with one byte flipped: what is read is what was written, or nothing, and then somebody hears of it.
//!
//! Some bytes of each file are tried; `SAGASCOPE_EVERY_BYTE=1` tries all.

use std::os::unix::fs::FileExt;

use super::tests::{Rows, rows_of_file, units};
use super::*;
use sagascope_core::rows::TraceId;

/// Bytes tried of each file.
const TRIED: usize = 400;

/// Places in a file of so many bytes, spread evenly.
pub(super) fn places(bytes: usize, tried: usize) -> Vec<usize> {
    if std::env::var_os("SAGASCOPE_EVERY_BYTE").is_some() || bytes <= tried {
        return (0..bytes).collect();
    }
    // A step that is odd and a little irregular comes upon all kinds of bytes.
    (0..tried)
        .map(|n| (n * bytes / tried) + n % 7)
        .filter(|place| *place < bytes)
        .collect()
}

#[test]
fn c05_a_flipped_byte_of_a_sealed_file_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    let view = segments.seal(&units(1, 9)[0]).unwrap();
    let mut wrong = Vec::new();
    let mut tried = 0;
    for file in view.files() {
        let original = rows_of_file(file).unwrap();
        let content = fs::read(file.path()).unwrap();
        let handle = fs::OpenOptions::new().write(true).open(file.path()).unwrap();
        for place in places(content.len(), TRIED) {
            for mask in [0x01, 0x80, 0xff] {
                handle.write_all_at(&[content[place] ^ mask], place as u64).unwrap();
                tried += 1;
                let damaged = SealedFile::new(file.meta().clone(), file.path().to_owned(), Arc::default());
                if let Err(what) = is_harmless(&damaged, &original) {
                    wrong.push(format!(
                        "{} {place} of {} ^ {mask:02x}: {what}",
                        file.meta().table.name(),
                        content.len()
                    ));
                }
            }
            handle.write_all_at(&content[place..=place], place as u64).unwrap();
        }
    }
    assert!(tried > 1_000, "{tried}");
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(400)].join("\n")
    );
}

/// All rows come as they were, or the file counts as damaged.
fn is_harmless(file: &SealedFile, original: &Rows) -> Result<(), String> {
    let whole = rows_of_file(file);
    if let Ok(rows) = &whole
        && rows != original
    {
        return Err("other rows are served".to_owned());
    }
    let wanted: Vec<TraceId> = original.spans.iter().map(|(_, _, span)| span.trace_id).collect();
    for id in wanted {
        let found = (0..file.groups().map_or(0, |groups| groups.len())).map(|group| file.rows_of_trace(group, id));
        let found: Result<Vec<_>, _> = found.collect();
        let is_told = found.is_err() || file.is_damaged();
        if !is_told && found.is_ok_and(|rows| rows.iter().flatten().count() == 0) {
            return Err("a filter denies what is there".to_owned());
        }
    }
    for value in original.values() {
        let may = |group| file.may_have_value(group, &value);
        if !file.is_damaged() && (0..1).any(|group| may(group).is_ok_and(|may| !may)) {
            return Err("a filter denies a value that is there".to_owned());
        }
    }
    if whole.is_err() && !file.is_damaged() {
        return Err("nobody hears of it".to_owned());
    }
    Ok(())
}
