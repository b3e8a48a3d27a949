//! 6 Read models: how far behind, whether they gain, and the outboxes and dead letters that explain it.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use sagascope_api::read_models::{DeadLetter, Outbox, ReadModel};
use sagascope_api::text::{self, Tone};
use sagascope_conventions::ProjectionState;

use super::canvas::Canvas;
use super::chart::{bar, columns};
use super::chrome::clock;
use super::table::{Column, Table, left, right};
use super::words::pad;
use crate::app::list::{List, ListId};

/// Rows of the chart.
const CHART_ROWS: usize = 4;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let picture = canvas.picture();
    let chart = if area.height >= 22 && selected_model(canvas).is_some() {
        CHART_ROWS as u16 + 2
    } else {
        0
    };
    let models = picture.read_models.len() as u16 + 3;
    let outboxes = picture.outboxes.len().clamp(1, 9) as u16 + 3;
    let letters = (picture.dead_letters.len() as u16 + 3).clamp(3, 10);
    let [models, chart, outboxes, letters] = Layout::vertical([
        Constraint::Max(models.max(4)),
        Constraint::Length(chart),
        Constraint::Max(outboxes),
        Constraint::Min(letters.min(area.height / 4)),
    ])
    .areas(area);
    draw_models(canvas, models);
    draw_chart(canvas, chart);
    draw_outboxes(canvas, outboxes);
    draw_letters(canvas, letters);
}

fn selected_model<'a>(canvas: &Canvas<'a>) -> Option<&'a ReadModel> {
    canvas
        .picture()
        .read_models
        .get(canvas.app.read_models.selected()?.strip_prefix("model/")?)
}

/// The part of the common list that a panel shows.
fn part(canvas: &Canvas, prefix: &str) -> List {
    let all = &canvas.app.read_models;
    let mut list = List::new();
    list.settle(
        all.rows()
            .iter()
            .filter(|row| row.starts_with(prefix))
            .cloned()
            .collect(),
    );
    list.select(all.selected().unwrap_or_default());
    list.touched = all.touched;
    list
}

fn table<'t>(list: &'t List, columns: &'t [Column]) -> Table<'t> {
    Table {
        id: ListId::ReadModels,
        list,
        columns,
        first_sortable: columns.len(),
        focus: true,
    }
}

fn draw_models(canvas: &mut Canvas, area: Rect) {
    let picture = canvas.picture();
    let stalled = picture
        .read_models
        .values()
        .filter(|model| model.state == ProjectionState::Stalled)
        .count();
    let title = format!("{} read models · {stalled} stalled", picture.read_models.len());
    let inner = canvas.panel(area, title, true);
    if picture.read_models.is_empty() {
        let line = canvas.dim("no read model has been heard of yet");
        return canvas.line(inner, line);
    }
    let list = part(canvas, "model/");
    let shape = [
        left("", 1),
        left("read model", 20).named(40).grow(1),
        left("state", 10),
        right("behind", 9),
        right("time", 8),
        left("", 12).from(100),
        right("drain", 8),
        right("caught up", 9).from(78),
        right("position", 9).from(110),
        right("head", 9).from(110),
    ];
    let most = picture
        .read_models
        .values()
        .filter_map(|model| model.lag_events)
        .max()
        .unwrap_or(0)
        .max(100);
    table(&list, &shape).draw(canvas, inner, |canvas, key| {
        let model = picture.read_models.get(key.strip_prefix("model/")?)?;
        Some(model_cells(canvas, model, most))
    });
}

fn known<T>(value: Option<T>, words: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| text::UNKNOWN.into(), words)
}

fn model_cells<'a>(canvas: &Canvas<'a>, model: &'a ReadModel, most: u64) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let mark = text::projection_mark(model.state);
    let mut name = format!("{}/{}", model.service, model.name);
    if !model.partition.is_empty() {
        name.push_str(&format!(" p{}", model.partition));
    }
    let behind = model.lag_events.is_some_and(|events| events > 0);
    let estimate = match (behind, model.eta_seconds) {
        (false, _) if model.state == ProjectionState::CaughtUp => "now".into(),
        (false, _) => text::UNKNOWN.into(),
        (true, Some(seconds)) => format!("~{}", text::duration(seconds)),
        (true, None) => theme.pick("∞", "never").into(),
    };
    let share = model.lag_events.unwrap_or(0) as f64 / most as f64;
    vec![
        Line::from(canvas.mark(mark)),
        Line::from(name),
        Line::from(Span::styled(text::words(model.state.as_str()), theme.tone(mark.tone))),
        Line::from(known(model.lag_events, |events| format!("{} ev", text::count(events)))),
        Line::from(known(model.lag_seconds, text::duration)),
        Line::from(Span::styled(bar(share, 12, theme), theme.tone(mark.tone))),
        Line::from(known(model.drain_per_second, text::rate)),
        Line::from(estimate),
        Line::from(canvas.dim(known(model.position, text::count))),
        Line::from(canvas.dim(known(model.head, text::count))),
    ]
}

/// The selected model's lag over five minutes; the fault that is in force on its service named above.
fn draw_chart(canvas: &mut Canvas, area: Rect) {
    let Some(model) = selected_model(canvas).filter(|_| area.height > 2) else {
        return;
    };
    let mut title = vec![
        canvas.strong(format!("{}/{} ", model.service, model.name)),
        canvas.dim("lag, last 5 min"),
    ];
    let fault = canvas
        .picture()
        .active_faults()
        .into_iter()
        .find(|fault| fault.fault.target.service == model.service);
    if let Some(fault) = fault {
        title.push(Span::raw(" "));
        title.push(canvas.mark(text::FAULT));
        title.push(Span::styled(
            format!(" {}", text::fault_line(fault)),
            canvas.theme.tone(Tone::Practice),
        ));
    }
    if let Some(since) = model.stalled_since {
        let still = text::age(canvas.clock.seconds_since(since));
        title.push(Span::styled(
            format!(" · no progress for {still}"),
            canvas.theme.tone(Tone::Bad),
        ));
    }
    let inner = canvas.panel(area, title, false);
    let cells = usize::from(inner.width).saturating_sub(11);
    // Each slice is drawn as wide as the room allows, so that the right edge is always now.
    let wide = (cells / model.lag_history.len().max(1)).max(1);
    let drawn = model.lag_history.len() * wide;
    let blank = std::iter::repeat_n(0.0, cells.saturating_sub(drawn));
    let slices = model
        .lag_history
        .iter()
        .flat_map(|value| std::iter::repeat_n(*value, wide));
    let values: Vec<f32> = blank.chain(slices).collect();
    let (rows, top) = columns(&values, cells, inner.height.into(), canvas.theme);
    let tone = text::projection_mark(model.state).tone;
    let last = rows.len().saturating_sub(1);
    for (n, (place, row)) in inner.rows().zip(rows).enumerate() {
        let label = match n {
            0 => text::duration(f64::from(top)),
            n if n == last => "0".into(),
            _ => String::new(),
        };
        let axis = canvas.theme.pick("│", "|");
        let line = vec![
            canvas.dim(format!("{} {axis}", pad(&label, 8, true, canvas.theme))),
            Span::styled(row, canvas.theme.tone(tone)),
        ];
        canvas.line(place, line);
    }
}

fn draw_outboxes(canvas: &mut Canvas, area: Rect) {
    let picture = canvas.picture();
    let inner = canvas.panel(area, "Outboxes", false);
    if picture.outboxes.is_empty() {
        let line = canvas.dim("no outbox has been heard of yet");
        return canvas.line(inner, line);
    }
    let list = part(canvas, "outbox/");
    let shape = [
        left("", 1),
        left("outbox", 24).named(40).grow(1),
        right("pending", 9),
        right("oldest", 8),
        right("published", 10),
        right("failed tries", 12),
    ];
    table(&list, &shape).draw(canvas, inner, |canvas, key| {
        Some(outbox_cells(
            canvas,
            picture.outboxes.get(key.strip_prefix("outbox/")?)?,
        ))
    });
}

/// An outbox whose oldest row waits for seconds is not being relayed.
const OUTBOX_LATE_SECONDS: f64 = 5.0;

fn outbox_cells<'a>(canvas: &Canvas<'a>, outbox: &'a Outbox) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let pending = outbox.pending.unwrap_or(0) > 0;
    let late = pending && outbox.oldest_age_seconds.is_some_and(|age| age > OUTBOX_LATE_SECONDS);
    let mark = match outbox.pending {
        None => text::NO_DATA,
        Some(_) if late => text::BAD,
        Some(_) if outbox.is_unused() => text::NO_DATA,
        Some(_) => text::GOOD,
    };
    let oldest = known(outbox.oldest_age_seconds.filter(|_| pending), text::duration);
    let failed = match outbox.failed {
        0 => canvas.dim("0"),
        n => Span::styled(text::count(n), theme.tone(Tone::Notice)),
    };
    let quiet = |text: String| {
        if outbox.is_unused() {
            canvas.dim(text)
        } else {
            Span::raw(text)
        }
    };
    vec![
        Line::from(canvas.mark(mark)),
        Line::from(quiet(format!("{}/{}", outbox.service, outbox.name))),
        Line::from(quiet(known(outbox.pending, text::count))),
        Line::from(Span::styled(
            oldest,
            if late {
                theme.tone(Tone::Bad)
            } else {
                Default::default()
            },
        )),
        Line::from(quiet(known(outbox.published_per_second, text::rate))),
        Line::from(failed),
    ]
}

fn draw_letters(canvas: &mut Canvas, area: Rect) {
    let picture = canvas.picture();
    let count = picture.dead_letters.len();
    let title = match count {
        0 => "Dead letters".to_owned(),
        1 => "1 dead letter".to_owned(),
        n => format!("{} dead letters", text::count(n as u64)),
    };
    let inner = canvas.panel(area, title, false);
    if count == 0 {
        let line = vec![canvas.mark(text::GOOD), Span::raw(" none")];
        return canvas.line(inner, line);
    }
    let list = part(canvas, "letter/");
    let shape = [
        left("", 1),
        left("at", 9),
        left("from", 16),
        left("given up by", 13),
        right("tries", 5),
        left("reason", 16).grow(1),
    ];
    table(&list, &shape).draw(canvas, inner, |canvas, key| {
        Some(letter_cells(
            canvas,
            picture.dead_letters.get(key.strip_prefix("letter/")?)?,
        ))
    });
}

fn letter_cells<'a>(canvas: &Canvas<'a>, letter: &'a DeadLetter) -> Vec<Line<'a>> {
    vec![
        Line::from(canvas.mark(text::BAD)),
        Line::from(canvas.dim(clock(letter.at))),
        Line::from(letter.destination.as_str()),
        Line::from(letter.service.as_str()),
        Line::from(known(letter.attempts, |n| n.to_string())),
        Line::from(letter.reason.as_deref().unwrap_or(text::UNKNOWN)),
    ]
}
