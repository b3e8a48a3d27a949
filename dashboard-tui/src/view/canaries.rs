//! New versions that get a share of the requests: how much, how they do beside the stable one, and why it is so.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use sagascope_api::canaries::Canary;
use sagascope_api::text::{self, Tone};
use sagascope_conventions::CanaryState;

use super::canvas::Canvas;
use super::words::cut_middle;

/// Canaries that are shown.
const SHOWN: usize = 2;

/// Rows of the panel, frame and all; nothing without a canary.
pub(super) fn panel_rows(canvas: &Canvas) -> u16 {
    match line_rows(canvas) {
        0 => 0,
        some => 2 * some + 2,
    }
}

/// Rows on a narrow screen.
pub(super) fn line_rows(canvas: &Canvas) -> u16 {
    canvas.picture().canaries.len().min(SHOWN) as u16
}

/// Draws two lines for each: what it gets, since when and by whom; how both versions do, or why it gets nothing.
pub(super) fn draw_panel(canvas: &mut Canvas, area: Rect) {
    if area.height < 3 {
        return;
    }
    let inner = canvas.panel(area, "Canaries", false);
    let lines: Vec<_> = canvas
        .picture()
        .canaries
        .values()
        .flat_map(|canary| {
            let mut first = share(canvas, canary, inner.width);
            first.extend(since(canvas, canary));
            [Line::from(first), Line::from(judgement(canvas, canary))]
        })
        .take(inner.height.into())
        .collect();
    canvas.lines(inner, lines);
}

/// Draws a line for each.
pub(super) fn draw_lines(canvas: &mut Canvas, area: Rect) {
    let lines: Vec<_> = canvas
        .picture()
        .canaries
        .values()
        .take(area.height.into())
        .map(|canary| {
            let mut line = share(canvas, canary, area.width);
            line.extend(judgement(canvas, canary));
            Line::from(line)
        })
        .collect();
    canvas.lines(area, lines);
}

fn share<'a>(canvas: &Canvas<'a>, canary: &Canary, cells: u16) -> Vec<Span<'a>> {
    let theme = canvas.theme;
    let mark = text::canary_mark(canary.state);
    let name = format!("{} {}", canary.service, canary.version);
    vec![
        canvas.mark(mark),
        Span::raw(" "),
        canvas.strong(cut_middle(&name, usize::from(cells) / 2, theme)),
        Span::raw("  "),
        Span::styled(text::canary_state(canary), theme.tone(mark.tone)),
    ]
}

fn since<'a>(canvas: &Canvas<'a>, canary: &Canary) -> Option<Span<'a>> {
    let since = text::ago(canvas.clock.seconds_since(canary.since?));
    Some(canvas.dim(format!("  {since} by {}", text::canary_decider(canary))))
}

fn judgement<'a>(canvas: &Canvas<'a>, canary: &'a Canary) -> Vec<Span<'a>> {
    if canary.state == CanaryState::RolledBack {
        let why = canary.reason.as_deref().unwrap_or_default();
        return vec![Span::raw("  "), Span::raw(why)];
    }
    let tone = if text::canary_is_worse(canary) {
        Tone::Bad
    } else {
        Tone::Good
    };
    vec![
        Span::raw("  "),
        Span::styled(text::canary_calls(canary.canary), canvas.theme.tone(tone)),
        canvas.dim(format!(" · stable {}", text::canary_calls(canary.stable))),
    ]
}
