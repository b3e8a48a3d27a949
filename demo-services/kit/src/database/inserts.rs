//! Tells who waits for a table that rows were committed into it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::Action;
use tokio::sync::watch;

#[derive(Clone, Default)]
pub(super) struct Inserts(Arc<Mutex<Tables>>);

#[derive(Default)]
struct Tables {
    watched: BTreeMap<&'static str, Table>,
}

#[derive(Default)]
struct Table {
    touched: bool,
    /// One for each who waits, woken in the order in which they came.
    senders: Vec<watch::Sender<u64>>,
}

impl Inserts {
    /// Notes each inserted row of `connection`.
    pub(super) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let inserts = self.clone();
        connection.update_hook(Some(move |action: Action, _: &str, table: &str, _: i64| {
            // Read models move on by updates of their row; readers wait for that.
            let counts = action == Action::SQLITE_INSERT || (action == Action::SQLITE_UPDATE && table == "projections");
            if counts && let Some(table) = inserts.lock().watched.get_mut(table) {
                table.touched = true;
            }
        }))
    }

    pub(super) fn subscribe(&self, table: &'static str) -> watch::Receiver<u64> {
        let mut tables = self.lock();
        let senders = &mut tables.watched.entry(table).or_default().senders;
        senders.retain(|sender| !sender.is_closed());
        let (sender, receiver) = watch::channel(0);
        senders.push(sender);
        receiver
    }

    /// After a commit: wakes those whose tables were touched. A rolled-back insert may wake too; waking is only a hint.
    pub(super) fn committed(&self) {
        for table in self.lock().watched.values_mut().filter(|table| table.touched) {
            table.touched = false;
            for sender in &table.senders {
                sender.send_modify(|count| *count += 1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
