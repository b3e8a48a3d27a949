//! What a scenario found: tables of figures, findings that hold or do not, and the verdict that follows from them.

use std::io::{self, Write};

use serde::Serialize;

use super::scenarios::Scenario;
use crate::remote::table;

/// The result of one run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) title: &'static str,
    pub(super) seed: u64,
    pub(super) tables: Vec<Table>,
    pub(super) findings: Vec<Finding>,
}

/// Figures side by side.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Something that the pattern promises, and whether it was so.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) holds: bool,
    pub(super) text: String,
}

impl Report {
    pub(super) const fn new(scenario: &'static Scenario, seed: u64) -> Self {
        Self {
            scenario: scenario.name,
            title: scenario.title,
            seed,
            tables: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Notes a promise with what was seen of it.
    pub(super) fn finding(&mut self, holds: bool, text: impl Into<String>) {
        self.findings.push(Finding {
            holds,
            text: text.into(),
        });
    }

    /// As promised. A run that found nothing out proves nothing.
    pub(super) fn holds(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(|finding| finding.holds)
    }
}

/// Before the run: what it is about, and where to look.
pub(super) fn announce(out: &mut impl Write, scenario: &Scenario) -> io::Result<()> {
    writeln!(out, "▸ {} · {}", scenario.name, scenario.title)?;
    for line in scenario.look_at {
        writeln!(out, "  look at: {line}")?;
    }
    out.flush()
}

/// After the run.
pub(super) fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for table in &report.tables {
        writeln!(out, "\n{}", table.title)?;
        table::print(out, &table.columns, &table.rows)?;
    }
    writeln!(out)?;
    for finding in &report.findings {
        writeln!(out, "{} {}", if finding.holds { "●" } else { "✖" }, finding.text)?;
    }
    let verdict = if report.holds() {
        "as promised"
    } else {
        "NOT as promised"
    };
    writeln!(out, "verdict: {verdict} (seed {})\n", report.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::scenarios::SCENARIOS;

    #[test]
    fn one_broken_promise_decides_and_no_finding_proves_nothing() {
        let mut report = Report::new(&SCENARIOS[0], 1);
        assert!(!report.holds());
        report.finding(true, "a");
        assert!(report.holds());
        report.finding(false, "b");
        assert!(!report.holds());
        let mut text = Vec::new();
        print(&mut text, &report).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("✖ b") && text.contains("NOT as promised"), "{text}");
    }
}
