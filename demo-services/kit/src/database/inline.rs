//! The database of a simulated service: no threads, the work runs where it is asked for, between two awaits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::inserts::Inserts;
use super::{DatabaseError, Tx, readers, writer};

#[derive(Clone)]
pub(super) struct Inline {
    connection: Arc<Mutex<Connection>>,
    inserts: Inserts,
}

impl Inline {
    pub(super) fn new(connection: Connection, inserts: Inserts) -> Self {
        Self {
            connection: Arc::new(Mutex::new(connection)),
            inserts,
        }
    }

    /// As the writer thread does it, each piece of work in a commit of its own.
    pub(super) fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E>,
        E: From<DatabaseError>,
    {
        let connection = self.lock();
        writer::execute(&connection, "BEGIN IMMEDIATE")?;
        let result = writer::in_savepoint(&connection, work);
        if let Err(error) = writer::execute(&connection, "COMMIT") {
            drop(writer::execute(&connection, "ROLLBACK"));
            return result.and_then(|_| Err(E::from(DatabaseError::Commit(error.to_string()))));
        }
        drop(connection);
        self.inserts.committed();
        result
    }

    pub(super) fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E>,
        E: From<DatabaseError>,
    {
        readers::caught(work, &self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
