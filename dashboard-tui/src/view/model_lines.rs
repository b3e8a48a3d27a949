//! How far behind read models are, a line each with all its partitions; stalled ones and those furthest behind first.

use std::cmp::Reverse;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use sagascope_api::read_models::{self, WholeModel};
use sagascope_api::text;
use sagascope_conventions::ProjectionState;

use super::canvas::Canvas;
use super::chart::bar;
use super::words::{cut_middle, pad, width};

/// Cells of a line beside name and bar: mark, events, time and the blanks between.
const BESIDE: usize = 23;
/// Least and most cells of a bar.
const BAR: std::ops::RangeInclusive<usize> = 8..=20;

/// Rows that all of it would take.
pub(super) fn rows(canvas: &Canvas) -> u16 {
    read_models::whole(canvas.picture().read_models.values()).len().max(1) as u16
}

/// Draws as many models as there are rows for.
pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let mut models = read_models::whole(canvas.picture().read_models.values());
    if models.is_empty() {
        let line = canvas.dim("none has been heard of yet");
        return canvas.line(area, line);
    }
    models.sort_by_key(|model| Reverse((model.state == ProjectionState::Stalled, model.lag_events.unwrap_or(0))));
    let most = models.iter().filter_map(|model| model.lag_events).max();
    let most = most.unwrap_or(0).max(100) as f64;
    let height = usize::from(area.height);
    let shown = if models.len() > height {
        height.saturating_sub(1)
    } else {
        models.len()
    };
    let names: Vec<_> = models.iter().map(|model| name(canvas, model)).collect();
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let room = usize::from(area.width).saturating_sub(BESIDE);
    let name_cells = longest.min(room.saturating_sub(*BAR.start())).max(8);
    let widths = (
        name_cells,
        room.saturating_sub(name_cells).clamp(*BAR.start(), *BAR.end()),
    );
    let mut lines: Vec<_> = models
        .iter()
        .zip(&names)
        .take(shown)
        .map(|(model, name)| line(canvas, model, name, widths, most))
        .collect();
    if shown < models.len() {
        lines.push(Line::from(
            canvas.dim(format!("  +{} more, not as far behind", models.len() - shown)),
        ));
    }
    canvas.lines(area, lines);
}

fn name(canvas: &Canvas, model: &WholeModel) -> String {
    let mut name = format!("{}/{}", model.service, model.name);
    if model.partitions > 1 {
        name.push_str(&format!(" {}{}", canvas.theme.pick("×", "x"), model.partitions));
    }
    name
}

fn line<'a>(canvas: &Canvas<'a>, model: &WholeModel, name: &str, (cells, bars): (usize, usize), most: f64) -> Line<'a> {
    let theme = canvas.theme;
    let mark = text::projection_mark(model.state);
    let share = model.lag_events.unwrap_or(0) as f64 / most;
    let behind = model.lag_events.map_or_else(|| text::UNKNOWN.into(), text::count);
    let seconds = model.lag_seconds.map_or_else(|| text::UNKNOWN.into(), text::duration);
    Line::from(vec![
        canvas.mark(mark),
        Span::raw(" "),
        Span::raw(pad(&cut_middle(name, cells, theme), cells, false, theme)),
        Span::raw(" "),
        Span::styled(pad(&bar(share, bars, theme), bars, false, theme), theme.tone(mark.tone)),
        Span::raw(pad(&format!("{behind} ev"), 11, true, theme)),
        canvas.dim(pad(&seconds, 9, true, theme)),
    ])
}
