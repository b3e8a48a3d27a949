//! What became of every record sent.

use std::ops::AddAssign;

use crate::histogram::Histogram;
use crate::send::Verdict;
use crate::shop::Signal;

/// Records of one signal. `sent` is the sum of all that follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Records in them.
    pub sent: u64,
    /// Answered with success.
    pub accepted: u64,
    /// Refused one by one, in an answer that is a success otherwise.
    pub rejected: u64,
    /// Refused for now, with all of their request.
    pub pushed_back: u64,
    /// Refused for good, with all of their request.
    pub refused: u64,
    /// Without an answer: nobody knows.
    pub lost: u64,
}

impl Totals {
    fn take(&mut self, records: u64, verdict: &Verdict) {
        self.requests += 1;
        self.sent += records;
        match verdict {
            Verdict::Accepted { rejected } => {
                let rejected = (*rejected).min(records);
                self.rejected += rejected;
                self.accepted += records - rejected;
            }
            Verdict::PushedBack { .. } => self.pushed_back += records,
            Verdict::Refused(_) => self.refused += records,
            Verdict::Lost(_) => self.lost += records,
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.pushed_back += other.pushed_back;
        self.refused += other.refused;
        self.lost += other.lost;
    }
}

/// All signals, and how long answers took.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Spans.
    pub traces: Totals,
    /// Log records.
    pub logs: Totals,
    /// Metric points.
    pub metrics: Totals,
    /// From the moment a request was due until it was answered with success.
    pub answered: Histogram,
    /// The same, of those that were pushed back.
    pub pushed_back: Histogram,
    /// The first thing that went wrong.
    pub complaint: Option<String>,
}

impl Account {
    /// All signals together.
    #[must_use]
    pub fn total(&self) -> Totals {
        let mut total = self.traces;
        total += self.logs;
        total += self.metrics;
        total
    }

    pub(crate) fn take(&mut self, signal: Signal, records: u64, verdict: &Verdict, took: std::time::Duration) {
        match signal {
            Signal::Traces => &mut self.traces,
            Signal::Logs => &mut self.logs,
            Signal::Metrics => &mut self.metrics,
        }
        .take(records, verdict);
        match verdict {
            Verdict::Accepted { .. } => self.answered.record(took),
            Verdict::PushedBack { .. } => self.pushed_back.record(took),
            Verdict::Refused(why) | Verdict::Lost(why) => {
                self.complaint.get_or_insert_with(|| why.clone());
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.traces += other.traces;
        self.logs += other.logs;
        self.metrics += other.metrics;
        self.answered.add(&other.answered);
        self.pushed_back.add(&other.pushed_back);
        if self.complaint.is_none() {
            self.complaint = other.complaint;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_record_is_in_exactly_one_place() {
        let verdicts = [
            Verdict::Accepted { rejected: 0 },
            Verdict::Accepted { rejected: 3 },
            Verdict::Accepted { rejected: 1_000 },
            Verdict::PushedBack { after: None },
            Verdict::Refused("no".into()),
            Verdict::Lost("gone".into()),
        ];
        let mut account = Account::default();
        for verdict in &verdicts {
            account.take(Signal::Logs, 10, verdict, Duration::from_millis(1));
        }
        let mut all = Account::default();
        all.add(account.clone());
        all.add(account);
        let total = all.total();
        assert_eq!(total, all.logs);
        assert_eq!((total.requests, total.sent), (12, 120));
        assert_eq!(
            total.sent,
            total.accepted + total.rejected + total.pushed_back + total.refused + total.lost
        );
        assert_eq!((total.accepted, total.rejected), (34, 26));
        assert_eq!((all.answered.count(), all.pushed_back.count()), (6, 2));
        assert_eq!(all.complaint.as_deref(), Some("no"));
    }
}
