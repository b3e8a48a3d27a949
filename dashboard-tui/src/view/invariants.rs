//! What must always hold: a line on the overview, and over it the whole list with its evidence.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use sagascope_api::invariants::{Invariant, InvariantCounts};
use sagascope_api::text::{self, Tone};
use sagascope_conventions::InvariantState;

use super::canvas::Canvas;
use super::overlays::window;
use super::words::pad;

/// How many hold, and how to see which.
pub(super) fn invariants_line<'a>(canvas: &Canvas<'a>) -> Vec<Span<'a>> {
    let rows = &canvas.picture().invariants;
    let (mark, words) = text::invariants(InvariantCounts::of(rows.values()));
    let tone = if mark.tone == Tone::Bad { Tone::Bad } else { Tone::Dim };
    vec![
        canvas.dim(" invariants  "),
        canvas.mark(mark),
        Span::styled(format!(" {words}"), canvas.theme.tone(tone)),
        canvas.dim(format!("  in {} places   v which", rows.len())),
    ]
}

/// Each of them, the broken ones first.
pub(super) fn draw_invariants(canvas: &mut Canvas, area: Rect, top: usize) {
    let rows = canvas.picture().invariants.values();
    let mut rows: Vec<&Invariant> = rows.collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.state));
    let lines: Vec<Line> = rows.iter().skip(top).flat_map(|row| lines(canvas, row)).collect();
    let height = (rows.len() + evidence(&rows) + 4) as u16;
    let width = 130.min(area.width.saturating_sub(4));
    let height = height.min(area.height.saturating_sub(2));
    let inner = window(canvas, area, width, height, "What must always hold");
    if rows.is_empty() {
        let line = canvas.dim("nobody has looked yet");
        canvas.line(inner, line);
    }
    let body = Rect {
        height: inner.height.saturating_sub(1),
        ..inner
    };
    canvas.lines(body, lines);
    let last = Rect {
        y: inner.bottom().saturating_sub(1),
        height: 1,
        ..inner
    };
    let hint = canvas.dim("j k scroll   Esc close");
    canvas.line(last, hint);
}

fn evidence(rows: &[&Invariant]) -> usize {
    rows.iter().map(|row| row.evidence.len()).sum()
}

/// The sentence, and beneath it what was found against it.
fn lines<'a>(canvas: &Canvas<'a>, row: &'a Invariant) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let mark = text::invariant_mark(row.state);
    let state = match row.state {
        InvariantState::Holds => format!("looked {}", text::ago(canvas.clock.seconds_since(row.looked_at))),
        InvariantState::NoData => "not looked at".to_owned(),
        InvariantState::Violated => format!(
            "{} found, {}",
            text::count(row.violations),
            text::age(canvas.clock.seconds_since(row.since))
        ),
    };
    let sentence = vec![
        canvas.mark(mark),
        Span::raw(" "),
        canvas.strong(pad(&row.id, 7, false, theme)),
        Span::raw(pad(&row.service, 14, false, theme)),
        Span::styled(pad(&state, 17, false, theme), theme.tone(state_tone(row.state))),
        Span::raw(row.statement.as_str()),
    ];
    let found = row.evidence.iter().map(|evidence| {
        let text = format!("  {} {}", theme.pick("└", "`"), evidence.text);
        Line::styled(text, theme.tone(Tone::Bad))
    });
    std::iter::once(Line::from(sentence)).chain(found).collect()
}

const fn state_tone(state: InvariantState) -> Tone {
    match state {
        InvariantState::Holds | InvariantState::NoData => Tone::Dim,
        InvariantState::Violated => Tone::Bad,
    }
}
