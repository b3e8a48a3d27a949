//! The flow graph of a saga type: who reaches which step, where they are lost, how long it takes.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use sagascope_api::sagas::{SagaType, StepSummary};
use sagascope_api::text::{self, Tone};
use sagascope_conventions::SagaState;

use super::canvas::Canvas;
use super::chart::bar;
use super::words::pad;
use crate::state::lookup::Found;

/// Lines a step takes.
const STEP_ROWS: u16 = 3;

pub(super) fn draw(canvas: &mut Canvas, area: Rect, name: &str) {
    let kind = match canvas.app.known.saga_type.get(&name.to_owned()) {
        Found::Here(kind) => kind,
        Found::Waiting => {
            let inner = canvas.panel(area, format!("{name} flow"), true);
            let line = canvas.dim("asking the collector …");
            return canvas.line(inner, line);
        }
        Found::Failed(reason) => {
            let inner = canvas.panel(area, format!("{name} flow"), true);
            let text = Text::styled(reason, canvas.theme.tone(Tone::Bad));
            return canvas.paragraph(inner, text);
        }
    };
    let inner = canvas.panel(area, format!("{name} flow"), true);
    let [caption, _, graph] =
        Layout::vertical([Constraint::Length(2), Constraint::Length(1), Constraint::Min(0)]).areas(inner);
    let lines = caption_lines(canvas, kind);
    canvas.lines(caption, lines);
    let most = kind.steps.iter().map(|step| step.entered).max().unwrap_or(0).max(1);
    let mut y = graph.y;
    for (n, step) in kind.steps.iter().enumerate() {
        let place = Rect {
            y,
            height: STEP_ROWS.min(graph.bottom().saturating_sub(y)),
            ..graph
        };
        let last = n + 1 == kind.steps.len();
        let lines = step_lines(canvas, step, most, last, graph.width);
        canvas.lines(place, lines);
        y = (y + STEP_ROWS).min(graph.bottom());
    }
}

/// The step where most are lost stands first: that is what one wants to know.
fn caption_lines<'a>(canvas: &Canvas<'a>, kind: &'a SagaType) -> Vec<Line<'a>> {
    let worst = kind
        .steps
        .iter()
        .filter(|step| step.failed > 0)
        .max_by_key(|step| step.failed);
    let first = match worst {
        Some(step) => {
            let share = text::percent(step.failed as f64 / step.entered.max(1) as f64);
            let words = format!(
                "most are lost at {}: {} of {} ({share})",
                step.name,
                text::count(step.failed),
                text::count(step.entered)
            );
            Line::from(vec![
                canvas.mark(text::BAD),
                Span::styled(format!(" {words}"), canvas.theme.tone(Tone::Bad)),
            ])
        }
        None => Line::from(vec![canvas.mark(text::GOOD), Span::raw(" none is lost at any step")]),
    };
    let of = |state| text::count(kind.states.get(&state).copied().unwrap_or(0));
    let counts = format!(
        "p50 {} · p95 {} · {} running · {} completed · {} compensating · {} compensated · {} failed",
        text::millis(kind.p50_ms),
        text::millis(kind.p95_ms),
        of(SagaState::Running),
        of(SagaState::Completed),
        of(SagaState::Compensating),
        of(SagaState::Compensated),
        of(SagaState::Failed),
    );
    vec![first, Line::from(canvas.dim(counts))]
}

/// A step with its bar, what leaves it forward, and what goes back from it.
fn step_lines<'a>(canvas: &Canvas<'a>, step: &'a StepSummary, most: u64, last: bool, width: u16) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    // A narrow screen has room for the numbers, but not for air between them.
    let wide = width >= 100;
    let cells = if wide { 15 } else { 13 };
    let bars = usize::from(width.saturating_sub(66)).clamp(10, 60);
    let share = step.entered as f64 / most as f64;
    let down = theme.pick("│", "|");
    let head = vec![
        Span::raw(" "),
        canvas.strong(pad(&step.name, 12, false, theme)),
        Span::styled(
            pad(&bar(share, bars, theme), bars, false, theme),
            theme.tone(Tone::Info),
        ),
        Span::raw(pad(&text::count(step.entered), 8, true, theme)),
        canvas.dim(" in  "),
        counted(canvas, text::RUNNING, step.in_flight, "now", cells - 3),
        canvas.dim(format!(
            "p50 {:<7} p95 {}",
            text::millis(step.p50_ms),
            text::millis(step.p95_ms)
        )),
    ];
    let went_on = match step.entered {
        0 => text::UNKNOWN.to_owned(),
        entered => text::percent(step.succeeded as f64 / entered as f64),
    };
    let mut below = vec![
        canvas.dim(format!(" {down} {went_on:<10}")),
        counted(canvas, text::GOOD, step.succeeded, "done", cells),
        counted(canvas, text::BAD, step.failed, "failed", cells),
        counted(canvas, text::WAITING, step.retries, "retries", cells),
        counted(canvas, text::UNDO, step.compensated, "undone", cells),
    ];
    if !last && step.compensated > 0 {
        below.push(Span::styled(theme.pick("◀──", "<--"), theme.tone(Tone::Undo)));
    }
    let tail = match last {
        true => Line::default(),
        false => Line::from(canvas.dim(format!(" {}", theme.pick("▼", "v")))),
    };
    vec![Line::from(head), Line::from(below), tail]
}

/// A number with its shape, dim when there is nothing to tell.
fn counted<'a>(canvas: &Canvas<'a>, mark: text::Mark, count: u64, word: &str, cells: usize) -> Span<'a> {
    let tone = if count == 0 { Tone::Dim } else { mark.tone };
    let words = pad(&format!("{} {word}", text::count(count)), cells, false, canvas.theme);
    Span::styled(format!("{} {words}", canvas.theme.glyph(mark)), canvas.theme.tone(tone))
}
