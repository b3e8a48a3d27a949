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

    /// Does the database of a service have this table?
    pub(crate) fn has(&self, service: &'static str, table: &str) -> anyhow::Result<bool> {
        let sql = format!("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '{table}'");
        Ok(self.number(service, &sql)? > 0)
    }

    /// Every saga of orders as it is stored.
    pub(crate) fn sagas(&self) -> anyhow::Result<Vec<Instance>> {
        let texts: Vec<String> = self.rows("orders", "SELECT instance FROM sagas ORDER BY number", |row| row.get(0))?;
        texts.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
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
                let count = self.number(service, "SELECT count(*) FROM sagas WHERE final = 0")?;
                must_be_zero(service, "unfinished sagas", count);
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
        let behind = "SELECT count(*) FROM projections WHERE rebuilding = 1 OR position < (SELECT coalesce(max(position), 0) FROM events)";
        must_be_zero("orders", "read models behind", self.number("orders", behind)?);
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
