//! Whether a read model is what its events fold to: it is built from zero in a transaction that is taken back (INV-09).

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ReadModel, dump, position};
use crate::database::{Database, DatabaseError, Tx};
use crate::sql::{signed, unsigned};
use crate::{effects, event_store};

/// Events read at once.
const BATCH: usize = 1_024;

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The read model.
    pub name: String,
    /// It is the fold of the events up to here; what it parked is left out.
    pub position: u64,
    /// Rows compared.
    pub rows: usize,
    /// Every row is the same.
    pub agrees: bool,
    /// The first row that is in one of the two only.
    pub difference: Option<String>,
}

/// Takes the transaction back and brings the outcome out.
struct Outcome(Result<Verified, DatabaseError>);

impl From<DatabaseError> for Outcome {
    fn from(error: DatabaseError) -> Self {
        Self(Err(error))
    }
}

impl ReadModel {
    /// Builds it anew beside itself and compares; nothing changes. Other writes wait for it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn verify(self, db: &Database) -> Result<Verified, DatabaseError> {
        let compared = db.write(move |tx| Err::<Verified, _>(Outcome(self.compare(tx))));
        compared.await.or_else(|Outcome(verified)| verified)
    }

    fn compare(&self, tx: &Tx<'_>) -> Result<Verified, DatabaseError> {
        let until = position(tx, self.name)?;
        let stands = dump(tx, self.tables)?;
        self.clear(tx)?;
        self.fold(tx, until)?;
        let folded = dump(tx, self.tables)?;
        let of_one = |a: &[String], b: &[String]| a.iter().find(|row| b.binary_search(row).is_err()).cloned();
        Ok(Verified {
            name: self.name.to_owned(),
            position: until,
            rows: stands.len(),
            agrees: stands == folded,
            difference: of_one(&stands, &folded).or_else(|| of_one(&folded, &stands)),
        })
    }

    fn fold(&self, tx: &Tx<'_>, until: u64) -> Result<(), DatabaseError> {
        let parked = self.parked_positions(tx)?;
        let mut after = 0;
        loop {
            let events = event_store::read_all(tx, after, BATCH)?;
            let Some(last) = events.last() else { return Ok(()) };
            after = last.position;
            for event in events.iter().filter(|event| !parked.contains(&event.position)) {
                if event.position > until {
                    return Ok(());
                }
                if let Err(error) = effects::forbidden(|| (self.apply)(tx, event)) {
                    // What was applied once and cannot be now shows as a difference.
                    tracing::warn!(projection = self.name, position = event.position, %error, "not applied again");
                }
            }
        }
    }

    fn parked_positions(&self, tx: &Tx<'_>) -> Result<BTreeSet<u64>, DatabaseError> {
        let mut query =
            tx.prepare_cached("SELECT position FROM projection_failures WHERE name = ? AND position <= ?")?;
        let until = signed(position(tx, self.name)?);
        let parked = query.query_map((self.name, until), |row| unsigned(row, 0))?;
        Ok(parked.collect::<Result<_, _>>()?)
    }
}
