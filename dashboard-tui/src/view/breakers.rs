//! 5 Breakers: the list with the worst first; the selected one with its state over time and who waits on it.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use sagascope_api::Time;
use sagascope_api::breakers::Breaker;
use sagascope_api::text::{self, Tone};
use sagascope_conventions::BreakerState;

use super::canvas::Canvas;
use super::chrome::clock;
use super::table::{Table, left, right};
use super::words::{left as time_left, pad};
use crate::app::list::ListId;

/// Time the band covers.
const BAND_SECONDS: f64 = 300.0;
/// Lines of the selected breaker.
const DETAIL_ROWS: u16 = 10;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let [list, detail] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(DETAIL_ROWS.min(area.height / 2)),
    ])
    .areas(area);
    draw_list(canvas, list);
    draw_detail(canvas, detail);
}

fn draw_list(canvas: &mut Canvas, area: Rect) {
    let picture = canvas.picture();
    let open = picture.breakers.values().filter(|breaker| is_open(breaker)).count();
    let title = format!("{} breakers · {open} open", picture.breakers.len());
    let inner = canvas.panel(area, title, true);
    if picture.breakers.is_empty() {
        let line = canvas.dim("no breaker has been heard of yet");
        return canvas.line(inner, line);
    }
    let columns = [
        left("", 1),
        left("caller → target", 23).grow(1),
        left("state", 18),
        right("since", 5),
        right("failing", 7),
        right("refused", 7),
        right("waits", 5),
        left("last 5 min", 30).grow(1).from(118),
        left("instance", 12).from(140).named(20),
    ];
    let table = Table {
        id: ListId::Breakers,
        list: &canvas.app.breakers,
        columns: &columns,
        first_sortable: 1,
        focus: true,
    };
    table.draw(canvas, inner, |canvas, id| {
        Some(cells(canvas, picture.breakers.get(id)?))
    });
}

fn is_open(breaker: &Breaker) -> bool {
    breaker.live && matches!(breaker.state, Some(BreakerState::Open | BreakerState::ForcedOpen))
}

fn name(canvas: &Canvas, breaker: &Breaker) -> String {
    let target = breaker.target.as_deref().unwrap_or(&breaker.name);
    format!("{} {} {target}", breaker.caller, canvas.theme.pick("→", "->"))
}

fn state(breaker: &Breaker) -> (text::Mark, String) {
    let mark = if breaker.live {
        text::breaker_mark(breaker.state)
    } else {
        text::NO_DATA
    };
    let word = match (breaker.live, breaker.state) {
        (false, _) => "silent".to_owned(),
        (true, Some(state)) => text::words(state.as_str()),
        (true, None) => "no state heard".to_owned(),
    };
    (mark, word)
}

fn cells<'a>(canvas: &Canvas<'a>, breaker: &'a Breaker) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let (mark, mut word) = state(breaker);
    if let Some(left) = probe_in(canvas, breaker) {
        word.push_str(&format!(" probe {}", time_left(left)));
    }
    let since = breaker
        .since
        .map_or_else(|| text::UNKNOWN.into(), |at| text::age(canvas.clock.seconds_since(at)));
    let failing = breaker.failing().map_or_else(|| text::UNKNOWN.into(), text::percent);
    let waiting: u64 = breaker.waiting_sagas.values().sum();
    let waits = if waiting > 0 {
        Span::styled(text::count(waiting), theme.tone(Tone::Bad))
    } else {
        canvas.dim("0")
    };
    vec![
        Line::from(canvas.mark(mark)),
        Line::from(name(canvas, breaker)),
        Line::from(Span::styled(word, theme.tone(mark.tone))),
        Line::from(since),
        Line::from(failing),
        Line::from(text::rate(breaker.rejected_per_second)),
        Line::from(waits),
        Line::from(band(canvas, breaker, 30)),
        Line::from(canvas.dim(breaker.short_instance())),
    ]
}

fn probe_in(canvas: &Canvas, breaker: &Breaker) -> Option<f64> {
    let probe = breaker
        .next_probe_at
        .filter(|_| breaker.state == Some(BreakerState::Open))?;
    Some(probe.seconds_since(canvas.clock)).filter(|left| *left > 0.0)
}

/// The state at each moment, oldest left; neighbours of one style are joined.
fn band<'a>(canvas: &Canvas<'a>, breaker: &Breaker, cells: usize) -> Vec<Span<'a>> {
    let marks = band_marks(breaker, canvas.clock, cells);
    let mut spans = Vec::new();
    let mut rest = marks.as_slice();
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|mark| *mark == first).count();
        spans.push(Span::styled(
            canvas.theme.glyph(*first).repeat(run),
            canvas.theme.tone(first.tone),
        ));
        rest = &rest[run..];
    }
    spans
}

/// One mark a slice; a slice in which it was open for a moment shows the opening, so that none is missed.
fn band_marks(breaker: &Breaker, now: Time, cells: usize) -> Vec<text::Mark> {
    let slice = BAND_SECONDS / cells.max(1) as f64;
    let history = &breaker.history;
    (0..cells)
        .map(|cell| {
            let from = now.plus_seconds(-BAND_SECONDS + slice * cell as f64);
            let to = from.plus_seconds(slice);
            let before = history
                .iter()
                .rev()
                .find(|change| change.at <= from)
                .map(|change| change.state);
            let within = history
                .iter()
                .filter(|change| change.at > from && change.at <= to)
                .map(|change| change.state);
            let present = breaker.state.filter(|_| cell + 1 == cells);
            let known = before.or_else(|| known_before(breaker, from)).or(present);
            let worst = known.into_iter().chain(within).max_by_key(|state| badness(*state));
            worst.map_or(text::NO_DATA, |state| text::breaker_mark(Some(state)))
        })
        .collect()
}

/// A breaker that never changed has its state since it was first heard; without that, only the present is known.
fn known_before(breaker: &Breaker, at: Time) -> Option<BreakerState> {
    let unchanged = breaker.history.is_empty() && breaker.since.is_some_and(|since| since <= at);
    breaker.state.filter(|_| unchanged)
}

const fn badness(state: BreakerState) -> u8 {
    match state {
        BreakerState::Open | BreakerState::ForcedOpen => 3,
        BreakerState::HalfOpen => 2,
        BreakerState::Disabled => 1,
        BreakerState::Closed => 0,
    }
}

fn draw_detail(canvas: &mut Canvas, area: Rect) {
    let selected = canvas
        .app
        .breakers
        .selected()
        .and_then(|id| canvas.picture().breakers.get(id));
    let Some(breaker) = selected else {
        canvas.panel(area, "", false);
        return;
    };
    let (mark, word) = state(breaker);
    let title = vec![
        canvas.strong(name(canvas, breaker)),
        Span::raw(" "),
        canvas.mark(mark),
        Span::styled(format!(" {word}"), canvas.theme.tone(mark.tone)),
    ];
    let inner = canvas.panel(area, title, false);
    let lines = detail_lines(canvas, breaker, inner.width);
    canvas.lines(inner, lines);
}

fn detail_lines<'a>(canvas: &Canvas<'a>, breaker: &'a Breaker, width: u16) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let mut facts = Vec::new();
    if let Some(left) = probe_in(canvas, breaker) {
        facts.push(format!("next probe in {}", time_left(left)));
    }
    if let Some(since) = breaker.since {
        facts.push(format!("for {}", text::age(canvas.clock.seconds_since(since))));
    }
    if let Some(reason) = &breaker.reason {
        facts.push(format!("because {reason}"));
    }
    if let Some(rate) = breaker.failure_rate {
        facts.push(format!("{} failed when it changed", text::percent(rate)));
    }
    let band_cells = usize::from(width).saturating_sub(22);
    let start = canvas.clock.plus_seconds(-BAND_SECONDS);
    let mut strip = vec![canvas.dim(format!("{} ", clock(start)))];
    strip.extend(band(canvas, breaker, band_cells));
    strip.push(canvas.dim(format!(" {}", clock(canvas.clock))));
    let window = &breaker.window;
    let counted = |word: &'static str, count: u64, tone| {
        let tone = if count == 0 { Tone::Dim } else { tone };
        Span::styled(format!("{word} {}   ", text::count(count)), theme.tone(tone))
    };
    let mut lines = vec![
        Line::from(facts.join(" · ")),
        Line::from(strip),
        Line::from(vec![
            canvas.dim("last minute  "),
            counted("ok", window.success, Tone::Good),
            counted("failed", window.failure, Tone::Bad),
            counted("slow", window.slow, Tone::Notice),
            counted("refused", window.rejected, Tone::Bad),
            counted("fallback", window.fallback, Tone::Notice),
        ]),
        waiting_line(canvas, breaker),
    ];
    for change in breaker.history.iter().rev() {
        let mark = text::breaker_mark(Some(change.state));
        lines.push(Line::from(vec![
            canvas.dim(format!("{}  ", clock(change.at))),
            canvas.mark(mark),
            Span::styled(
                format!(" {}", pad(&text::words(change.state.as_str()), 12, false, theme)),
                theme.tone(mark.tone),
            ),
            Span::raw(change.reason.as_deref().unwrap_or_default()),
        ]));
    }
    lines
}

/// Who is hit by it.
fn waiting_line<'a>(canvas: &Canvas<'a>, breaker: &Breaker) -> Line<'a> {
    let total: u64 = breaker.waiting_sagas.values().sum();
    if total == 0 {
        return Line::from(canvas.dim("no saga waits on it"));
    }
    let kinds: Vec<String> = breaker
        .waiting_sagas
        .iter()
        .map(|(name, count)| format!("{name} {}", text::count(*count)))
        .collect();
    let words = format!(
        "{} sagas wait on it ({}): Enter shows them",
        text::count(total),
        kinds.join(", ")
    );
    Line::from(Span::styled(words, canvas.theme.tone(Tone::Bad)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture;

    #[test]
    fn a_short_opening_is_not_lost_between_two_slices() {
        let now = fixture::NOW;
        let mut breaker = fixture::breaker("orders", "payments", BreakerState::Closed);
        breaker.history = [
            (-100.0, BreakerState::Open),
            (-99.0, BreakerState::HalfOpen),
            (-98.9, BreakerState::Closed),
        ]
        .map(|(at, state)| sagascope_api::breakers::BreakerChange {
            state,
            at: now.plus_seconds(at),
            reason: None,
        })
        .to_vec();
        let marks = band_marks(&breaker, now, 10);
        assert_eq!(marks.iter().filter(|mark| **mark == text::BAD).count(), 1);
        assert_eq!((marks[0], marks[9]), (text::NO_DATA, text::GOOD));
    }

    #[test]
    fn a_breaker_that_never_changed_shows_what_is_known() {
        let breaker = fixture::breaker("orders", "payments", BreakerState::Closed);
        assert!(
            band_marks(&breaker, fixture::NOW, 10)
                .iter()
                .all(|mark| *mark == text::GOOD)
        );
    }
}
