//! What lies over a view: help and palette, confirmations, explanations.

use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use sagascope_api::text::{self, Tone};

use super::canvas::Canvas;
use super::chrome::clock;
use super::invariants::draw_invariants;
use super::words::pad;
use crate::app::Target;
use crate::app::list::ListId;
use crate::app::overlay::{Confirm, Overlay, Picker};
use crate::state::lookup::Found;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    match &canvas.app.overlay {
        None => {}
        Some(Overlay::Picker(picker)) => draw_picker(canvas, area, picker),
        Some(Overlay::Confirm(confirm)) => draw_confirm(canvas, area, confirm),
        Some(Overlay::Letter(id)) => draw_letter(canvas, area, id),
        Some(Overlay::Explanation { id, selected }) => draw_explanation(canvas, area, id, *selected),
        Some(Overlay::Invariants { top }) => draw_invariants(canvas, area, *top),
    }
}

pub(super) fn window<'a>(
    canvas: &mut Canvas<'a>,
    area: Rect,
    width: u16,
    height: u16,
    title: impl Into<Line<'a>>,
) -> Rect {
    let [row] = Layout::vertical([Constraint::Length(height.min(area.height))])
        .flex(Flex::Center)
        .areas(area);
    let [place] = Layout::horizontal([Constraint::Length(width.min(area.width))])
        .flex(Flex::Center)
        .areas(row);
    canvas.clear(place);
    canvas.panel(place, title, true)
}

fn draw_picker(canvas: &mut Canvas, area: Rect, picker: &Picker) {
    let title = if picker.help {
        "Keys: type to search, Enter runs"
    } else {
        "Command or id"
    };
    let lines = picker.lines(&canvas.app.place);
    let height = area.height.saturating_sub(4).min(26);
    let inner = window(canvas, area, 76, height, title);
    let prompt = vec![
        canvas.strong(if picker.help { "? " } else { ": " }),
        Span::raw(picker.query.clone()),
        Span::raw("_"),
    ];
    canvas.line(inner, prompt);
    let body = Rect {
        y: inner.y + 1,
        height: inner.height.saturating_sub(1),
        ..inner
    };
    if lines.is_empty() {
        let line = canvas.dim("nothing of that name; paste an id to find what it belongs to");
        canvas.line(body, line);
    }
    let offset = (picker.selected + 1).saturating_sub(body.height.into());
    for (place, (n, line)) in body.rows().zip(lines.into_iter().enumerate().skip(offset)) {
        let theme = canvas.theme;
        let spans = vec![
            canvas.strong(pad(line.keys, 10, false, theme)),
            Span::raw(pad(
                &line.what,
                usize::from(inner.width).saturating_sub(24),
                false,
                theme,
            )),
            canvas.dim(pad(line.scope, 13, true, theme)),
        ];
        canvas.line(place, spans);
        if n == picker.selected {
            canvas.style(place, theme.selected());
        }
        canvas.hit(place, Target::Row(ListId::Picker, n.to_string()));
    }
}

fn draw_confirm<'a>(canvas: &mut Canvas<'a>, area: Rect, confirm: &'a Confirm) {
    let inner = window(canvas, area, 64, 8, "");
    let title = Line::styled(confirm.title.as_str(), canvas.theme.strong());
    let answer = Line::from(vec![
        canvas.strong("y "),
        Span::raw(confirm.yes),
        canvas.strong("   n "),
        Span::raw("leave it"),
    ]);
    canvas.line(inner, title);
    let effect = Rect {
        y: inner.y + 2,
        height: inner.height.saturating_sub(3),
        ..inner
    };
    canvas.paragraph(effect, Text::from(confirm.effect.as_str()));
    let last = Rect {
        y: inner.bottom().saturating_sub(1),
        height: 1,
        ..inner
    };
    canvas.line(last, answer);
}

fn draw_letter(canvas: &mut Canvas, area: Rect, id: &str) {
    let inner = window(canvas, area, 90.min(area.width.saturating_sub(4)), 14, "Dead letter");
    let Some(letter) = canvas.picture().dead_letters.get(id) else {
        let line = canvas.dim("it is a dead letter no more");
        return canvas.line(inner, line);
    };
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| text::UNKNOWN.to_owned());
    let rows = [
        ("message", letter.id.clone()),
        ("from", letter.destination.clone()),
        ("told by", letter.service.clone()),
        ("given up at", clock(letter.at)),
        (
            "tries",
            letter
                .attempts
                .map_or_else(|| text::UNKNOWN.to_owned(), |n| n.to_string()),
        ),
        ("correlation", known(&letter.correlation_id)),
        ("trace", known(&letter.trace_id)),
    ];
    for (place, (name, value)) in inner.rows().zip(&rows) {
        let spans = vec![canvas.dim(pad(name, 13, false, canvas.theme)), Span::raw(value.clone())];
        canvas.line(place, spans);
    }
    let reason = Rect {
        y: inner.y + rows.len() as u16,
        height: inner.height.saturating_sub(rows.len() as u16 + 1),
        ..inner
    };
    let tone = canvas.theme.tone(Tone::Bad);
    canvas.paragraph(reason, Text::styled(known(&letter.reason), tone));
    let last = Rect {
        y: inner.bottom().saturating_sub(1),
        height: 1,
        ..inner
    };
    let hint = canvas.dim("R replay…   P purge…   Enter trace   y copy id   Esc close");
    canvas.line(last, hint);
}

fn draw_explanation(canvas: &mut Canvas, area: Rect, id: &str, selected: usize) {
    let height = area.height.saturating_sub(4);
    let inner = window(
        canvas,
        area,
        110.min(area.width.saturating_sub(4)),
        height,
        format!("What happened to {id}"),
    );
    let explanation = match canvas.app.known.explanation.get(&id.to_owned()) {
        Found::Waiting => return canvas.line(inner, "asking the collector …"),
        Found::Failed(reason) => {
            let text = Text::styled(reason, canvas.theme.tone(Tone::Bad));
            return canvas.paragraph(inner, text);
        }
        Found::Here(explanation) => explanation,
    };
    let [summary, cause, title, evidence, hint] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(if explanation.cause.is_some() { 3 } else { 0 }),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(inner);
    canvas.paragraph(
        summary,
        Text::styled(explanation.summary.as_str(), canvas.theme.strong()),
    );
    if let Some(text) = &explanation.cause {
        let line = Line::from(vec![
            Span::styled("Likely cause: ", canvas.theme.tone(Tone::Bad)),
            Span::raw(text.as_str()),
        ]);
        canvas.paragraph(cause, line.into());
    }
    let heading = canvas.dim("Evidence");
    canvas.line(title, heading);
    let offset = (selected + 1).saturating_sub(evidence.height.into());
    for (place, (n, piece)) in evidence
        .rows()
        .zip(explanation.evidence.iter().enumerate().skip(offset))
    {
        let arrow = if piece.link.is_some() {
            canvas.theme.pick("› ", "> ")
        } else {
            "  "
        };
        let spans = vec![canvas.dim(arrow), Span::raw(piece.text.as_str())];
        canvas.line(place, spans);
        if n == selected {
            let style = canvas.theme.selected();
            canvas.style(place, style);
        }
    }
    let line = canvas.dim("Enter open the evidence   y copy id   Esc close");
    canvas.line(hint, line);
}
