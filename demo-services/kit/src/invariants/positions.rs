//! INV-10: read models.

use std::collections::BTreeMap;

use rusqlite::Connection;
use sagascope_conventions::Invariant;

use super::Check;
use crate::database::DatabaseError;

/// The position of a read model never goes back, but for a rebuild, and is never beyond the last event there was.
#[must_use]
pub fn read_models_only_go_on() -> Check {
    let mut best = Best::default();
    Check::with(Invariant::Positions, move |conn, _| {
        let (stand, head) = (positions(conn)?, head(conn)?);
        let beyond = stand.iter().filter(|(_, position)| **position > head);
        let beyond = beyond.map(|(name, position)| format!("{name} is at {position}, and the last event is {head}"));
        let mut found: Vec<String> = beyond.collect();
        found.extend(best.behind(stand));
        Ok(found)
    })
}

/// Positions at their best so far, by whose they are. What is away for a look begins anew.
#[derive(Debug, Default)]
pub struct Best(BTreeMap<String, i64>);

impl Best {
    /// What stands behind where it has been; told until it is there again.
    pub fn behind(&mut self, stand: BTreeMap<String, i64>) -> Vec<String> {
        let mut found = Vec::new();
        let mut all = BTreeMap::new();
        for (name, position) in stand {
            let best = self.0.get(&name).copied().unwrap_or(position);
            if position < best {
                found.push(format!("{name} went back from {best} to {position}"));
            }
            all.insert(name, position.max(best));
        }
        self.0 = all;
        found
    }
}

/// Read models that are not being rebuilt.
fn positions(conn: &Connection) -> Result<BTreeMap<String, i64>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT name, position FROM projections WHERE rebuilding = 0")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The last event there ever was: those at the end may have been let go.
fn head(conn: &Connection) -> Result<i64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, made};
    use super::*;

    #[test]
    fn inv_10_a_position_that_goes_back_or_beyond_is_found_until_it_is_right_again() {
        let conn = made(
            "CREATE TABLE events (position INTEGER PRIMARY KEY AUTOINCREMENT);
             INSERT INTO events VALUES (9);
             CREATE TABLE projections (name TEXT PRIMARY KEY, position, rebuilding);
             INSERT INTO projections VALUES ('summary', 5, 0), ('search', 9, 0)",
        );
        let mut check = read_models_only_go_on();
        let mut after = |sql: &str| {
            conn.execute_batch(sql).expect("done");
            found(&mut check, &conn)
        };
        assert_eq!(after(""), [] as [String; 0]);
        assert_eq!(
            after("UPDATE projections SET position = 7 WHERE name = 'summary'"),
            [] as [String; 0]
        );
        assert_eq!(
            after("UPDATE projections SET position = 6 WHERE name = 'summary'"),
            ["summary went back from 7 to 6"]
        );
        assert_eq!(after(""), ["summary went back from 7 to 6"]);
        assert_eq!(
            after("UPDATE projections SET position = 0, rebuilding = 1 WHERE name = 'summary'"),
            [] as [String; 0],
            "a rebuild starts from zero"
        );
        assert_eq!(
            after("UPDATE projections SET position = 10, rebuilding = 0 WHERE name = 'summary'"),
            ["summary is at 10, and the last event is 9"]
        );
        assert_eq!(
            after("INSERT INTO events VALUES (10); DELETE FROM events"),
            [] as [String; 0]
        );
    }
}
