//! One saga: its steps left to right, each undo right to left beneath its step, then its history.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use sagascope_api::sagas::{Compensation, SagaDetail, SagaEvent, Step};
use sagascope_api::text::{self, Tone};
use sagascope_conventions::{StepState, events};

use super::canvas::Canvas;
use super::sagas::{breaker_line, waiting_span};
use super::words::{left as time_left, pad, pad_line, width};
use crate::app::Target;
use crate::app::list::ListId;
use crate::state::lookup::Found;

/// The least a step needs to stand beside others.
const STEP_WIDTH: u16 = 15;

pub(super) fn draw(canvas: &mut Canvas, area: Rect, focus: bool) {
    let Some(key) = canvas.app.shown_saga() else {
        canvas.panel(area, "", focus);
        return;
    };
    let detail = match canvas.app.known.saga.get(&key) {
        Found::Here(detail) => detail,
        Found::Waiting => {
            let inner = canvas.panel(area, format!("{} {}", key.name, text::short_id(&key.id)), focus);
            let line = canvas.dim("asking the collector …");
            return canvas.line(inner, line);
        }
        Found::Failed(reason) => {
            let inner = canvas.panel(area, format!("{} {}", key.name, text::short_id(&key.id)), focus);
            let text = Text::styled(reason, canvas.theme.tone(Tone::Bad));
            return canvas.paragraph(inner, text);
        }
    };
    let title = title(canvas, detail);
    let inner = canvas.panel(area, title, focus);
    let across = !detail.steps.is_empty() && inner.width / detail.steps.len() as u16 >= STEP_WIDTH;
    let summary = summary(canvas, detail);
    let flow_rows = if across { 6 } else { detail.steps.len() as u16 };
    let [facts, _, flow, _, history] = Layout::vertical([
        Constraint::Length(summary.len() as u16),
        Constraint::Length(u16::from(across)),
        Constraint::Length(flow_rows),
        Constraint::Length(u16::from(inner.height > flow_rows + 4)),
        Constraint::Min(0),
    ])
    .areas(inner);
    canvas.lines(facts, summary);
    if across {
        draw_across(canvas, flow, detail);
    } else {
        let lines: Vec<Line> = detail.steps.iter().map(|step| step_line(canvas, step)).collect();
        canvas.lines(flow, lines);
    }
    draw_history(canvas, history, detail, focus);
}

fn title<'a>(canvas: &Canvas<'a>, detail: &'a SagaDetail) -> Line<'a> {
    let saga = &detail.saga;
    let mark = text::saga_mark(saga.state, saga.stuck);
    let word = if saga.stuck {
        "stuck".to_owned()
    } else {
        saga.state.to_string()
    };
    let end = saga.ended_at.unwrap_or(canvas.clock);
    let mut spans = vec![
        canvas.mark(mark),
        Span::raw(" "),
        canvas.strong(format!("{} {}", saga.name, text::short_id(&saga.id))),
        Span::styled(format!(" {word}"), canvas.theme.tone(mark.tone)),
        Span::raw(format!(
            " · {}",
            text::duration(end.seconds_since(saga.started_at).max(0.0))
        )),
    ];
    if let Some(coordination) = saga.coordination {
        spans.push(canvas.dim(format!(" · {coordination}")));
    }
    if let Some(id) = &saga.correlation_id {
        spans.push(canvas.dim(format!(" · correlation {}", text::short_id(id))));
    }
    Line::from(spans)
}

/// Why it is where it is, before anything else.
fn summary<'a>(canvas: &Canvas<'a>, detail: &'a SagaDetail) -> Vec<Line<'a>> {
    let saga = &detail.saga;
    let mut lines = Vec::new();
    if let Some(reason) = &saga.reason {
        let tone = text::saga_mark(saga.state, saga.stuck).tone;
        lines.push(Line::from(vec![
            canvas.dim("reason  "),
            Span::styled(reason.as_str(), canvas.theme.tone(tone)),
        ]));
    }
    if let Some(waiting) = saga.waiting.as_ref().filter(|_| !saga.state.is_final()) {
        lines.push(Line::from(vec![canvas.dim("waits   "), waiting_span(canvas, waiting)]));
    }
    let faults = saga.faults.iter().filter_map(|id| canvas.picture().faults.get(id));
    for fault in faults.take(2) {
        let line = vec![
            canvas.dim("fault   "),
            canvas.mark(text::FAULT),
            Span::styled(
                format!(" {}", text::fault_line(fault)),
                canvas.theme.tone(Tone::Practice),
            ),
        ];
        lines.push(Line::from(line));
    }
    lines.extend(detail.breakers.iter().take(2).filter_map(|id| breaker_line(canvas, id)));
    lines
}

fn draw_across(canvas: &mut Canvas, area: Rect, detail: &SagaDetail) {
    let count = detail.steps.len();
    let columns = Layout::horizontal(vec![Constraint::Fill(1); count]).split(area);
    let last_undo = detail.steps.iter().rposition(|step| step.compensation.is_some());
    for (n, (step, column)) in detail.steps.iter().zip(columns.iter()).enumerate() {
        let cells = usize::from(column.width);
        let next = detail.steps.get(n + 1);
        let mut lines = vec![
            Line::from(canvas.strong(pad(&step.name, cells.saturating_sub(1), false, canvas.theme))),
            forward(canvas, step, next, cells),
            step_note(canvas, step),
        ];
        if last_undo.is_some() {
            let undo = step.compensation.as_ref();
            lines.push(undo.map_or_else(|| turn(canvas, step), |undo| backward(canvas, undo, cells)));
            lines.push(undo.map_or_else(Line::default, |undo| undo_note(canvas, undo)));
        }
        canvas.lines(*column, lines);
    }
}

/// `● 12 ms ────▶`; dashes lead to a step not reached.
fn forward<'a>(canvas: &Canvas<'a>, step: &Step, next: Option<&Step>, cells: usize) -> Line<'a> {
    let theme = canvas.theme;
    let mark = text::step_mark(step.state);
    let mut spans = vec![
        canvas.mark(mark),
        Span::styled(format!(" {} ", took(canvas, step)), theme.tone(mark.tone)),
    ];
    let used: usize = spans.iter().map(Span::width).sum();
    let room = cells.saturating_sub(used + 1);
    let reached = next.is_some_and(|next| next.state != StepState::Pending);
    if next.is_some() && room > 1 {
        let arrow = if reached {
            format!("{}{}", theme.pick("─", "-").repeat(room - 1), theme.pick("▶", ">"))
        } else {
            theme.pick("─ ", "- ").repeat(room / 2)
        };
        spans.push(canvas.dim(arrow));
    }
    Line::from(spans)
}

/// The time a step took, or how often it was tried.
fn took(canvas: &Canvas, step: &Step) -> String {
    let tries = |n: u32| {
        if n == 1 {
            "1 try".to_owned()
        } else {
            format!("{n} tries")
        }
    };
    match (step.state, step.started_at) {
        (StepState::Pending, _) => String::new(),
        (StepState::Failed, _) => tries(step.attempts),
        (StepState::Retrying, _) => match step.next_attempt_at.map(|at| at.seconds_since(canvas.clock)) {
            Some(left) if left > 0.0 => format!("retry {} in {}", step.attempts + 1, time_left(left)),
            _ => tries(step.attempts),
        },
        (_, None) => text::UNKNOWN.into(),
        (StepState::Running, Some(started)) => text::age(canvas.clock.seconds_since(started)),
        (StepState::Succeeded, Some(started)) => {
            let end = step.ended_at.unwrap_or(started);
            text::duration(end.seconds_since(started).max(0.0))
        }
    }
}

/// What is odd about a step: attempts, lateness, the last reason.
fn step_note<'a>(canvas: &Canvas<'a>, step: &Step) -> Line<'a> {
    let theme = canvas.theme;
    let late = step
        .deadline
        .filter(|at| step.ended_at.is_none() && step.started_at.is_some() && *at < canvas.clock);
    if let Some(deadline) = late {
        let text = format!("late {}", text::age(canvas.clock.seconds_since(deadline)));
        return Line::from(Span::styled(text, theme.tone(Tone::Bad)));
    }
    match (&step.reason, step.state) {
        (Some(reason), StepState::Failed) => Line::from(Span::styled(reason.clone(), theme.tone(Tone::Bad))),
        (Some(reason), StepState::Retrying) => Line::from(Span::styled(reason.clone(), theme.tone(Tone::Notice))),
        _ if step.attempts > 1 => Line::from(Span::styled(
            format!("attempt {}", step.attempts),
            theme.tone(Tone::Notice),
        )),
        _ => Line::default(),
    }
}

/// `↩ ● 8 ms ◀────`: read from right to left, as the undo goes.
fn backward<'a>(canvas: &Canvas<'a>, undo: &Compensation, cells: usize) -> Line<'a> {
    let theme = canvas.theme;
    let mark = text::step_mark(undo.state);
    let time = match (undo.state, undo.started_at, undo.ended_at) {
        (StepState::Succeeded, Some(start), Some(end)) => text::duration(end.seconds_since(start).max(0.0)),
        (StepState::Running | StepState::Retrying, Some(start), _) => text::age(canvas.clock.seconds_since(start)),
        (StepState::Failed, ..) => format!("{} tries", undo.attempts),
        _ => text::UNKNOWN.into(),
    };
    let mut spans = vec![
        canvas.mark(text::UNDO),
        Span::raw(" "),
        canvas.mark(mark),
        Span::styled(format!(" {time} "), theme.tone(mark.tone)),
    ];
    let used: usize = spans.iter().map(Span::width).sum();
    let room = cells.saturating_sub(used + 1);
    if room > 2 {
        let line = format!("{}{}", theme.pick("◀", "<"), theme.pick("─", "-").repeat(room - 1));
        spans.push(Span::styled(line, theme.tone(Tone::Undo)));
    }
    Line::from(spans)
}

/// Under the step that failed the way turns back.
fn turn<'a>(canvas: &Canvas<'a>, step: &Step) -> Line<'a> {
    if step.state == StepState::Failed {
        Line::from(Span::styled(
            canvas.theme.pick("◀─┘", "<-+"),
            canvas.theme.tone(Tone::Undo),
        ))
    } else {
        Line::default()
    }
}

fn undo_note<'a>(canvas: &Canvas<'a>, undo: &Compensation) -> Line<'a> {
    let (words, tone) = match undo.state {
        StepState::Succeeded => ("undone".to_owned(), Tone::Undo),
        StepState::Failed => (
            undo.reason.clone().unwrap_or_else(|| "could not be undone".into()),
            Tone::Bad,
        ),
        StepState::Pending => ("to be undone".to_owned(), Tone::Dim),
        StepState::Running | StepState::Retrying => match undo.attempts {
            0 | 1 => ("undoing".to_owned(), Tone::Undo),
            n => (format!("undoing, attempt {n}"), Tone::Notice),
        },
    };
    Line::from(Span::styled(words, canvas.theme.tone(tone)))
}

/// A step on a line of its own, where steps do not fit side by side.
fn step_line<'a>(canvas: &Canvas<'a>, step: &Step) -> Line<'a> {
    let theme = canvas.theme;
    let mark = text::step_mark(step.state);
    let mut spans = vec![
        Span::raw(" "),
        canvas.mark(mark),
        canvas.dim(format!(" {} ", step.index + 1)),
        canvas.strong(pad(&step.name, 12, false, theme)),
        Span::styled(pad(&took(canvas, step), 18, false, theme), theme.tone(mark.tone)),
    ];
    spans.extend(pad_line(step_note(canvas, step), 20, false, theme));
    if let Some(undo) = &step.compensation {
        spans.push(Span::raw("  "));
        spans.extend(backward(canvas, undo, 14).spans);
        spans.extend(undo_note(canvas, undo).spans);
    }
    Line::from(spans)
}

fn draw_history<'a>(canvas: &mut Canvas<'a>, area: Rect, detail: &'a SagaDetail, focus: bool) {
    let Some(rows) = area.height.checked_sub(1).filter(|rows| *rows > 0) else {
        return;
    };
    let heading = canvas.dim(format!(" events · {}", detail.events.len()));
    canvas.line(area, heading);
    let body = Rect {
        y: area.y + 1,
        height: rows,
        ..area
    };
    let list = &canvas.app.saga_events;
    // Unless a person reads in it, the history shows its end.
    let offset = if list.touched {
        list.offset_for(rows.into())
    } else {
        detail.events.len().saturating_sub(rows.into())
    };
    canvas.listed(ListId::SagaEvents, offset, rows.into());
    let seen = detail.events.iter().enumerate().skip(offset).take(rows.into());
    let widths = EventWidths::of(seen.clone().map(|(_, event)| event), area.width.into());
    for (place, (n, event)) in body.rows().zip(seen) {
        let line = event_line(canvas, event, detail, &widths);
        canvas.line(place, line);
        if focus && list.touched && list.selected().and_then(|key| key.parse().ok()) == Some(n) {
            let style = canvas.theme.selected();
            canvas.style(place, style);
        }
        canvas.hit(place, Target::Row(ListId::SagaEvents, n.to_string()));
    }
}

/// What happened, in words: `failed charge, attempt 2`.
fn event_words(event: &SagaEvent) -> String {
    let mut what = event
        .name
        .strip_prefix("saga.")
        .unwrap_or(&event.name)
        .replace(['.', '_'], " ");
    if let Some(step) = &event.step {
        what = format!("{} {step}", what.replacen("step ", "", 1));
    }
    if let Some(attempt) = event.attempt.filter(|attempt| *attempt > 1) {
        what.push_str(&format!(", attempt {attempt}"));
    }
    what
}

/// Columns of the history, as wide as what is seen of it needs.
struct EventWidths {
    what: usize,
    service: usize,
}

impl EventWidths {
    /// Cells before the first column: the offset and the mark.
    const BEFORE: usize = 13;
    const GAP: usize = 2;
    /// The least that is left for a reason, where there is one.
    const REASON: usize = 16;

    fn of<'e>(events: impl Iterator<Item = &'e SagaEvent>, total: usize) -> Self {
        let (mut what, mut service, mut reason) = (0, 0, 0);
        for event in events {
            what = what.max(width(&event_words(event)));
            service = service.max(width(&event.service));
            let fault = if event.fault_id.is_some() { 2 } else { 0 };
            reason = reason.max(fault + event.reason.as_deref().map_or(0, width));
        }
        let service = service.min(total / 4);
        let taken = Self::BEFORE + service + 2 * Self::GAP + reason.min(Self::REASON);
        Self {
            what: what.min(total.saturating_sub(taken)),
            service,
        }
    }
}

fn event_line<'a>(
    canvas: &Canvas<'a>,
    event: &'a SagaEvent,
    detail: &SagaDetail,
    widths: &EventWidths,
) -> Vec<Span<'a>> {
    let theme = canvas.theme;
    let at = event.at.seconds_since(detail.saga.started_at);
    let mark = event_mark(&event.name);
    let gap = " ".repeat(EventWidths::GAP);
    let mut spans = vec![
        canvas.dim(format!(" {at:>+8.3}  ")),
        canvas.mark(mark),
        Span::raw(" "),
        Span::styled(
            pad(&event_words(event), widths.what, false, theme),
            theme.tone(mark.tone),
        ),
        Span::raw(gap.clone()),
        canvas.dim(pad(&event.service, widths.service, false, theme)),
        Span::raw(gap),
    ];
    if event.fault_id.is_some() {
        spans.push(canvas.mark(text::FAULT));
        spans.push(Span::raw(" "));
    }
    spans.push(Span::raw(event.reason.as_deref().unwrap_or_default()));
    spans
}

fn event_mark(name: &str) -> text::Mark {
    match name {
        events::SAGA_STEP_FAILED | events::SAGA_FAILED | events::SAGA_COMPENSATION_FAILED => text::BAD,
        events::SAGA_STEP_RETRYING => text::WAITING,
        events::SAGA_STEP_STARTED => text::RUNNING,
        events::SAGA_STARTED | events::SAGA_STEP_SUCCEEDED | events::SAGA_COMPLETED => text::GOOD,
        events::SAGA_COMPENSATION_STARTED | events::SAGA_COMPENSATION_SUCCEEDED | events::SAGA_COMPENSATED => {
            text::UNDO
        }
        _ => text::NO_DATA,
    }
}
