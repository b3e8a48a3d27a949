//! Tables in memory, for work that is thrown away.

use rusqlite::Connection;

use super::{DatabaseError, Tx};

/// The tables of the kit and of a service, empty.
#[derive(Debug)]
pub(crate) struct Scratch(Connection);

impl Scratch {
    pub(crate) fn open(schema: &[&str]) -> Result<Self, DatabaseError> {
        let connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(128);
        for statements in crate::durable::TABLES.iter().chain(schema) {
            connection.execute_batch(statements)?;
        }
        Ok(Self(connection))
    }

    /// Runs `work` in a transaction that is taken back.
    pub(crate) fn thrown_away<T>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        // Dropped without a commit, it is rolled back.
        let transaction = self.0.unchecked_transaction()?;
        work(&Tx(&transaction))
    }
}
