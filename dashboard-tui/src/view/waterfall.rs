//! One trace: the tree of spans at the left, their bars on one time line at the right, the selected span beneath.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span as Words, Text};
use sagascope_api::text::{self, Tone};
use sagascope_api::traces::{Span, Trace};
use sagascope_conventions::attributes;
use serde_json::Value;

use super::canvas::Canvas;
use super::words::{cut, pad, width};
use crate::app::Target;
use crate::app::list::ListId;
use crate::state::lookup::Found;

/// From this width on the details of a span stand at the right.
const DETAIL_BESIDE_FROM: u16 = 130;

pub(super) fn draw(canvas: &mut Canvas, area: Rect, id: &str) {
    let trace = match canvas.app.known.trace.get(&id.to_owned()) {
        Found::Here(trace) => trace,
        Found::Waiting => {
            let inner = canvas.panel(area, format!("trace {}", text::short_id(id)), true);
            let line = canvas.dim("asking the collector …");
            return canvas.line(inner, line);
        }
        Found::Failed(reason) => {
            let inner = canvas.panel(area, format!("trace {}", text::short_id(id)), true);
            let text = Text::styled(reason, canvas.theme.tone(Tone::Bad));
            return canvas.paragraph(inner, text);
        }
    };
    let (tree, detail) = if area.width >= DETAIL_BESIDE_FROM {
        let [tree, detail] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(50)]).areas(area);
        (tree, detail)
    } else {
        let rows = (area.height / 3).clamp(5, 14);
        let [tree, detail] = Layout::vertical([Constraint::Fill(1), Constraint::Length(rows)]).areas(area);
        (tree, detail)
    };
    draw_tree(canvas, tree, trace);
    draw_detail(canvas, detail, trace);
}

fn title<'a>(canvas: &Canvas<'a>, trace: &'a Trace) -> Line<'a> {
    let errors = trace.spans.iter().filter(|span| span.status == "error").count();
    let mut spans = vec![
        canvas.strong(format!("{} {}", trace.root.service, trace.root.name)),
        Words::raw(format!(
            " · {} · {} spans",
            text::duration(seconds(trace.duration_nanos)),
            trace.spans.len()
        )),
    ];
    if errors > 0 {
        spans.push(Words::styled(
            format!(" · {errors} failed"),
            canvas.theme.tone(Tone::Bad),
        ));
    }
    if trace.omitted > 0 {
        let words = format!(" · {} more left out", text::count(trace.omitted));
        spans.push(Words::styled(words, canvas.theme.tone(Tone::Notice)));
    }
    if !trace.complete {
        spans.push(Words::styled(" · incomplete", canvas.theme.tone(Tone::Notice)));
    }
    if let Some(saga) = trace.sagas.first() {
        spans.push(canvas.dim(format!(" · saga {saga}")));
    }
    Line::from(spans)
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// What every row needs to know of the whole.
struct Scale {
    start: u64,
    nanos: f64,
    names: usize,
    bars: usize,
}

fn draw_tree<'a>(canvas: &mut Canvas<'a>, area: Rect, trace: &'a Trace) {
    let title = title(canvas, trace);
    let inner = canvas.panel(area, title, true);
    if inner.height < 2 {
        return;
    }
    let names = usize::from(inner.width * 2 / 5).clamp(20, 60);
    let scale = Scale {
        start: trace.started_at.0,
        nanos: (trace.duration_nanos as f64).max(1.0),
        names,
        bars: usize::from(inner.width).saturating_sub(names + 1),
    };
    let ticks = tick_line(canvas, &scale);
    canvas.line(inner, ticks);
    let body = Rect {
        y: inner.y + 1,
        height: inner.height - 1,
        ..inner
    };
    let list = &canvas.app.spans;
    let offset = list.offset_for(body.height.into());
    canvas.listed(ListId::Spans, offset, body.height.into());
    let mut spans = trace.spans.iter();
    let rows = list.rows();
    let first = rows.get(offset);
    let mut next = spans.find(|span| Some(&span.span_id) == first);
    for (place, key) in body.rows().zip(rows.iter().skip(offset)) {
        // Rows are a subsequence of the spans: one walk finds them all.
        while next.is_some_and(|span| span.span_id != *key) {
            next = spans.next();
        }
        let Some(span) = next else { break };
        let line = span_line(canvas, span, trace, &scale);
        canvas.line(place, line);
        if list.selected() == Some(key) {
            let style = canvas.theme.selected();
            canvas.style(place, style);
        }
        canvas.hit(place, Target::Row(ListId::Spans, key.clone()));
    }
}

/// A time line with few ticks: start, quarters, end.
fn tick_line<'a>(canvas: &Canvas<'a>, scale: &Scale) -> Line<'a> {
    let mut line = " ".repeat(scale.names + 1);
    let quarters = if scale.bars >= 48 { 4 } else { 2 };
    let each = scale.bars / quarters;
    for n in 0..quarters {
        let at = seconds((scale.nanos * n as f64 / quarters as f64) as u64);
        let label = if n == 0 { "0".to_owned() } else { text::duration(at) };
        line.push_str(&pad(
            &format!("{}{label}", canvas.theme.pick("╷", "'")),
            each,
            false,
            canvas.theme,
        ));
    }
    Line::from(canvas.dim(line))
}

fn span_line<'a>(canvas: &Canvas<'a>, span: &'a Span, trace: &Trace, scale: &Scale) -> Line<'a> {
    let theme = canvas.theme;
    let failed = span.status == "error";
    let folded = canvas.app.folded.contains(&span.span_id);
    let indent = " ".repeat((span.depth as usize).min(scale.names / 2));
    let mut name = vec![Words::raw(indent)];
    if folded {
        name.push(canvas.strong(theme.pick("▸ ", "+ ")));
    }
    if failed {
        name.push(canvas.mark(text::BAD));
        name.push(Words::raw(" "));
    }
    if fault_kind(span).is_some() {
        name.push(canvas.mark(text::FAULT));
        name.push(Words::raw(" "));
    }
    if span.missing_parent {
        name.push(Words::styled("? ", theme.tone(Tone::Notice)));
    }
    name.push(Words::styled(span.service.as_str(), theme.named(&span.service)));
    name.push(Words::raw(" "));
    name.push(Words::styled(
        span.name.as_str(),
        if failed {
            theme.tone(Tone::Bad)
        } else {
            Default::default()
        },
    ));
    let mut spans = super::words::pad_line(Line::from(name), scale.names, false, theme);
    spans.push(Words::raw(" "));
    spans.extend(bar_spans(canvas, span, trace, scale));
    Line::from(spans)
}

/// Full bars lie on the critical path, light ones beside it; the length stands at the outer end.
fn bar_spans<'a>(canvas: &Canvas<'a>, span: &Span, trace: &Trace, scale: &Scale) -> Vec<Words<'a>> {
    let theme = canvas.theme;
    let label = format!(" {} ", text::duration(seconds(span.duration_nanos)));
    let cells = scale.bars as f64;
    let begin = span.start_unix_nano.saturating_sub(scale.start) as f64 / scale.nanos;
    let share = span.duration_nanos as f64 / scale.nanos;
    let from = ((begin * cells) as usize).min(scale.bars.saturating_sub(1));
    let length = ((share * cells).round() as usize).clamp(1, (scale.bars - from.min(scale.bars)).max(1));
    let critical = trace.critical_path.contains(&span.span_id);
    let glyph = if critical {
        theme.pick("█", "#")
    } else {
        theme.pick("░", "=")
    };
    let style = if span.status == "error" {
        theme.tone(Tone::Bad)
    } else {
        theme.named(&span.service)
    };
    let mut cells: Vec<&str> = vec![glyph; length];
    for event in &span.events {
        let at =
            event.time_unix_nano.saturating_sub(span.start_unix_nano) as f64 / (span.duration_nanos as f64).max(1.0);
        let at = ((at * length as f64) as usize).min(length - 1);
        cells[at] = theme.pick("◆", "o");
    }
    let bar = Words::styled(cells.concat(), style);
    let room_after = scale.bars.saturating_sub(from + length);
    let wide = width(&label);
    if wide <= room_after {
        vec![Words::raw(" ".repeat(from)), bar, canvas.dim(label)]
    } else if wide <= from {
        vec![Words::raw(" ".repeat(from - wide)), canvas.dim(label), bar]
    } else {
        vec![Words::raw(" ".repeat(from)), bar]
    }
}

fn fault_kind(span: &Span) -> Option<&str> {
    span.attributes.get(attributes::FAULT_KIND).and_then(Value::as_str)
}

fn draw_detail<'a>(canvas: &mut Canvas<'a>, area: Rect, trace: &'a Trace) {
    let selected = canvas.app.spans.selected();
    let Some(span) = trace.spans.iter().find(|span| Some(span.span_id.as_str()) == selected) else {
        canvas.panel(area, "", false);
        return;
    };
    let inner = canvas.panel(area, format!("span {}", span.span_id), false);
    let lines = detail_lines(canvas, span, trace);
    canvas.lines(inner, lines);
}

/// What one looks for first stands first: failure, fault, saga; then the rest by name.
fn detail_lines<'a>(canvas: &Canvas<'a>, span: &'a Span, trace: &Trace) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let offset = span.start_unix_nano.saturating_sub(trace.started_at.0);
    let share = span.duration_nanos as f64 / (trace.duration_nanos as f64).max(1.0);
    let critical = if trace.critical_path.contains(&span.span_id) {
        " · critical path"
    } else {
        ""
    };
    let mut lines = vec![
        Line::from(vec![
            canvas.strong(span.name.as_str()),
            canvas.dim(format!(" · {} · {}", span.service, span.kind)),
        ]),
        Line::from(format!(
            "{} ({}), starts at {}{critical}",
            text::duration(seconds(span.duration_nanos)),
            text::percent(share),
            text::duration(seconds(offset))
        )),
    ];
    if span.status == "error" {
        let message = if span.status_message.is_empty() {
            "failed"
        } else {
            span.status_message.as_str()
        };
        let words = Words::styled(format!(" {message}"), theme.tone(Tone::Bad));
        lines.push(Line::from(vec![canvas.mark(text::BAD), words]));
    }
    if let Some(kind) = fault_kind(span) {
        let words = Words::styled(
            format!(" fault {}, practised", text::words(kind)),
            theme.tone(Tone::Practice),
        );
        lines.push(Line::from(vec![canvas.mark(text::FAULT), words]));
    }
    if span.missing_parent {
        lines.push(Line::from(Words::styled(
            "? its parent has not been heard",
            theme.tone(Tone::Notice),
        )));
    }
    let mut pairs: Vec<_> = span.attributes.iter().collect();
    pairs.sort_by_key(|(name, _)| (name.starts_with("resource."), !name.starts_with("saga."), name.as_str()));
    lines.extend(pairs.into_iter().map(|(name, value)| {
        Line::from(vec![
            canvas.dim(format!("{} ", cut(name, 32, theme))),
            Words::raw(plain(value)),
        ])
    }));
    for event in &span.events {
        let at = event.time_unix_nano.saturating_sub(span.start_unix_nano);
        let words = format!(
            "{} +{} {}",
            theme.pick("◆", "o"),
            text::duration(seconds(at)),
            event.name
        );
        lines.push(Line::from(words));
    }
    for link in &span.links {
        lines.push(Line::from(canvas.dim(format!("links to trace {}", link.trace_id))));
    }
    lines
}

/// A value as text, strings without their quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
