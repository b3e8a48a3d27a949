//! 2 Sagas: the list, and the flow of the selected one beside it where there is room.

use std::cmp::Ordering;

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use sagascope_api::sagas::{Saga, Waiting};
use sagascope_api::text::{self, Tone};
use sagascope_conventions::{BreakerState, WaitingFor};

use super::canvas::Canvas;
use super::saga_flow;
use super::table::{Table, left, right};
use super::words::left as time_left;
use crate::app::list::ListId;
use crate::app::place::Place;

/// From this width on list and flow stand side by side.
const SPLIT_FROM: u16 = 110;
/// Room in which the flow stands well; what is left goes to the list.
const FLOW_WIDTH: u16 = 90;
/// The least and the most for the list beside it.
const LIST_WIDTH: (u16, u16) = (62, 84);

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let open = matches!(canvas.app.place, Place::Saga(_));
    if area.width >= SPLIT_FROM {
        let list_width = area.width.saturating_sub(FLOW_WIDTH).clamp(LIST_WIDTH.0, LIST_WIDTH.1);
        let [list, flow] = Layout::horizontal([Constraint::Length(list_width), Constraint::Fill(1)]).areas(area);
        draw_list(canvas, list, !open);
        saga_flow::draw(canvas, flow, open);
    } else if open {
        saga_flow::draw(canvas, area, true);
    } else if area.height >= 16 {
        // Enough for a glimpse of the selected one beneath the list.
        let [list, flow] = Layout::vertical([Constraint::Fill(1), Constraint::Length(9)]).areas(area);
        draw_list(canvas, list, true);
        saga_flow::draw(canvas, flow, false);
    } else {
        draw_list(canvas, area, true);
    }
}

fn draw_list(canvas: &mut Canvas, area: Rect, focus: bool) {
    let title = title(canvas);
    let inner = canvas.panel(area, title, focus);
    let app = canvas.app;
    let picture = canvas.picture();
    if app.sagas.rows().is_empty() {
        let text = match (picture.sagas.is_empty(), picture.overview.is_some()) {
            (true, false) => "waiting for the collector's first word",
            (true, true) => "no saga has been heard of yet",
            (false, _) => "none matches the filter; Esc drops it",
        };
        let line = canvas.dim(text);
        return canvas.line(inner, line);
    }
    let columns = [
        left("", 1),
        left("id", 8),
        left("type", 8).from(76).named(14),
        left("step", 13).grow(1),
        right("try", 3),
        right("age", 5),
        left("waits for", 11).grow(2),
    ];
    let table = Table {
        id: ListId::Sagas,
        list: &app.sagas,
        columns: &columns,
        first_sortable: 1,
        focus,
    };
    table.draw(canvas, inner, |canvas, key| {
        let saga = picture.sagas.get(key)?;
        Some(cells(canvas, saga))
    });
}

fn title<'a>(canvas: &Canvas<'a>) -> Line<'a> {
    let app = canvas.app;
    let digest = &app.digest;
    let mut spans = vec![
        Span::raw(format!("{} running", text::count(digest.running))),
        Span::raw(format!(" · {} compensating", text::count(digest.compensating))),
    ];
    for (count, word) in [(digest.stuck, "stuck"), (digest.failed, "failed")] {
        if count > 0 {
            let text = format!(" · {} {word}", text::count(count));
            spans.push(Span::styled(text, canvas.theme.tone(Tone::Bad)));
        }
    }
    if !app.saga_filter.text.is_empty() {
        let text = format!(
            " · {} match {}",
            text::count(app.sagas.rows().len() as u64),
            app.saga_filter.text
        );
        spans.push(Span::styled(text, canvas.theme.tone(Tone::Notice)));
    }
    if app.sagas.fresh > 0 {
        let text = format!(" · {} new, f follows", text::count(app.sagas.fresh as u64));
        spans.push(Span::styled(text, canvas.theme.tone(Tone::Info)));
    }
    Line::from(spans)
}

fn cells<'a>(canvas: &Canvas<'a>, saga: &'a Saga) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let step = step_line(canvas, saga);
    let attempt = saga.step.as_ref().map_or(1, |step| step.attempt);
    let attempt = match attempt {
        0 | 1 => canvas.dim(attempt.max(1).to_string()),
        n => Span::styled(n.to_string(), theme.tone(Tone::Notice)),
    };
    let end = saga.ended_at.unwrap_or(canvas.clock);
    let age = if saga.ended_at.is_some() {
        canvas.dim(text::age(canvas.clock.seconds_since(end)))
    } else {
        Span::raw(short_seconds(canvas.clock.seconds_since(saga.started_at)))
    };
    let mut waits = why(canvas, saga);
    if !saga.faults.is_empty() {
        waits.spans.push(Span::raw(" "));
        waits.spans.push(canvas.mark(text::FAULT));
    }
    vec![
        Line::from(canvas.mark(text::saga_mark(saga.state, saga.stuck))),
        Line::from(text::short_id(&saga.id)),
        Line::from(saga.name.as_str()),
        step,
        Line::from(attempt),
        Line::from(age),
        waits,
    ]
}

/// More steps than this are told as numbers.
const DOTS: usize = 8;

/// `●●◐·· charge`: how far it is, at a glance.
pub(super) fn step_line<'a>(canvas: &Canvas<'a>, saga: &'a Saga) -> Line<'a> {
    let Some(step) = &saga.step else {
        return Line::from(canvas.dim(text::UNKNOWN));
    };
    let count = saga.step_count.max(step.index + 1);
    if count > DOTS {
        let place = canvas.dim(format!("{}/{count} ", step.index + 1));
        return Line::from(vec![place, Span::raw(step.name.as_str())]);
    }
    let here = text::saga_mark(saga.state, saga.stuck);
    let here = if saga.waiting.is_some() && here == text::RUNNING {
        text::WAITING
    } else {
        here
    };
    let mut spans: Vec<Span> = (0..count)
        .map(|n| match n.cmp(&step.index) {
            Ordering::Less => canvas.mark(text::GOOD),
            Ordering::Equal => canvas.mark(here),
            Ordering::Greater => canvas.mark(text::NO_DATA),
        })
        .collect();
    spans.push(Span::raw(format!(" {}", step.name)));
    Line::from(spans)
}

/// Seconds with a tenth while they are few: what runs is watched closely.
pub(super) fn short_seconds(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{:.1} s", seconds.max(0.0))
    } else {
        text::age(seconds)
    }
}

/// Why it stands where it stands: what it waits for, or how it ended.
pub(super) fn why<'a>(canvas: &Canvas<'a>, saga: &'a Saga) -> Line<'a> {
    if saga.state.is_final() {
        let words = match &saga.reason {
            Some(reason) => format!("{}: {reason}", saga.state),
            None => saga.state.to_string(),
        };
        return Line::from(canvas.dim(words));
    }
    if saga.stuck
        && let Some(deadline) = saga.deadline
    {
        let late = text::ago(canvas.clock.seconds_since(deadline));
        return Line::from(Span::styled(
            format!("deadline passed {late}"),
            canvas.theme.tone(Tone::Bad),
        ));
    }
    saga.waiting.as_ref().map_or_else(
        || Line::from(canvas.dim("–")),
        |waiting| Line::from(waiting_span(canvas, waiting)),
    )
}

/// `retry 400 ms`, `breaker payments · probe in 4 s`.
pub(super) fn waiting_span<'a>(canvas: &Canvas<'a>, waiting: &Waiting) -> Span<'a> {
    let mut words = waiting.kind.to_string();
    if let Some(on) = &waiting.on {
        words.push_str(&format!(" {on}"));
    }
    let left = waiting
        .until
        .map(|until| until.seconds_since(canvas.clock))
        .filter(|left| *left > 0.0);
    if let Some(left) = left {
        words.push_str(&format!(" in {}", time_left(left)));
    }
    let tone = if waiting.kind == WaitingFor::Breaker {
        Tone::Bad
    } else {
        Tone::Notice
    };
    Span::styled(words, canvas.theme.tone(tone))
}

/// A breaker as one line: what it guards, since when it is so, when it probes.
pub(super) fn breaker_line<'a>(canvas: &Canvas<'a>, id: &str) -> Option<Line<'a>> {
    let breaker = canvas.picture().breakers.get(id)?;
    let state = breaker.state?;
    let mark = text::breaker_mark(Some(state));
    let target = breaker.target.as_deref().unwrap_or(&breaker.name);
    let mut words = format!(
        "breaker {} {} {target} {}",
        breaker.caller,
        canvas.theme.pick("→", "->"),
        text::words(state.as_str())
    );
    if let Some(since) = breaker.since {
        words.push_str(&format!(" {}", text::age(canvas.clock.seconds_since(since))));
    }
    let probe = breaker
        .next_probe_at
        .filter(|at| state == BreakerState::Open && *at > canvas.clock);
    if let Some(at) = probe {
        words.push_str(&format!(" · probe in {}", time_left(at.seconds_since(canvas.clock))));
    }
    let words = Span::styled(words, canvas.theme.tone(mark.tone));
    Some(Line::from(vec![canvas.mark(mark), Span::raw(" "), words]))
}
