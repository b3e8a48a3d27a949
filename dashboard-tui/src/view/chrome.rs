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
}

pub(super) fn header(canvas: &mut Canvas, area: Rect, now: Time) {
    let mut parts = header_parts(canvas, now);
    let right = Line::from(vec![attention(canvas), Span::raw(format!("  {} ", clock(now)))]);
    let total = usize::from(area.width);
    let room = total.saturating_sub(right.width() + 1);
    fit(&mut parts, room);
    let spans = parts.into_iter().flat_map(|part| [part.span, Span::raw("  ")]);
    let left: Vec<Span> = std::iter::once(Span::raw(" ")).chain(spans).collect();
    let left_area = Rect {
        width: u16::try_from(room).unwrap_or(area.width),
        ..area
    };
    canvas.line(left_area, left);
    canvas.line_right(area, right);
}

/// Lets the least go, then says the rest shorter, then lets go what can be missed at all.
fn fit(parts: &mut Vec<Part>, room: usize) {
    let too_wide = |parts: &[Part]| parts.iter().map(|part| 2 + part.span.width()).sum::<usize>() + 1 > room;
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
    drop_above(parts, 1);
    if too_wide(parts) {
        for part in parts.iter_mut() {
            if let Some(short) = part.short.take() {
                part.span.content = short.into();
            }
        }
    }
    drop_above(parts, 0);
}

fn header_parts<'a>(canvas: &Canvas<'a>, now: Time) -> Vec<Part<'a>> {
    let app = canvas.app;
    let overview = canvas.picture().overview.as_ref();
    let mut parts = vec![
        Part::new(3, canvas.strong("Sagascope")),
        Part::new(5, canvas.dim(app.setup.url.as_str())),
        connection(canvas, now),
    ];
    if let Some(held) = app.known.held_back() {
        let glyph = canvas.theme.pick("❚❚", "||");
        let text = format!(" {glyph} frozen · {} held back ", text::count(held));
        parts.push(Part {
            short: Some(format!(" {glyph} frozen {} ", text::count(held))),
            ..Part::new(0, Span::styled(text, canvas.theme.loud(Tone::Notice)))
        });
    }
    if app.setup.read_only {
        parts.push(Part::new(4, canvas.dim("read-only")));
    }
    if let Some(rate) = app.digest.orders_per_second {
        parts.push(Part::new(1, Span::raw(format!("{rate:.1} orders/s"))));
    }
    if let Some(demo) = overview.and_then(|overview| overview.demo.as_ref()) {
        parts.push(Part::new(4, canvas.dim(format!("{} profile", demo.profile))));
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
            return Part::new(0, Span::styled(words, theme.tone(Tone::Good)));
        }
        Connection::Connecting if canvas.app.known.lost_since.is_none() => {
            let words = format!("{} connecting", theme.glyph(text::WAITING));
            return Part::new(0, Span::styled(words, theme.tone(Tone::Notice)));
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
        ..Part::new(0, Span::styled(long, theme.loud(Tone::Bad)))
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
            0,
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
    // On a narrow screen with something open, the other views give way to the breadcrumbs.
    let crumb = canvas.app.place.crumb();
    let mut x = area.x + 1;
    for view in View::ALL {
        let title = format!("{} {}", view.key(), view.title());
        let width = title.len() as u16;
        let place = Rect { x, width, ..area };
        if place.right() > area.right() {
            break;
        }
        let style = if view == here {
            canvas.theme.selected()
        } else {
            canvas.theme.dim()
        };
        let style = if view == here {
            style.patch(canvas.theme.strong())
        } else {
            style
        };
        canvas.line(place, Span::styled(title, style));
        canvas.hit(place, Target::View(view));
        x += width + 2;
        if view == here
            && let Some(crumb) = &crumb
        {
            let text = format!("{} {crumb}", canvas.theme.pick("›", ">"));
            let width = super::words::width(&text) as u16;
            let place = Rect {
                x: x - 1,
                width: width.min(area.right().saturating_sub(x)),
                ..area
            };
            let line = Span::styled(text, canvas.theme.strong());
            canvas.line(place, line);
            x += width + 1;
        }
    }
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
