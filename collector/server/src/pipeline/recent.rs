//! The newest log records, for those who watch them as they come.

use sagascope_api::logs::LogRow;
use sagascope_core::block::LogRef;
use sagascope_core::trace::log_row;

use crate::app::World;

/// Records published at a time; of more, the newest.
const AT_ONCE: usize = 200;
/// Records kept for the first picture of a new watcher.
const KEPT: usize = 500;

/// How far the stream has come.
#[derive(Debug)]
pub(super) struct RecentLogs {
    /// Sequence of the next record to be published.
    next: u64,
}

impl RecentLogs {
    /// The next record that comes has this sequence.
    pub(super) const fn beginning_at(next: u64) -> Self {
        Self { next }
    }

    /// The records that came since the last time, oldest first, and how many more there were. They are kept for new
    /// watchers too.
    pub(super) fn gather(&mut self, world: &mut World) -> (Vec<LogRow>, u64) {
        let end = world.head.next().logs;
        let new = end.saturating_sub(self.next);
        if new == 0 {
            return (Vec::new(), 0);
        }
        let blocks = world.head.blocks().logs;
        let newest = blocks.iter().rev().flat_map(|block| block.rows().rev());
        let mut rows: Vec<LogRow> = newest
            .take_while(|log| log.sequence() >= self.next)
            .take(AT_ONCE)
            .map(row)
            .collect();
        rows.reverse();
        self.next = end;
        world.recent_logs.extend(rows.iter().cloned());
        let surplus = world.recent_logs.len().saturating_sub(KEPT);
        world.recent_logs.drain(..surplus);
        let left_out = new - rows.len() as u64;
        (rows, left_out)
    }
}

fn row(log: LogRef<'_>) -> LogRow {
    log_row(&log.to_row())
}
