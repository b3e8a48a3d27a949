//! 1 Overview: what needs a person first, then services, sagas, read models, the invariants, and the intake.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use sagascope_api::attention::Attention;
use sagascope_api::overview::Overview;
use sagascope_api::services::Service;
use sagascope_api::text::{self, Tone};
use sagascope_conventions::BreakerState;

use super::canvas::Canvas;
use super::chart::spark;
use super::invariants::invariants_line;
use super::sagas::{short_seconds, step_line, why};
use super::table::{Table, left, right};
use super::words::{cut_middle, pad, pad_line, width};
use super::{canaries, model_lines, saga_types};
use crate::app::Target;
use crate::app::list::{List, ListId};

/// From this width on, services stand beside sagas and read models.
const TWO_COLUMNS_FROM: u16 = 110;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let urgent = canvas.app.digest.attention.len() as u16;
    // What needs a person gets the room it needs, but never the whole screen.
    let attention_rows = urgent.clamp(1, (area.height / 3).max(2)) + 2;
    let [attention, middle, invariants, intake] = Layout::vertical([
        Constraint::Length(attention_rows),
        Constraint::Min(3),
        Constraint::Length(u16::from(!canvas.picture().invariants.is_empty())),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_attention(canvas, attention);
    let line = invariants_line(canvas);
    canvas.line(invariants, line);
    draw_intake(canvas, intake);
    if area.width >= TWO_COLUMNS_FROM {
        let [left, right] = Layout::horizontal([Constraint::Percentage(56), Constraint::Fill(1)]).areas(middle);
        let canary_rows = canaries::panel_rows(canvas);
        let wanted = [saga_types::rows(canvas), model_lines::rows(canvas)];
        let [canaries, sagas, models] = Layout::vertical([
            Constraint::Length(canary_rows),
            Constraint::Length(shared(wanted, right.height.saturating_sub(FRAMES + canary_rows)) + 2),
            Constraint::Min(3),
        ])
        .areas(right);
        draw_services_and_latest(canvas, left);
        canaries::draw_panel(canvas, canaries);
        let inner = canvas.panel(sagas, "Sagas", false);
        saga_types::draw(canvas, inner);
        let inner = canvas.panel(models, "Read models", false);
        model_lines::draw(canvas, inner);
    } else {
        let services = canvas.picture().services.len() as u16 + 1;
        let wanted = [saga_types::rows(canvas), services];
        let canary_rows = canaries::line_rows(canvas);
        let [canaries, sagas, services] = Layout::vertical([
            Constraint::Length(canary_rows),
            Constraint::Length(shared(wanted, middle.height.saturating_sub(2 + canary_rows))),
            Constraint::Min(3),
        ])
        .areas(middle);
        canaries::draw_lines(canvas, inset(canaries));
        saga_types::draw(canvas, inset(sagas));
        draw_services_and_latest(canvas, services);
    }
}

/// Rows of the frames of two panels.
const FRAMES: u16 = 4;

/// How many of the rows there are the first of two lists gets: what it wants, but more than a third only when the other
/// does not need it.
fn shared([first, second]: [u16; 2], rows: u16) -> u16 {
    let spare = rows.saturating_sub(second);
    first.min(spare.max(rows / 3)).max(1)
}

/// Rows that the latest sagas need to be worth their frame.
const LATEST_ROWS: u16 = 5;

fn draw_services_and_latest(canvas: &mut Canvas, area: Rect) {
    let wanted = canvas.picture().services.len().max(1) as u16 + 3;
    if area.height < wanted + LATEST_ROWS {
        return draw_services(canvas, area);
    }
    let [services, latest] = Layout::vertical([Constraint::Length(wanted), Constraint::Min(0)]).areas(area);
    draw_services(canvas, services);
    draw_latest(canvas, latest);
}

/// Sagas as they go, a line each.
fn draw_latest(canvas: &mut Canvas, area: Rect) {
    let inner = canvas.panel(area, "Sagas now", false);
    let app = canvas.app;
    let picture = canvas.picture();
    let theme = canvas.theme;
    let seen = app.digest.latest.iter().take(inner.height.into());
    let longest = seen
        .filter_map(|key| picture.sagas.get(key))
        .map(|saga| width(&saga.name));
    let name = longest.max().unwrap_or(0).min(usize::from(inner.width) / 4);
    for (place, key) in inner.rows().zip(&app.digest.latest) {
        let Some(saga) = picture.sagas.get(key) else {
            continue;
        };
        let lasted = match saga.ended_at {
            Some(end) => text::duration(end.seconds_since(saga.started_at).max(0.0)),
            None => short_seconds(canvas.clock.seconds_since(saga.started_at)),
        };
        let mut line = vec![
            canvas.mark(text::saga_mark(saga.state, saga.stuck)),
            Span::raw(" "),
            canvas.dim(pad(&cut_middle(&saga.name, name, theme), name, false, theme)),
            Span::raw(" "),
            Span::raw(pad(text::short_id(&saga.id), 10, false, theme)),
        ];
        line.extend(pad_line(step_line(canvas, saga), 18, false, theme));
        line.push(Span::raw(pad(&lasted, 7, true, theme)));
        line.push(Span::raw("  "));
        line.extend(why(canvas, saga).spans);
        canvas.line(place, line);
        canvas.hit(place, Target::Row(ListId::Sagas, key.clone()));
    }
}

fn inset(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    }
}

fn draw_attention(canvas: &mut Canvas, area: Rect) {
    let inner = canvas.panel(area, "Needs a person", false);
    let app = canvas.app;
    let rows = &app.digest.attention;
    if rows.is_empty() {
        let line = calm(canvas);
        return canvas.line(inner, line);
    }
    let selected = app.overview.selected();
    let at = rows
        .iter()
        .position(|row| Some(crate::app::attention_key(row).as_str()) == selected)
        .unwrap_or(0);
    let offset = (at + 1).saturating_sub(inner.height.into());
    for (place, row) in inner.rows().zip(rows.iter().skip(offset)) {
        let key = crate::app::attention_key(row);
        let line = attention_line(canvas, row, inner.width);
        canvas.line(place, line);
        if selected == Some(&key) {
            let style = canvas.theme.selected();
            canvas.style(place, style);
        }
        canvas.hit(place, Target::Row(ListId::Overview, key));
    }
    let hidden = rows.len().saturating_sub(offset + usize::from(inner.height));
    if hidden > 0 {
        let place = Rect {
            y: area.bottom() - 1,
            height: 1,
            width: area.width.saturating_sub(2),
            ..area
        };
        let line = canvas.dim(format!(" {hidden} more below "));
        canvas.line_right(place, line);
    }
}

/// Nothing needs a person; or nothing has been heard, which is not the same.
fn calm<'a>(canvas: &Canvas<'a>) -> Line<'a> {
    let picture = canvas.picture();
    if picture.overview.is_none() {
        return Line::from(canvas.dim("waiting for the collector's first word"));
    }
    if picture.services.is_empty() {
        return Line::from(vec![
            canvas.mark(text::NO_DATA),
            Span::raw(" nothing heard yet: set OTEL_EXPORTER_OTLP_ENDPOINT to this collector's OTLP address"),
        ]);
    }
    let closed = picture
        .breakers
        .values()
        .filter(|breaker| breaker.state == Some(BreakerState::Closed))
        .count();
    let facts = format!(
        " nothing: {} of {} services up, {closed} of {} breakers closed, {} read models without a stall",
        picture.services.values().filter(|service| service.up).count(),
        picture.services.len(),
        picture.breakers.len(),
        picture.read_models.len(),
    );
    Line::from(vec![canvas.mark(text::GOOD), Span::raw(facts)])
}

fn attention_line<'a>(canvas: &Canvas<'a>, row: &'a Attention, width: u16) -> Vec<Span<'a>> {
    let theme = canvas.theme;
    let (subject, state) = if width >= 100 { (28, 18) } else { (24, 13) };
    vec![
        canvas.mark(row.mark),
        Span::raw(" "),
        canvas.dim(pad(row.kind, 10, false, theme)),
        canvas.strong(pad(&row.subject, subject, false, theme)),
        Span::raw(" "),
        Span::styled(pad(&row.state, state, false, theme), theme.tone(row.mark.tone)),
        Span::raw(" "),
        Span::raw(row.detail.as_str()),
    ]
}

fn draw_services(canvas: &mut Canvas, area: Rect) {
    let picture = canvas.picture();
    let inner = canvas.panel(area, "Services", true);
    let columns = [
        left("", 1),
        left("service", 13).grow(1),
        right("inst", 4).from(84),
        right("rate", 8),
        right("errors", 8),
        right("p95", 8),
        left("last 5 min", 15).from(66),
        left("", 10).from(76),
    ];
    let all = &canvas.app.overview;
    let mut list = List::new();
    list.settle(picture.services.keys().map(|name| format!("service/{name}")).collect());
    list.select(all.selected().unwrap_or_default());
    list.touched = all.touched;
    let table = Table {
        id: ListId::Overview,
        list: &list,
        columns: &columns,
        first_sortable: columns.len(),
        focus: true,
    };
    table.draw(canvas, inner, |canvas, key| {
        let service = picture.services.get(key.strip_prefix("service/")?)?;
        Some(service_cells(canvas, service))
    });
}

fn service_cells<'a>(canvas: &Canvas<'a>, service: &'a Service) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let failing = service.error_ratio >= 0.05;
    let mark = match (service.up, failing) {
        (false, _) => text::NO_DATA,
        (true, true) => text::BAD,
        (true, false) => text::GOOD,
    };
    let errors = match failing {
        true => Span::styled(text::percent(service.error_ratio), theme.tone(Tone::Bad)),
        false => Span::raw(text::percent(service.error_ratio)),
    };
    let fault = if service.faults.is_empty() {
        Span::raw("")
    } else {
        canvas.mark(text::FAULT)
    };
    let note = match (service.up, service.restarts) {
        (false, _) => Span::styled("silent", theme.tone(Tone::Bad)),
        (true, 0) => Span::raw(""),
        (true, 1) => Span::styled("restarted", theme.tone(Tone::Notice)),
        (true, n) => Span::styled(format!("{n} restarts"), theme.tone(Tone::Notice)),
    };
    vec![
        Line::from(canvas.mark(mark)),
        Line::from(vec![Span::raw(service.name.as_str()), Span::raw(" "), fault]),
        Line::from(canvas.dim(format!("{}{}", theme.pick("×", "x"), service.instances))),
        Line::from(text::rate(service.rate_per_second)),
        Line::from(errors),
        Line::from(text::millis(service.p95_ms)),
        Line::from(Span::styled(
            spark(&service.rate_history, 15, theme),
            theme.tone(Tone::Info),
        )),
        Line::from(note),
    ]
}

fn draw_intake(canvas: &mut Canvas, area: Rect) {
    let Some(overview) = &canvas.picture().overview else {
        return;
    };
    let line = intake_line(canvas, overview);
    canvas.line(area, line);
}

/// What comes in and what was lost of it; losses are red.
fn intake_line<'a>(canvas: &Canvas<'a>, overview: &'a Overview) -> Vec<Span<'a>> {
    let signals = [&overview.ingest.spans, &overview.ingest.logs, &overview.ingest.points];
    let refused: u64 = signals.iter().map(|signal| signal.rejected).sum();
    let dropped: u64 = signals.iter().map(|signal| signal.dropped).sum();
    let loss = |count: u64, word: &str| {
        let text = format!("  {} {word}", text::count(count));
        if count == 0 {
            canvas.dim(text)
        } else {
            Span::styled(text, canvas.theme.tone(Tone::Bad))
        }
    };
    let [spans, logs, points] = signals.map(|signal| text::rate(signal.per_second));
    let storage = &overview.storage;
    let mut line = vec![
        canvas.dim(format!(" intake  spans {spans}  logs {logs}  points {points}")),
        loss(refused, "refused"),
        loss(dropped, "dropped"),
        canvas.dim(format!(
            "   store {} of {}",
            text::bytes(storage.bytes),
            text::bytes(storage.cap_bytes)
        )),
    ];
    if let Some(since) = storage.oldest {
        let ago = text::ago(canvas.clock.seconds_since(since));
        line.push(canvas.dim(format!("   oldest {ago}")));
    }
    if let Some(demo) = &overview.demo {
        line.push(canvas.dim(format!("   {}", demo.summary)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lists_share_the_rows_there_are() {
        for (wanted, rows, first) in [
            ([8, 10], 30, 8),
            ([8, 22], 30, 8),
            ([8, 29], 30, 8),
            ([20, 29], 30, 10),
            ([20, 5], 30, 20),
            ([8, 16], 12, 4),
            ([8, 16], 1, 1),
            ([1, 0], 0, 1),
        ] {
            assert_eq!(shared(wanted, rows), first, "{wanted:?} in {rows}");
        }
    }
}
