//! Which files count: a small SQLite database, changed in one transaction a step, with a checksum of all that it says.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::SegmentsError;
use super::meta::{FileMeta, Progress};

/// Version of the catalogue.
const VERSION: i64 = 1;
const NAME: &str = "catalogue.sqlite";

const TABLES: &str = "
    CREATE TABLE files (
        range TEXT NOT NULL,
        tab TEXT NOT NULL,
        rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        meta TEXT NOT NULL,
        PRIMARY KEY (range, tab)
    ) STRICT;
    CREATE TABLE progress (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        sealed_to TEXT NOT NULL,
        next TEXT NOT NULL
    ) STRICT;
";

/// Not among the tables of the first version: what has none is believed, and has one after its next change.
const CHECKSUM: &str = "
    CREATE TABLE IF NOT EXISTS checksum (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        crc32 INTEGER NOT NULL
    ) STRICT;
";

/// The catalogue of sealed files.
#[derive(Debug)]
pub(super) struct Catalogue(Connection);

impl Catalogue {
    /// Opens the catalogue. `None` when there is none that can be read; a damaged one is set aside.
    pub(super) fn open(dir: &Path) -> Result<Option<Self>, SegmentsError> {
        let path = dir.join(NAME);
        if !path.exists() {
            return Ok(None);
        }
        match Self::open_whole(&path) {
            Ok(found) if found.1 > VERSION => Err(SegmentsError::Newer {
                path,
                found: found.1,
                known: VERSION,
            }),
            Ok((catalogue, VERSION)) => Ok(Some(catalogue)),
            Ok(_) => set_aside(&path),
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, "the catalogue of sealed rows is damaged, and made anew from the files");
                set_aside(&path)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn open_whole(path: &Path) -> rusqlite::Result<(Self, i64)> {
        let catalogue = Self::connect(path)?;
        let version = catalogue.0.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == VERSION {
            let verdict: String = catalogue.0.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
            if verdict != "ok" {
                return Err(damaged(verdict));
            }
            catalogue.files()?;
            catalogue.progress()?;
            catalogue.check()?;
            // One whose header says that it is never written is no use.
            catalogue.0.execute_batch("BEGIN IMMEDIATE; COMMIT;")?;
        }
        Ok((catalogue, version))
    }

    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL;")?;
        Ok(Self(connection))
    }

    /// Makes a catalogue that lists these files.
    pub(super) fn create(dir: &Path, files: &[FileMeta], progress: Option<Progress>) -> Result<Self, SegmentsError> {
        let mut catalogue = Self::connect(&dir.join(NAME))?;
        let transaction = catalogue.0.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
        catalogue.change(files, &[], progress)?;
        super::sync_dir(dir)?;
        Ok(catalogue)
    }

    /// Does all that it says agree with its checksum?
    fn check(&self) -> rusqlite::Result<()> {
        let is_there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'checksum'";
        if self.0.query_row(is_there, [], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(());
        }
        let stated: i64 = self.0.query_row("SELECT crc32 FROM checksum", [], |row| row.get(0))?;
        if stated == checksum(&self.0)? {
            Ok(())
        } else {
            Err(damaged("it differs from its checksum".to_owned()))
        }
    }

    /// Files that count, in the order of the log.
    pub(super) fn files(&self) -> rusqlite::Result<Vec<FileMeta>> {
        let mut statement = self.0.prepare("SELECT meta FROM files")?;
        let metas = statement.query_map([], |row| parsed::<FileMeta>(&row.get::<_, String>(0)?))?;
        let mut metas = metas.collect::<rusqlite::Result<Vec<_>>>()?;
        metas.sort_by_key(|meta| (meta.unit.range.start, meta.table));
        Ok(metas)
    }

    /// Up to where the log is sealed, and the sequences of the rows after that.
    pub(super) fn progress(&self) -> rusqlite::Result<Option<Progress>> {
        let query = "SELECT sealed_to, next FROM progress";
        let found = self.0.query_row(query, [], |row| {
            let (to, next): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(Progress {
                sealed_to: parsed(&to)?,
                next: parsed(&next)?,
            })
        });
        found.optional()
    }

    /// Makes new files count and others not, and goes on to there unless it was further already.
    pub(super) fn change(
        &mut self,
        new: &[FileMeta],
        gone: &[&FileMeta],
        progress: Option<Progress>,
    ) -> rusqlite::Result<()> {
        let before = self.progress()?;
        let transaction = self.0.transaction()?;
        for meta in gone {
            transaction.execute(
                "DELETE FROM files WHERE range = ?1 AND tab = ?2",
                params![range(meta), meta.table.name()],
            )?;
        }
        for meta in new {
            transaction.execute(
                "INSERT INTO files (range, tab, rows, bytes, meta) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    range(meta),
                    meta.table.name(),
                    meta.rows as i64,
                    meta.bytes as i64,
                    written(meta)
                ],
            )?;
        }
        if let Some(progress) = progress
            && before.is_none_or(|before| before.sealed_to < progress.sealed_to)
        {
            transaction.execute(
                "INSERT INTO progress (id, sealed_to, next) VALUES (0, ?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET sealed_to = excluded.sealed_to, next = excluded.next",
                params![written(&progress.sealed_to), written(&progress.next)],
            )?;
        }
        transaction.execute_batch(CHECKSUM)?;
        let crc32 = checksum(&transaction)?;
        let replace =
            "INSERT INTO checksum (id, crc32) VALUES (0, ?1) ON CONFLICT (id) DO UPDATE SET crc32 = excluded.crc32";
        transaction.execute(replace, params![crc32])?;
        transaction.commit()
    }
}

/// Of every value of every row.
fn checksum(connection: &Connection) -> rusqlite::Result<i64> {
    let mut hasher = crc32fast::Hasher::new();
    for query in [
        "SELECT range, tab, rows, bytes, meta FROM files ORDER BY range, tab",
        "SELECT sealed_to, next FROM progress",
    ] {
        let mut statement = connection.prepare_cached(query)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                match row.get_ref(column)? {
                    ValueRef::Integer(number) => hasher.update(&number.to_le_bytes()),
                    ValueRef::Text(text) => {
                        hasher.update(&(text.len() as u64).to_le_bytes());
                        hasher.update(text);
                    }
                    // The tables are strict.
                    _ => return Err(damaged("a value is of another kind".to_owned())),
                }
            }
        }
    }
    Ok(hasher.finalize().into())
}

fn damaged(reason: String) -> rusqlite::Error {
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(corrupt, Some(reason))
}

fn range(meta: &FileMeta) -> String {
    let range = &meta.unit.range;
    format!("{}..{}", range.start, range.end)
}

fn written(value: &impl serde::Serialize) -> String {
    // Plain data: it always has a text.
    serde_json::to_string(value).unwrap_or_default()
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

/// Not the disk, not a lock: the content is wrong.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            rusqlite::ErrorCode::DatabaseCorrupt
                | rusqlite::ErrorCode::NotADatabase
                | rusqlite::ErrorCode::ReadOnly
                | rusqlite::ErrorCode::Unknown
        ),
        _ => true,
    }
}

fn set_aside(path: &Path) -> Result<Option<Catalogue>, SegmentsError> {
    let aside: PathBuf = path.with_extension("sqlite.damaged");
    fs::rename(path, aside)?;
    Ok(None)
}
