//! The figures of a bench, as a table for people and as JSON for scripts.

use std::collections::BTreeMap;
use std::io::{self, Write};

use sagascope_load::{Account, Totals};
use serde::Serialize;

use super::ask::{Answers, Waits};

/// Everything that was measured. What could not be measured is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) sending: Sending,
    /// Of the collector while it took the load and until it had settled, all threads, user and system.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) cpu_seconds_per_million: Option<f64>,
    /// Of that, by name of thread; threads that ended meanwhile are not in it.
    pub(super) cpu_seconds_per_million_by_thread: BTreeMap<String, f64>,
    /// From the last answer until the collector used no processor time to speak of.
    pub(super) settled_after_seconds: Option<f64>,
    pub(super) disk_bytes: Option<u64>,
    pub(super) disk_bytes_per_record: Option<f64>,
    pub(super) memory_idle_bytes: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) memory_peak_bytes: Option<u64>,
    /// Single traces, one after another.
    pub(super) answered_alone: Option<Waits>,
    /// From the answer until a query finds it.
    pub(super) visible: Option<Waits>,
    /// From the sending until it is pushed to an open dashboard.
    pub(super) pushed: Option<Waits>,
    pub(super) questions: Option<Answers>,
    pub(super) overload: Option<Overload>,
    pub(super) restart_accepting_seconds: Option<f64>,
    pub(super) restart_ready_seconds: Option<f64>,
    /// Live streams that were open, and how many of them to the end.
    pub(super) watchers: u32,
    pub(super) watchers_to_the_end: usize,
    /// What went wrong, if anything did.
    pub(super) complaints: Vec<String>,
}

/// What was sent and what became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Sending {
    pub(super) seconds: f64,
    pub(super) accepted_per_second: f64,
    pub(super) spans: Records,
    pub(super) logs: Records,
    pub(super) points: Records,
    /// From the moment a request was due until it was answered with success.
    pub(super) answered: Waits,
    /// Records of the signals that the collector itself says it accepted.
    pub(super) counted_by_collector: Option<u64>,
    /// Every record has one fate, none is lost, and the collector counts the same.
    pub(super) is_exact: Option<bool>,
}

/// Totals of a signal.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Records {
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) pushed_back: u64,
    pub(super) refused: u64,
    pub(super) lost: u64,
}

impl From<Totals> for Records {
    fn from(totals: Totals) -> Self {
        Self {
            sent: totals.sent,
            accepted: totals.accepted,
            rejected: totals.rejected,
            pushed_back: totals.pushed_back,
            refused: totals.refused,
            lost: totals.lost,
        }
    }
}

/// More than the machine can do.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Overload {
    pub(super) times: f64,
    pub(super) offered_per_second: f64,
    /// Accepted, against the rate that was reached without overload.
    pub(super) share_of_peak: f64,
    pub(super) sending: Sending,
    pub(super) memory_peak_bytes: Option<u64>,
}

impl Sending {
    /// `counted` is by how much the collector's own count of accepted records grew.
    pub(super) fn of(account: &Account, seconds: f64, counted: Option<u64>) -> Self {
        let total = account.total();
        let has_one_fate =
            total.sent == total.accepted + total.rejected + total.pushed_back + total.refused + total.lost;
        Self {
            seconds,
            accepted_per_second: total.accepted as f64 / seconds.max(1e-9),
            spans: account.traces.into(),
            logs: account.logs.into(),
            points: account.metrics.into(),
            answered: Waits::of(&account.answered, 0),
            counted_by_collector: counted,
            is_exact: counted.map(|counted| has_one_fate && total.lost == 0 && counted == total.accepted),
        }
    }

    pub(super) const fn accepted(&self) -> u64 {
        self.spans.accepted + self.logs.accepted + self.points.accepted
    }
}

impl Report {
    /// Two columns: what, and how much.
    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = self.rows();
        let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        for (what, value) in &rows {
            writeln!(out, "{what:<width$}  {value}")?;
        }
        for complaint in &self.complaints {
            writeln!(out, "! {complaint}")?;
        }
        Ok(())
    }

    fn rows(&self) -> Vec<(String, String)> {
        let mut rows = Rows::default();
        self.sending.rows(&mut rows);
        rows.add(
            "processor time, all counted",
            self.cpu_seconds_per_million
                .map(|seconds| format!("{seconds:.2} s a million")),
        );
        let mut threads: Vec<_> = self.cpu_seconds_per_million_by_thread.iter().collect();
        threads.sort_by(|a, b| b.1.total_cmp(a.1));
        for (name, seconds) in threads.into_iter().filter(|(_, seconds)| **seconds >= 0.005) {
            rows.add(&format!("  {name}"), Some(format!("{seconds:.2} s a million")));
        }
        rows.add(
            "settled after",
            self.settled_after_seconds.map(|seconds| format!("{seconds:.1} s")),
        );
        let disk = self.disk_bytes.zip(self.disk_bytes_per_record);
        rows.add(
            "disk",
            disk.map(|(bytes, each)| format!("{} · {each:.1} bytes a record", mebibytes(bytes))),
        );
        rows.add("memory, idle", self.memory_idle_bytes.map(mebibytes));
        let memory = self.memory_bytes.zip(self.memory_peak_bytes);
        rows.add(
            "memory, after",
            memory.map(|(now, peak)| format!("{} · most {}", mebibytes(now), mebibytes(peak))),
        );
        rows.waits("answered, alone", self.answered_alone);
        rows.waits("visible after the answer", self.visible);
        rows.waits("pushed after the sending", self.pushed);
        rows.waits("trace by id", self.questions.map(|answers| answers.trace_by_id));
        rows.waits("newest errors", self.questions.map(|answers| answers.newest_errors));
        rows.waits(
            "attribute filter",
            self.questions.map(|answers| answers.attribute_filter),
        );
        if let Some(overload) = &self.overload {
            rows.add(
                "overload",
                Some(format!(
                    "{:.0} times the peak, {:.0} a second offered",
                    overload.times, overload.offered_per_second
                )),
            );
            rows.add("  of peak", Some(format!("{:.1} %", overload.share_of_peak * 100.0)));
            overload.sending.rows(&mut rows);
            rows.add("  memory, most", overload.memory_peak_bytes.map(mebibytes));
        }
        rows.add(
            "restart after a kill",
            self.restart_accepting_seconds
                .map(|seconds| format!("accepting after {seconds:.2} s")),
        );
        rows.add(
            "",
            self.restart_ready_seconds
                .map(|seconds| format!("all readable after {seconds:.2} s")),
        );
        if self.watchers > 0 {
            rows.add(
                "live streams",
                Some(format!("{} · to the end {}", self.watchers, self.watchers_to_the_end)),
            );
        }
        rows.0
    }
}

impl Sending {
    fn rows(&self, rows: &mut Rows) {
        rows.add(
            "accepted",
            Some(format!(
                "{} in {:.1} s · {:.0} a second",
                self.accepted(),
                self.seconds,
                self.accepted_per_second
            )),
        );
        for (name, records) in [
            ("spans", self.spans),
            ("log records", self.logs),
            ("metric points", self.points),
        ] {
            let Records {
                sent,
                accepted,
                rejected,
                pushed_back,
                refused,
                lost,
            } = records;
            if sent > 0 {
                rows.add(
                    &format!("  {name}"),
                    Some(format!("{sent} sent = {accepted} accepted + {rejected} rejected + {pushed_back} pushed back + {refused} refused + {lost} lost")),
                );
            }
        }
        rows.add(
            "  the collector counts",
            self.counted_by_collector.map(|counted| {
                let verdict = if self.is_exact == Some(true) {
                    "exact"
                } else {
                    "NOT the same"
                };
                format!("{counted} · {verdict}")
            }),
        );
        rows.waits("answered", Some(self.answered));
    }
}

#[derive(Default)]
struct Rows(Vec<(String, String)>);

impl Rows {
    fn add(&mut self, what: &str, value: Option<String>) {
        self.0.extend(value.map(|value| (what.to_owned(), value)));
    }

    fn waits(&mut self, what: &str, waits: Option<Waits>) {
        let shown = |waits: Waits| {
            let missed = match waits.missed {
                0 => String::new(),
                missed => format!(" · {missed} of {} MISSED", waits.times.max(missed)),
            };
            format!(
                "p50 {:.2} ms · p99 {:.2} ms · longest {:.2} ms{missed}",
                waits.p50_ms, waits.p99_ms, waits.longest_ms
            )
        };
        self.add(what, waits.map(shown));
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            traces: Totals {
                requests: 10,
                sent: 100,
                accepted: 90,
                pushed_back: 10,
                ..Totals::default()
            },
            ..Account::default()
        }
    }

    #[test]
    fn exact_is_when_both_sides_count_the_same_and_nothing_is_lost() {
        let exact = |account: &Account, counted| Sending::of(account, 1.0, counted).is_exact;
        assert_eq!(exact(&account(), Some(90)), Some(true));
        assert_eq!(exact(&account(), Some(91)), Some(false));
        assert_eq!(exact(&account(), None), None);
        let mut lossy = account();
        lossy.traces.sent += 1;
        assert_eq!(exact(&lossy, Some(90)), Some(false), "a record without a fate");
        lossy.traces.lost = 1;
        assert_eq!(exact(&lossy, Some(90)), Some(false));
    }

    #[test]
    fn only_what_was_measured_is_shown() {
        let mut report = Report {
            sending: Sending::of(&account(), 2.0, Some(90)),
            complaints: vec!["the disk is slow".into()],
            ..Report::default()
        };
        let shown = |report: &Report| {
            let mut out = Vec::new();
            report.print(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = shown(&report);
        assert!(
            text.contains("90 in 2.0 s · 45 a second") && text.contains("90 · exact"),
            "{text}"
        );
        assert!(
            text.contains("100 sent = 90 accepted + 0 rejected + 10 pushed back"),
            "{text}"
        );
        assert!(text.ends_with("! the disk is slow\n"), "{text}");
        assert!(!text.contains("restart") && !text.contains("disk  "), "{text}");
        report.questions = Some(Answers {
            trace_by_id: Waits {
                times: 50,
                missed: 7,
                ..Waits::default()
            },
            ..Answers::default()
        });
        assert!(shown(&report).contains("7 of 50 MISSED"));
    }
}
