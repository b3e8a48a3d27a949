//! What surrounds every view: header, tabs with breadcrumbs, the banner of a lost connection, the hint bar.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use sagascope_api::Time;
use sagascope_api::client::live::Connection;
use sagascope_api::text::{self, Tone};

use super::canvas::Canvas;
use super::words::left;
use crate::app::Target;
use crate::app::keys::{self, Action};
use crate::app::place::{Place, View};

/// A part of the header; the higher the rank, the sooner it gives way. What cannot give way can be said shorter.
struct Part<'a> {
    rank: u8,
    span: Span<'a>,
    short: Option<String>,
}

impl<'a> Part<'a> {
    const fn new(rank: u8, span: Span<'a>) -> Self {
        Self {
            rank,
            span,
            short: None,
        }
    }

    /// Cells with the gap behind it.
    fn cells(&self) -> usize {
        self.span.width() + 2
    }

    /// Cells when said as short as it can be; none when it can be left out before the name.
    fn least(&self) -> usize {
        if self.rank > NAME {
            return 0;
        }
        self.short.as_deref().map_or(self.span.width(), super::words::width) + 2
    }
}

/// Ranks: what can be missed, the rate of orders, the product's name, and what is never left out.
const EXTRA: u8 = 3;
const RATE: u8 = 2;
const NAME: u8 = 1;
const ALWAYS: u8 = 0;

pub(super) fn header(canvas: &mut Canvas, area: Rect, now: Time) {
    let total = usize::from(area.width);
    let mut parts = header_parts(canvas, now);
    let mut right = Line::from(vec![attention(canvas), Span::raw(format!(" {} ", clock(now)))]);
    let least = parts.iter().map(Part::least).sum::<usize>().saturating_sub(1);
    if least + right.width() + 1 > total {
        // The clock is the first to go before the name does.
        right = Line::from(vec![attention(canvas), Span::raw(" ")]);
    }
    let room = total.saturating_sub(right.width() + 1);
    fit(&mut parts, room);
    let mut left = Vec::with_capacity(2 * parts.len());
    for part in parts {
        left.push(Span::raw(if left.is_empty() { " " } else { "  " }));
        left.push(part.span);
    }
    let left_area = Rect {
        width: u16::try_from(room).unwrap_or(area.width),
        ..area
    };
    canvas.line(left_area, left);
    canvas.line_right(area, right);
}

/// Lets go what can be missed, then says the rest shorter, then lets go the rate and, at last, the name.
fn fit(parts: &mut Vec<Part>, room: usize) {
    // A blank before the first; no gap behind the last.
    let too_wide = |parts: &[Part]| parts.iter().map(Part::cells).sum::<usize>() > room + 1;
    let drop_above = |parts: &mut Vec<Part>, rank: u8| {
        while too_wide(parts) {
            let least = (0..parts.len())
                .max_by_key(|n| parts[*n].rank)
                .filter(|n| parts[*n].rank > rank);
            match least {
                Some(least) => drop(parts.remove(least)),
                None => break,
            }
        }
    };
    drop_above(parts, RATE);
    if too_wide(parts) {
        for part in parts.iter_mut() {
            if let Some(short) = part.short.take() {
                part.span.content = short.into();
            }
        }
    }
    drop_above(parts, ALWAYS);
}

fn header_parts<'a>(canvas: &Canvas<'a>, now: Time) -> Vec<Part<'a>> {
    let app = canvas.app;
    let overview = canvas.picture().overview.as_ref();
    let mut parts = vec![
        Part::new(NAME, canvas.strong("Sagascope")),
        Part::new(EXTRA + 1, canvas.dim(app.setup.url.as_str())),
        connection(canvas, now),
    ];
    if let Some(held) = app.known.held_back() {
        let glyph = canvas.theme.pick("❚❚", "||");
        let text = format!(" {glyph} frozen · {} held back ", text::count(held));
        parts.push(Part {
            short: Some(format!(" {glyph} frozen {} ", text::count(held))),
            ..Part::new(ALWAYS, Span::styled(text, canvas.theme.loud(Tone::Notice)))
        });
    }
    if app.setup.read_only {
        parts.push(Part::new(EXTRA, canvas.dim("read-only")));
    }
    if let Some(rate) = app.digest.sagas_per_second {
        parts.push(Part::new(RATE, Span::raw(format!("{rate:.1} sagas/s"))));
    }
    if let Some(demo) = overview.and_then(|overview| overview.demo.as_ref()) {
        parts.push(Part::new(EXTRA, canvas.dim(format!("{} profile", demo.profile))));
    }
    parts.extend(fault(canvas));
    parts
}

fn connection<'a>(canvas: &Canvas<'a>, now: Time) -> Part<'a> {
    let theme = canvas.theme;
    let bad = theme.glyph(text::BAD);
    let (long, short) = match &canvas.app.known.connection {
        Connection::Live => {
            let words = format!("{} live", theme.glyph(text::GOOD));
            return Part::new(ALWAYS, Span::styled(words, theme.tone(Tone::Good)));
        }
        Connection::Connecting if canvas.app.known.lost_since.is_none() => {
            let words = format!("{} connecting", theme.glyph(text::WAITING));
            return Part::new(ALWAYS, Span::styled(words, theme.tone(Tone::Notice)));
        }
        Connection::Connecting => (
            format!(" {bad} disconnected · retrying "),
            format!(" {bad} disconnected "),
        ),
        Connection::Lost { retry_at, .. } => {
            let left = retry_at.seconds_since(now).max(0.0).ceil();
            let long = format!(" {bad} disconnected · retry in {left:.0} s ");
            (long, format!(" {bad} lost · retry {left:.0} s "))
        }
    };
    Part {
        short: Some(short),
        ..Part::new(ALWAYS, Span::styled(long, theme.loud(Tone::Bad)))
    }
}

/// The fault that ends first, always with its name and the time left.
fn fault<'a>(canvas: &Canvas<'a>) -> Option<Part<'a>> {
    let active = canvas.picture().active_faults();
    let first = active.first()?;
    let glyph = canvas.theme.glyph(text::FAULT);
    let name = text::fault_line(first);
    let left = left(first.ends_at.seconds_since(canvas.clock));
    let more = match active.len() {
        1 => String::new(),
        n => format!("+{} ", n - 1),
    };
    Some(Part {
        short: Some(format!(" {glyph} {name} {left} {more}")),
        ..Part::new(
            ALWAYS,
            Span::styled(
                format!(" {glyph} {name} · {left} left {more}"),
                canvas.theme.loud(Tone::Practice),
            ),
        )
    })
}

fn attention<'a>(canvas: &Canvas<'a>) -> Span<'a> {
    let theme = canvas.theme;
    let known = canvas.picture().overview.is_some();
    match canvas.app.digest.attention.len() {
        _ if !known => Span::raw(""),
        0 if canvas.app.known.lost_since.is_some() => Span::styled("state unknown", theme.tone(Tone::Bad)),
        0 => Span::styled("all well", theme.tone(Tone::Good)),
        1 => Span::styled(" 1 needs you ", theme.loud(Tone::Bad)),
        n => Span::styled(format!(" {n} need you "), theme.loud(Tone::Bad)),
    }
}

/// `12:04:31Z`.
pub(super) fn clock(time: Time) -> String {
    let seconds = time.0 / 1_000_000_000 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

pub(super) fn tabs(canvas: &mut Canvas, area: Rect) {
    let here = canvas.app.place.view();
    let crumb = canvas.app.place.crumb();
    let crumb = crumb.map(|crumb| format!(" {} {crumb}", canvas.theme.pick("›", ">")));
    let crumb_width = crumb.as_deref().map_or(0, super::words::width) as u16;
    let (titles, gap) = tab_titles(here, area.width.saturating_sub(crumb_width + 2));
    let mut x = area.x + 1;
    for (view, title) in View::ALL.into_iter().zip(titles) {
        let place = Rect {
            x,
            width: title.len() as u16,
            ..area
        }
        .intersection(area);
        let style = if view == here {
            canvas.theme.selected().patch(canvas.theme.strong())
        } else {
            canvas.theme.dim()
        };
        x += title.len() as u16;
        canvas.line(place, Span::styled(title, style));
        canvas.hit(place, Target::View(view));
        if view == here
            && let Some(crumb) = &crumb
        {
            let place = Rect {
                x,
                width: crumb_width,
                ..area
            }
            .intersection(area);
            let line = Span::styled(crumb.clone(), canvas.theme.strong());
            canvas.line(place, line);
            x += crumb_width;
        }
        x += gap;
    }
}

/// The titles of the tabs and the gap between them: on a narrow screen the gap closes, then, from the right, views that
/// a person is not in are told by their key alone. None is ever missing.
fn tab_titles(here: View, room: u16) -> (Vec<String>, u16) {
    let mut titles: Vec<String> = View::ALL
        .iter()
        .map(|view| format!("{} {}", view.key(), view.title()))
        .collect();
    let fits = |titles: &[String], gap: u16| {
        let cells: usize = titles.iter().map(String::len).sum();
        cells + usize::from(gap) * (titles.len() - 1) <= usize::from(room)
    };
    if fits(&titles, 2) {
        return (titles, 2);
    }
    for (n, view) in View::ALL.iter().enumerate().rev() {
        if fits(&titles, 1) {
            break;
        }
        if *view != here {
            titles[n] = view.key().to_string();
        }
    }
    (titles, 1)
}

/// Said in full when the picture is old; a frozen screen must never look live.
pub(super) fn banner<'a>(canvas: &Canvas<'a>, now: Time) -> Option<Line<'a>> {
    let known = &canvas.app.known;
    let since = known.lost_since?;
    let reason = match &known.connection {
        Connection::Lost { reason, .. } => reason.as_str(),
        _ => "trying again",
    };
    let age = text::age(now.seconds_since(since).max(1.0));
    let text = format!(
        " No connection: {reason}. What you see is {age} old ({}).",
        clock(since)
    );
    Some(Line::styled(text, canvas.theme.tone(Tone::Bad)))
}

pub(super) fn hints(canvas: &mut Canvas, area: Rect) {
    if let Some(notice) = &canvas.app.notice {
        let style = canvas.theme.tone(notice.tone).patch(canvas.theme.strong());
        canvas.line(area, Span::styled(format!(" {}", notice.text), style));
        return;
    }
    if let Some(input) = typed(canvas) {
        canvas.line(area, input);
        return;
    }
    let mut x = area.x + 1;
    for binding in keys::here(&canvas.app.place).filter(|binding| !binding.hint.is_empty()) {
        let key = binding.keys.split(' ').next().unwrap_or_default();
        let frozen = canvas.app.known.held_back().is_some();
        let word = if binding.action == Action::Freeze && frozen {
            "go on"
        } else {
            binding.hint
        };
        let width = (super::words::width(key) + 1 + super::words::width(word)) as u16;
        let place = Rect { x, width, ..area };
        if place.right() >= area.right() {
            break;
        }
        let line = vec![canvas.strong(key), Span::raw(" "), canvas.dim(word)];
        canvas.line(place, line);
        canvas.hit(place, Target::Key(binding.action));
        x += width + 2;
    }
}

/// The filter while it is typed.
fn typed<'a>(canvas: &Canvas<'a>) -> Option<Vec<Span<'a>>> {
    let app = canvas.app;
    let (label, input) = match app.place {
        Place::Sagas => (" filter: ", &app.saga_filter),
        Place::Traces => (" search: ", &app.trace_search),
        _ => return None,
    };
    if !input.editing {
        return None;
    }
    let mut spans = vec![canvas.strong(label), Span::raw(input.text.as_str()), Span::raw("_  ")];
    let unknown = app.digest.filter.unknown_field().filter(|_| app.place == Place::Sagas);
    spans.push(match unknown {
        Some(field) => {
            let text =
                format!("no saga has a field {field}; there are name, id, state, step, stuck, waiting, reason …");
            Span::styled(text, canvas.theme.tone(Tone::Notice))
        }
        None if app.place == Place::Sagas => {
            canvas.dim("Enter keep · Esc drop · state:compensating !step:ship \"text\"")
        }
        None => canvas.dim("Enter search · Esc drop · service:payments status:error duration>200ms"),
    });
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_keeps_its_tab_however_narrow_the_screen() {
        let line = |room| {
            let (titles, gap) = tab_titles(View::Sagas, room);
            titles.join(&" ".repeat(gap.into()))
        };
        assert_eq!(
            line(78),
            "1 Overview  2 Sagas  3 Traces  5 Breakers  6 Read models  9 Chaos  0 Lab"
        );
        assert_eq!(
            line(66),
            "1 Overview 2 Sagas 3 Traces 5 Breakers 6 Read models 9 Chaos 0 Lab"
        );
        assert_eq!(line(56), "1 Overview 2 Sagas 3 Traces 5 Breakers 6 Read models 9 0");
        assert_eq!(line(30), "1 Overview 2 Sagas 3 5 6 9 0");
        assert_eq!(line(0), "1 2 Sagas 3 5 6 9 0");
    }

    #[test]
    fn the_name_outlasts_the_rate_and_long_words() {
        let part = |rank, text: &'static str, short: Option<&str>| Part {
            short: short.map(str::to_owned),
            ..Part::new(rank, Span::raw(text))
        };
        let fitted = |room| {
            let mut parts = vec![
                part(NAME, "Sagascope", None),
                part(EXTRA, "demo profile", None),
                part(ALWAYS, "fault for 14 s left", Some("fault 14 s")),
                part(RATE, "20.4 sagas/s", None),
            ];
            fit(&mut parts, room);
            parts
                .iter()
                .map(|part| part.span.content.to_string())
                .collect::<Vec<_>>()
                .join(" · ")
        };
        assert_eq!(
            fitted(80),
            "Sagascope · demo profile · fault for 14 s left · 20.4 sagas/s"
        );
        assert_eq!(fitted(50), "Sagascope · fault for 14 s left · 20.4 sagas/s");
        assert_eq!(fitted(40), "Sagascope · fault 14 s · 20.4 sagas/s");
        assert_eq!(fitted(30), "Sagascope · fault 14 s");
        assert_eq!(fitted(22), "Sagascope · fault 14 s");
        assert_eq!(fitted(20), "fault 14 s");
    }
}
