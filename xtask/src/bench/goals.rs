//! The goals of the project, each with where its figure stands, and the judgement.

use serde_json::Value;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtMost,
    AtLeast,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) bound: Bound,
    pub(super) must: f64,
    pub(super) aim: f64,
    /// Finds the figure among all that was measured.
    find: fn(&Measured) -> Option<f64>,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// What `sagascope bench --json` says.
    pub(super) report: Value,
    /// The same with a hundred live streams open.
    pub(super) watched: Value,
    /// Of the dashboard in the terminal, microseconds: the slowest view.
    pub(super) frame_micros: Option<f64>,
    /// Of the page, compressed.
    pub(super) bundle_bytes: Option<u64>,
}

/// How a figure stands to its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Aim,
    Must,
    Missed,
    NotMeasured,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Aim => "● aim",
            Self::Must => "● met",
            Self::Missed => "✖ missed",
            Self::NotMeasured => "– not measured",
        }
    }
}

impl Goal {
    pub(super) fn figure(&self, measured: &Measured) -> Option<f64> {
        (self.find)(measured).filter(|figure| figure.is_finite())
    }

    pub(super) fn verdict(&self, measured: &Measured) -> Verdict {
        let Some(figure) = self.figure(measured) else {
            return Verdict::NotMeasured;
        };
        let meets = |bound: f64| match self.bound {
            Bound::AtMost => figure <= bound,
            Bound::AtLeast => figure >= bound,
        };
        if meets(self.aim) {
            Verdict::Aim
        } else if meets(self.must) {
            Verdict::Must
        } else {
            Verdict::Missed
        }
    }
}

const fn at_most(
    name: &'static str,
    unit: &'static str,
    must: f64,
    aim: f64,
    find: fn(&Measured) -> Option<f64>,
) -> Goal {
    Goal {
        name,
        unit,
        bound: Bound::AtMost,
        must,
        aim,
        find,
    }
}

/// Threads that work after the answer; all others work before it.
const AFTER_THE_ANSWER: [&str; 2] = ["pipeline", "sealer"];
const MEBIBYTE: f64 = (1 << 20) as f64;

/// The table.
pub(super) const GOALS: [Goal; 19] = [
    at_most("ingest, all counted", "CPU-s/M spans", 3.0, 1.5, |m| {
        number(&m.report, "/cpu_seconds_per_million")
    }),
    at_most(
        "  of that before the answer",
        "CPU-s/M spans",
        1.3,
        0.9,
        before_the_answer,
    ),
    at_most("answer after fdatasync, p50", "ms", 6.0, 6.0, |m| {
        number(&m.report, "/answered_alone/p50_ms")
    }),
    at_most("visible after the answer, p50", "ms", 2.0, 2.0, |m| {
        number(&m.report, "/visible/p50_ms")
    }),
    at_most("visible after the answer, p99", "ms", 10.0, 10.0, |m| {
        found(&m.report, "/visible", "p99_ms")
    }),
    at_most("pushed to a dashboard, p99", "ms", 100.0, 50.0, |m| {
        found(&m.report, "/pushed", "p99_ms")
    }),
    Goal {
        name: "overload 4x, of the peak",
        unit: "%",
        bound: Bound::AtLeast,
        must: 95.0,
        aim: 95.0,
        find: |m| number(&m.report, "/overload/share_of_peak").map(|share| share * 100.0),
    },
    Goal {
        name: "overload 4x, exact account",
        unit: "1 = yes",
        bound: Bound::AtLeast,
        must: 1.0,
        aim: 1.0,
        find: |m| flag(&m.report, "/overload/sending/is_exact"),
    },
    at_most("disk", "bytes/span", 45.0, 38.0, |m| {
        number(&m.report, "/disk_bytes_per_record")
    }),
    at_most("memory after the load", "MiB", 150.0, 100.0, |m| {
        number(&m.report, "/memory_bytes").map(|bytes| bytes / MEBIBYTE)
    }),
    at_most("memory, idle", "MiB", 40.0, 25.0, |m| {
        number(&m.report, "/memory_idle_bytes").map(|bytes| bytes / MEBIBYTE)
    }),
    at_most("trace by id, median", "ms", 2.0, 0.5, |m| {
        found(&m.report, "/questions/trace_by_id", "p50_ms")
    }),
    at_most("newest errors, median", "ms", 10.0, 2.0, |m| {
        found(&m.report, "/questions/newest_errors", "p50_ms")
    }),
    at_most("attribute filter, median", "ms", 50.0, 20.0, |m| {
        found(&m.report, "/questions/attribute_filter", "p50_ms")
    }),
    at_most("restart, accepting", "s", 3.0, 1.0, |m| {
        number(&m.report, "/restart_accepting_seconds")
    }),
    at_most("100 watchers, more processor time", "%", 5.0, 5.0, more_with_watchers),
    at_most("terminal frame 160x50, median", "ms", 1.0, 0.4, |m| {
        m.frame_micros.map(|micros| micros / 1_000.0)
    }),
    at_most("web bundle, brotli", "kB", 600.0, 400.0, |m| {
        m.bundle_bytes.map(|bytes| bytes as f64 / 1_000.0)
    }),
    Goal {
        name: "all records accounted for",
        unit: "1 = yes",
        bound: Bound::AtLeast,
        must: 1.0,
        aim: 1.0,
        find: |m| flag(&m.report, "/sending/is_exact"),
    },
];

fn number(report: &Value, pointer: &str) -> Option<f64> {
    report.pointer(pointer)?.as_f64()
}

fn flag(report: &Value, pointer: &str) -> Option<f64> {
    let flag = report.pointer(pointer)?.as_bool()?;
    Some(if flag { 1.0 } else { 0.0 })
}

/// A quick wrong answer is no answer: a wait with misses counts as endless.
fn found(report: &Value, pointer: &str, quantile: &str) -> Option<f64> {
    let waits = report.pointer(pointer)?;
    let figure = waits.get(quantile)?.as_f64()?;
    let missed = waits.get("missed")?.as_u64()?;
    Some(if missed == 0 { figure } else { 1e9 })
}

/// Whole less what the threads behind the answer used; unknown when there are no such threads.
fn before_the_answer(measured: &Measured) -> Option<f64> {
    let threads = measured
        .report
        .pointer("/cpu_seconds_per_million_by_thread")?
        .as_object()?;
    let after = threads
        .iter()
        .filter(|(name, _)| AFTER_THE_ANSWER.iter().any(|after| name.starts_with(after)));
    let after: Vec<f64> = after.filter_map(|(_, seconds)| seconds.as_f64()).collect();
    if after.is_empty() {
        return None;
    }
    Some(number(&measured.report, "/cpu_seconds_per_million")? - after.iter().sum::<f64>())
}

fn more_with_watchers(measured: &Measured) -> Option<f64> {
    let without = number(&measured.report, "/cpu_seconds_per_million")?;
    let with = number(&measured.watched, "/cpu_seconds_per_million")?;
    Some((with / without - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn goal(name: &str) -> &'static Goal {
        GOALS.iter().find(|goal| goal.name == name).unwrap()
    }

    fn judged(name: &str, report: Value) -> Verdict {
        goal(name).verdict(&Measured {
            report,
            ..Measured::default()
        })
    }

    #[test]
    fn a_figure_is_judged_by_both_bounds() {
        let ingest = |seconds: f64| judged("ingest, all counted", json!({"cpu_seconds_per_million": seconds}));
        assert_eq!(ingest(1.5), Verdict::Aim);
        assert_eq!(ingest(1.6), Verdict::Must);
        assert_eq!(ingest(3.1), Verdict::Missed);
        assert_eq!(judged("ingest, all counted", json!({})), Verdict::NotMeasured);
        let overload = |share: f64| {
            judged(
                "overload 4x, of the peak",
                json!({"overload": {"share_of_peak": share}}),
            )
        };
        assert_eq!(overload(0.96), Verdict::Aim);
        assert_eq!(overload(0.94), Verdict::Missed);
    }

    #[test]
    fn a_quick_wrong_answer_is_missed() {
        let by_id = |missed: u64| {
            let waits = json!({"p50_ms": 0.1, "missed": missed});
            judged("trace by id, median", json!({"questions": {"trace_by_id": waits}}))
        };
        assert_eq!(by_id(0), Verdict::Aim);
        assert_eq!(by_id(1), Verdict::Missed);
    }

    #[test]
    fn what_threads_behind_the_answer_use_is_taken_off() {
        let report =
            |threads: Value| json!({"cpu_seconds_per_million": 2.0, "cpu_seconds_per_million_by_thread": threads});
        let before = |threads| {
            before_the_answer(&Measured {
                report: report(threads),
                ..Measured::default()
            })
        };
        assert_eq!(
            before(json!({"tokio-rt-worker": 1.0, "pipeline": 0.5, "sealer": 0.25})),
            Some(1.25)
        );
        assert_eq!(before(json!({"tokio-rt-worker": 1.0})), None);
    }

    #[test]
    fn aims_are_no_weaker_than_musts() {
        for goal in &GOALS {
            match goal.bound {
                Bound::AtMost => assert!(goal.aim <= goal.must, "{}", goal.name),
                Bound::AtLeast => assert!(goal.aim >= goal.must, "{}", goal.name),
            }
        }
    }
}
