//! 0 Lab: the experiments with their verdicts; the selected one with what to look at, its progress, figures and findings.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use sagascope_api::experiments::{Experiment, ExperimentRun, RunState, RunSummary};
use sagascope_api::text::{self, Tone};

use super::canvas::Canvas;
use super::chrome::clock;
use super::figures;
use super::table::{Table, left, right};
use super::words::wrap;
use crate::app::list::ListId;

/// Lines of progress shown while it runs, the newest last.
const NEWEST: usize = 6;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let rows = canvas.app.lab.rows().len() as u16;
    let [list, detail] =
        Layout::vertical([Constraint::Length((rows + 3).min(area.height / 2)), Constraint::Min(0)]).areas(area);
    draw_list(canvas, list);
    let selected = canvas.app.lab.selected();
    let Some(experiment) = selected.and_then(|name| canvas.picture().experiments.get(name)) else {
        return;
    };
    let title = title(canvas, experiment);
    let inner = canvas.panel(detail, title, false);
    let mut lines = lines(canvas, experiment, inner.width.into());
    let height = usize::from(inner.height);
    if lines.len() > height && height > 0 {
        let more = lines.len() - height + 1;
        lines.truncate(height - 1);
        lines.push(Line::from(canvas.dim(format!("{more} more lines: Enter shows all"))));
    }
    canvas.lines(inner, lines);
}

/// One experiment on the whole screen, scrolled.
pub(super) fn draw_one(canvas: &mut Canvas, area: Rect, name: &str) {
    let Some(experiment) = canvas.picture().experiments.get(name) else {
        let inner = canvas.panel(area, "Lab", true);
        let line = canvas.dim("no such experiment; Esc shows those there are");
        return canvas.line(inner, line);
    };
    let mut title = title(canvas, experiment);
    let cells = usize::from(area.width.saturating_sub(2));
    let all = lines(canvas, experiment, cells);
    let height = usize::from(area.height.saturating_sub(2));
    let offset = canvas.app.experiment.offset.min(all.len().saturating_sub(height));
    if all.len() > height {
        let (from, to) = (offset + 1, (offset + height).min(all.len()));
        title
            .spans
            .push(canvas.dim(format!(" · lines {from} to {to} of {}: j k", all.len())));
    }
    let inner = canvas.panel(area, title, true);
    canvas.lines(inner, all.into_iter().skip(offset));
    canvas.listed(ListId::Experiment, offset, height);
}

fn draw_list(canvas: &mut Canvas, area: Rect) {
    let picture = canvas.picture();
    let inner = canvas.panel(area, "Experiments on shops of their own", true);
    if picture.experiments.is_empty() {
        let line = if picture.overview.is_some() {
            "this collector has no lab: start `sagascope demo`, or run `sagascope lab` in a terminal"
        } else {
            "asking the collector what there is …"
        };
        let line = canvas.dim(line);
        return canvas.line(inner, line);
    }
    let columns = [
        left("", 1),
        left("experiment", 17),
        left("what it shows", 20).grow(1),
        left("last", 9),
        right("when", 5),
        right("takes", 6),
    ];
    let table = Table {
        id: ListId::Lab,
        list: &canvas.app.lab,
        columns: &columns,
        // The order is that of the course.
        first_sortable: columns.len(),
        focus: true,
    };
    table.draw(canvas, inner, |canvas, name| {
        Some(cells(canvas, picture.experiments.get(name)?))
    });
}

/// The run that is told of in the list: the one that goes on, else the last that ended.
fn told_of(experiment: &Experiment) -> Option<&RunSummary> {
    let newest = experiment.run.as_ref().map(|run| &run.summary);
    newest.or(experiment.last.as_ref())
}

fn cells<'a>(canvas: &Canvas<'a>, experiment: &'a Experiment) -> Vec<Line<'a>> {
    let run = told_of(experiment);
    let mark = run.map_or(text::NO_DATA, |run| text::run_mark(run.state));
    let word = run.map_or("never run", |run| run.state.as_str());
    let when = run.map_or_else(String::new, |run| {
        let at = run.ended_at.unwrap_or(run.started_at);
        text::age(canvas.clock.seconds_since(at))
    });
    let takes = experiment.scenario.about_seconds;
    vec![
        Line::from(canvas.mark(mark)),
        Line::from(canvas.strong(experiment.scenario.name.as_str())),
        Line::from(experiment.scenario.title.as_str()),
        Line::from(Span::styled(word, canvas.theme.tone(mark.tone))),
        Line::from(when),
        Line::from(takes.map_or_else(|| text::UNKNOWN.into(), |seconds| text::age(seconds as f64))),
    ]
}

fn title<'a>(canvas: &Canvas<'a>, experiment: &'a Experiment) -> Line<'a> {
    let mut spans = vec![Span::raw(experiment.scenario.name.as_str())];
    if let Some(run) = told_of(experiment) {
        let mark = text::run_mark(run.state);
        spans.push(Span::raw(" "));
        spans.push(canvas.mark(mark));
        spans.push(Span::styled(
            format!(" {}", run.state.as_str()),
            canvas.theme.tone(mark.tone),
        ));
    }
    Line::from(spans)
}

/// Everything about an experiment, what matters now first.
fn lines<'a>(canvas: &Canvas<'a>, experiment: &'a Experiment, cells: usize) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for line in wrap(&experiment.scenario.title, cells) {
        lines.push(Line::from(canvas.strong(line)));
    }
    if let Some(run) = &experiment.run {
        state_lines(canvas, experiment, run, cells, &mut lines);
    } else {
        lines.push(Line::from(canvas.dim("never run yet: r runs it")));
    }
    for look_at in &experiment.scenario.look_at {
        marked(Span::raw("  "), canvas.dim("look at: "), look_at, cells, &mut lines);
    }
    let Some(run) = &experiment.run else {
        return lines;
    };
    if run.summary.state == RunState::Running {
        lines.push(Line::default());
        progress_lines(canvas, run, NEWEST, &mut lines);
        return lines;
    }
    for table in &run.tables {
        lines.push(Line::default());
        lines.extend(figures::lines(canvas, table, cells));
    }
    if !run.findings.is_empty() {
        lines.push(Line::default());
    }
    for finding in &run.findings {
        let mark = if finding.holds { text::GOOD } else { text::BAD };
        marked(canvas.mark(mark), Span::raw(" "), &finding.text, cells, &mut lines);
    }
    lines.push(Line::default());
    progress_lines(canvas, run, usize::MAX, &mut lines);
    lines
}

/// Where the newest run stands, and of one that goes on how the last went.
fn state_lines<'a>(
    canvas: &Canvas<'a>,
    experiment: &'a Experiment,
    run: &'a ExperimentRun,
    cells: usize,
    lines: &mut Vec<Line<'a>>,
) {
    let summary = &run.summary;
    let mark = text::run_mark(summary.state);
    let ended = summary.ended_at.unwrap_or(canvas.clock);
    let took = text::age(ended.seconds_since(summary.started_at).max(0.0));
    let seed = run
        .request
        .seed
        .map_or_else(String::new, |seed| format!(" · seed {seed}"));
    let words = match &summary.verdict {
        Some(verdict) => format!("{verdict} · took {took}{seed}"),
        None => format!("running for {took}{seed} · C ends it"),
    };
    let from = lines.len();
    marked(canvas.mark(mark), Span::raw(" "), &words, cells, lines);
    for line in &mut lines[from..] {
        line.style = canvas.theme.tone(mark.tone);
    }
    if summary.state != RunState::Running {
        return;
    }
    if let Some(last) = &experiment.last {
        let mark = text::run_mark(last.state);
        let words = last.verdict.as_deref().unwrap_or(last.state.as_str());
        let mark = format!("{} ", canvas.theme.glyph(mark));
        let mark = Span::styled(mark, canvas.theme.tone(text::run_mark(last.state).tone));
        marked(canvas.dim("last time: "), mark, words, cells, lines);
    }
}

fn progress_lines<'a>(canvas: &Canvas<'a>, run: &'a ExperimentRun, at_most: usize, lines: &mut Vec<Line<'a>>) {
    let from = run.progress.len().saturating_sub(at_most);
    let running = run.summary.state == RunState::Running;
    for (n, line) in run.progress.iter().enumerate().skip(from) {
        let newest = running && n + 1 == run.progress.len();
        let mark = if newest {
            canvas.mark(text::RUNNING)
        } else {
            Span::raw(" ")
        };
        let words = match (running, newest) {
            (true, true) => Span::styled(line.text.as_str(), canvas.theme.tone(Tone::Info)),
            (true, false) => Span::raw(line.text.as_str()),
            (false, _) => canvas.dim(line.text.as_str()),
        };
        lines.push(Line::from(vec![
            mark,
            canvas.dim(format!(" {}  ", clock(line.at))),
            words,
        ]));
    }
}

/// A mark, a label, then text wrapped beneath itself.
fn marked<'a>(mark: Span<'a>, label: Span<'a>, words: &str, cells: usize, lines: &mut Vec<Line<'a>>) {
    let indent = mark.width() + label.width();
    let mut wrapped = wrap(words, cells.saturating_sub(indent)).into_iter();
    let first = wrapped.next().unwrap_or_default();
    lines.push(Line::from(vec![mark, label, Span::raw(first)]));
    lines.extend(wrapped.map(|line| Line::from(format!("{}{line}", " ".repeat(indent)))));
}
