//! 3 Traces: the newest, or what a search found.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use sagascope_api::text::{self, Tone};
use sagascope_api::traces::TraceSummary;

use super::canvas::Canvas;
use super::chrome::clock;
use super::table::{Table, left, right};
use crate::app::list::ListId;
use crate::state::lookup::Found;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let title = title(canvas);
    let inner = canvas.panel(area, title, true);
    let app = canvas.app;
    if app.traces.rows().is_empty() {
        return draw_nothing(canvas, inner);
    }
    let columns = [
        left("", 1),
        left("started", 9),
        left("service", 10),
        left("operation", 14).grow(3),
        right("took", 8),
        right("spans", 5),
        right("err", 4),
        left("through", 16).grow(2).from(100),
        left("trace", 8).from(84),
    ];
    let table = Table {
        id: ListId::Traces,
        list: &app.traces,
        columns: &columns,
        first_sortable: 1,
        focus: true,
    };
    table.draw(canvas, inner, |canvas, id| Some(cells(canvas, app.trace_summary(id)?)));
}

fn title<'a>(canvas: &Canvas<'a>) -> Line<'a> {
    let app = canvas.app;
    let query = app.trace_query();
    let count = text::count(app.traces.rows().len() as u64);
    let mut spans = if query.is_empty() {
        vec![Span::raw(format!("{count} newest traces"))]
    } else {
        vec![
            Span::raw(format!("{count} found for ")),
            Span::styled(query, canvas.theme.tone(Tone::Notice)),
        ]
    };
    if app.traces.fresh > 0 {
        let words = format!(" · {} new, f follows", text::count(app.traces.fresh as u64));
        spans.push(Span::styled(words, canvas.theme.tone(Tone::Info)));
    }
    Line::from(spans)
}

/// A search that was refused says why, and where in the query.
fn draw_nothing(canvas: &mut Canvas, inner: Rect) {
    let query = canvas.app.trace_query();
    if query.is_empty() {
        let line = canvas.dim("no trace has been heard of yet");
        return canvas.line(inner, line);
    }
    let text = match canvas.app.known.traces.get(&query) {
        Found::Waiting => Text::styled("searching …", canvas.theme.dim()),
        Found::Here(_) => Text::styled("none found; Esc drops the search, / changes it", canvas.theme.dim()),
        Found::Failed(reason) => Text::styled(reason, canvas.theme.tone(Tone::Bad)),
    };
    canvas.paragraph(inner, text);
}

fn cells<'a>(canvas: &Canvas<'a>, trace: &'a TraceSummary) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let mark = if trace.error_count > 0 { text::BAD } else { text::GOOD };
    let mut operation = vec![Span::raw(trace.root.name.as_str())];
    if !trace.faults.is_empty() {
        operation.insert(0, Span::raw(" "));
        operation.insert(0, canvas.mark(text::FAULT));
    }
    if !trace.complete {
        operation.push(Span::styled(" incomplete", theme.tone(Tone::Notice)));
    }
    let errors = match trace.error_count {
        0 => canvas.dim("0"),
        n => Span::styled(text::count(n), theme.tone(Tone::Bad)),
    };
    vec![
        Line::from(canvas.mark(mark)),
        Line::from(canvas.dim(clock(trace.started_at))),
        Line::from(Span::styled(
            trace.root.service.as_str(),
            theme.named(&trace.root.service),
        )),
        Line::from(operation),
        Line::from(text::duration(trace.duration_nanos as f64 / 1e9)),
        Line::from(text::count(trace.span_count)),
        Line::from(errors),
        Line::from(canvas.dim(trace.services.join(" "))),
        Line::from(canvas.dim(text::short_id(&trace.trace_id))),
    ]
}
