//! Tells who waits for a table that rows were committed into it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::Action;
use tokio::sync::watch;

#[derive(Clone, Default)]
pub(super) struct Inserts(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    /// Of each table one for each who waits, woken in the order in which they came.
    watched: BTreeMap<&'static str, Vec<watch::Sender<u64>>>,
    /// Since the last commit. Noted for every table: somebody may begin to wait between the insert and its commit.
    touched: BTreeSet<String>,
}

impl Inserts {
    /// Notes each inserted row of `connection`.
    pub(super) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let inserts = self.clone();
        connection.update_hook(Some(move |action: Action, _: &str, table: &str, _: i64| {
            // Read models move on by updates of their row; readers wait for that.
            let counts = action == Action::SQLITE_INSERT || (action == Action::SQLITE_UPDATE && table == "projections");
            if counts {
                inserts.lock().touch(table);
            }
        }))
    }

    pub(super) fn subscribe(&self, table: &'static str) -> watch::Receiver<u64> {
        let mut tables = self.lock();
        let senders = tables.watched.entry(table).or_default();
        senders.retain(|sender| !sender.is_closed());
        let (sender, receiver) = watch::channel(0);
        senders.push(sender);
        receiver
    }

    /// After a commit: wakes those whose tables were touched. A rolled-back insert may wake too; waking is only a hint.
    pub(super) fn committed(&self) {
        let mut tables = self.lock();
        for table in std::mem::take(&mut tables.touched) {
            for sender in tables.watched.get(table.as_str()).into_iter().flatten() {
                sender.send_modify(|count| *count += 1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn touch(&mut self, table: &str) {
        if !self.touched.contains(table) {
            self.touched.insert(table.to_owned());
        }
    }
}
