//! What is looked at from outside when a run is over: the databases as files, the collector's picture, the customers' word.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::{Connection, OpenFlags, Row};
use shop_kit::saga::Instance;

use crate::cluster::{SERVICES, database};
use crate::collector::Collector;
use crate::shoppers::Purchase;

/// Name of a two-phase commit among the sagas of the collector.
pub(crate) const TRANSACTION: &str = "booking-2pc";

/// A two-phase commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) id: String,
    /// `commit`, `abort`, or nothing yet.
    pub(crate) decision: Option<String>,
    pub(crate) state: String,
    /// Events told.
    pub(crate) sequence: u64,
}

impl Transaction {
    /// Committed everywhere, or aborted.
    pub(crate) fn is_over(&self) -> bool {
        ["completed", "compensated"].contains(&self.state.as_str())
    }
}

/// A trip.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Booking {
    pub(crate) id: String,
    pub(crate) status: String,
    /// What was asked for.
    pub(crate) wish: serde_json::Value,
    /// Nothing unless it is confirmed.
    pub(crate) total_minor: Option<i64>,
}

/// Everything that a checker may look at.
pub(crate) struct Evidence {
    folder: PathBuf,
    connections: RefCell<BTreeMap<&'static str, Rc<Connection>>>,
    pub(crate) collector: Collector,
    pub(crate) purchases: Vec<Purchase>,
    /// Spans that the collector will never have: their machines died.
    pub(crate) lost_spans: BTreeSet<[u8; 8]>,
    /// Tables before and after all read models were built again.
    pub(crate) before_rebuild: BTreeMap<String, Vec<String>>,
    pub(crate) after_rebuild: BTreeMap<String, Vec<String>>,
}

impl Evidence {
    pub(crate) fn new(folder: &Path, collector: Collector, purchases: Vec<Purchase>) -> Self {
        Self {
            folder: folder.to_owned(),
            connections: RefCell::default(),
            collector,
            purchases,
            lost_spans: BTreeSet::new(),
            before_rebuild: BTreeMap::new(),
            after_rebuild: BTreeMap::new(),
        }
    }

    /// The database of a service, read only.
    pub(crate) fn db(&self, service: &'static str) -> anyhow::Result<Rc<Connection>> {
        if let Some(known) = self.connections.borrow().get(service) {
            return Ok(known.clone());
        }
        let path = database(&self.folder, service);
        let connection = Rc::new(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        self.connections.borrow_mut().insert(service, connection.clone());
        Ok(connection)
    }

    /// Is this service part of the cluster?
    pub(crate) fn runs(&self, service: &str) -> bool {
        database(&self.folder, service).exists()
    }

    /// Rows of a query.
    pub(crate) fn rows<T>(
        &self,
        service: &'static str,
        sql: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        let db = self.db(service)?;
        let mut query = db.prepare_cached(sql)?;
        Ok(query.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Sorted rows of two columns.
    pub(crate) fn pairs(&self, service: &'static str, sql: &str) -> anyhow::Result<Vec<(String, String)>> {
        let mut pairs = self.rows(service, sql, |row| Ok((row.get(0)?, row.get(1)?)))?;
        pairs.sort();
        Ok(pairs)
    }

    /// A query that answers one number.
    pub(crate) fn number(&self, service: &'static str, sql: &str) -> anyhow::Result<i64> {
        Ok(self.db(service)?.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Is there a service with this table in its database?
    pub(crate) fn has(&self, service: &'static str, table: &str) -> anyhow::Result<bool> {
        if !self.runs(service) {
            return Ok(false);
        }
        let sql = format!("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '{table}'");
        Ok(self.number(service, &sql)? > 0)
    }

    /// Every saga of orders as it is stored.
    pub(crate) fn sagas(&self) -> anyhow::Result<Vec<Instance>> {
        self.sagas_of("orders")
    }

    /// Every saga of every service.
    pub(crate) fn all_sagas(&self) -> anyhow::Result<Vec<Instance>> {
        let mut all = self.sagas()?;
        all.extend(self.sagas_of("booking")?);
        Ok(all)
    }

    fn sagas_of(&self, service: &'static str) -> anyhow::Result<Vec<Instance>> {
        if !self.runs(service) {
            return Ok(Vec::new());
        }
        let texts: Vec<String> = self.rows(service, "SELECT instance FROM sagas ORDER BY number", |row| row.get(0))?;
        texts.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
    }

    /// Every two-phase commit as its coordinator has it.
    pub(crate) fn transactions(&self) -> anyhow::Result<Vec<Transaction>> {
        if !self.runs("booking") {
            return Ok(Vec::new());
        }
        let sql = "SELECT id, decision, state, sequence FROM transactions ORDER BY number";
        self.rows("booking", sql, |row| {
            Ok(Transaction {
                id: row.get(0)?,
                decision: row.get(1)?,
                state: row.get(2)?,
                sequence: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })
    }

    /// Every booking as booking has it.
    pub(crate) fn bookings(&self) -> anyhow::Result<Vec<Booking>> {
        if !self.runs("booking") {
            return Ok(Vec::new());
        }
        let sql = "SELECT booking_id, status, wish, total_minor FROM bookings ORDER BY number";
        let rows = self.rows("booking", sql, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?))
        })?;
        let read = |(id, status, wish, total_minor): (_, _, String, _)| {
            Ok(Booking {
                id,
                status,
                wish: serde_json::from_str(&wish)?,
                total_minor,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Nothing is under way: what is missing, when it is not so.
    pub(crate) fn unrest(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut must_be_zero = |service: &'static str, what: &str, count: i64| {
            if count != 0 {
                found.push(format!("{service}: {count} {what}"));
            }
        };
        for service in SERVICES {
            if self.has(service, "sagas")? {
                // The two oldest generations may stand still for ever.
                let count = self.number(
                    service,
                    "SELECT count(*) FROM sagas WHERE final = 0 AND name NOT IN ('order-sync', 'order-broker')",
                )?;
                must_be_zero(service, "unfinished sagas", count);
            }
            if self.has(service, "transactions")? && service == "booking" {
                let count = self.number(service, "SELECT count(*) FROM transactions WHERE final = 0")?;
                must_be_zero(service, "unfinished transactions", count);
            }
            if self.has(service, "in_doubt")? {
                let count = self.number(service, "SELECT count(*) FROM in_doubt")?;
                must_be_zero(service, "votes in doubt", count);
            }
            if self.has(service, "outbox")? {
                let count = self.number(service, "SELECT count(*) FROM outbox WHERE processed = 0")?;
                must_be_zero(service, "unpublished messages", count);
            }
            if self.has(service, "state_events")? {
                let count = self.number(service, "SELECT count(*) FROM state_events")?;
                must_be_zero(service, "untold state events", count);
            }
        }
        if self.runs("orders") {
            let behind = "SELECT count(*) FROM projections WHERE rebuilding = 1 OR position < (SELECT coalesce(max(position), 0) FROM events)";
            must_be_zero("orders", "read models behind", self.number("orders", behind)?);
        }
        let undone = "SELECT count(*) FROM messages m JOIN positions p
            ON p.topic = m.topic AND p.partition = m.partition AND m.offset >= p.committed
            WHERE (m.only_group IS NULL OR m.only_group = p.consumer_group)";
        must_be_zero("broker", "messages under way", self.number("broker", undone)?);
        must_be_zero(
            "broker",
            "dead letters",
            self.number("broker", "SELECT count(*) FROM dead_letters")?,
        );
        Ok(found)
    }
}
