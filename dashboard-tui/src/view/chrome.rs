//! What surrounds every view: header, tabs with breadcrumbs, the banner of a lost connection, the hint bar.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use sagascope_api::Time;
use sagascope_api::client::live::Connection;
use sagascope_api::text::{self, Tone};

use super::canvas::Canvas;
use crate::app::Target;
use crate::app::keys::{self, Action, Scope};
use crate::app::place::{Place, View};

/// A part of the header; the higher the rank, the sooner it gives way.
struct Part<'a> {
    rank: u8,
    spans: Vec<Span<'a>>,
}

pub(super) fn header(canvas: &mut Canvas, area: Rect, now: Time) {
    let right = clock_parts(canvas);
    let mut parts = header_parts(canvas, now);
    let right_width: usize = right.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(right_width + 1);
    while parts.iter().map(part_width).sum::<usize>() > room {
        let Some(least) = (0..parts.len())
            .max_by_key(|n| parts[*n].rank)
            .filter(|n| parts[*n].rank > 0)
        else {
            break;
        };
        parts.remove(least);
    }
    let spans = parts
        .into_iter()
        .flat_map(|part| [part.spans, vec![Span::raw("  ")]].concat());
    let left = Rect {
        width: u16::try_from(room).unwrap_or(area.width),
        ..area
    };
    let line: Vec<Span> = std::iter::once(Span::raw(" ")).chain(spans).collect();
    canvas.line(left, line);
    canvas.line_right(area, right);
}

fn part_width(part: &Part) -> usize {
    2 + part.spans.iter().map(Span::width).sum::<usize>()
}

fn header_parts<'a>(canvas: &Canvas<'a>, now: Time) -> Vec<Part<'a>> {
    let app = canvas.app;
    let overview = canvas.picture().overview.as_ref();
    let part = |rank, spans| Part { rank, spans };
    let mut parts = vec![part(3, vec![canvas.strong("Sagascope")])];
    parts.push(part(5, vec![canvas.dim(app.setup.url.as_str())]));
    parts.push(part(0, vec![connection(canvas, now)]));
    if let Some(held) = app.known.held_back() {
        let glyph = canvas.theme.pick("❚❚", "||");
        let text = format!(" {glyph} frozen · {} held back ", text::count(held));
        parts.push(part(0, vec![Span::styled(text, canvas.theme.loud(Tone::Notice))]));
    }
    if app.setup.read_only {
        parts.push(part(4, vec![canvas.dim("read-only")]));
    }
    if let Some(rate) = app.digest.orders_per_second {
        parts.push(part(1, vec![Span::raw(format!("{rate:.1} orders/s"))]));
    }
    if let Some(demo) = overview.and_then(|overview| overview.demo.as_ref()) {
        parts.push(part(4, vec![canvas.dim(format!("{} profile", demo.profile))]));
    }
    parts.extend(fault(canvas).map(|spans| part(0, spans)));
    parts
}

fn connection<'a>(canvas: &Canvas<'a>, now: Time) -> Span<'a> {
    let theme = canvas.theme;
    match &canvas.app.known.connection {
        Connection::Live => Span::styled(format!("{} live", theme.glyph(text::GOOD)), theme.tone(Tone::Good)),
        Connection::Connecting if canvas.app.known.lost_since.is_none() => Span::styled(
            format!("{} connecting", theme.glyph(text::WAITING)),
            theme.tone(Tone::Notice),
        ),
        Connection::Connecting => Span::styled(
            format!(" {} disconnected · retrying ", theme.glyph(text::BAD)),
            theme.loud(Tone::Bad),
        ),
        Connection::Lost { retry_at, .. } => {
            let left = retry_at.seconds_since(now).max(0.0).ceil();
            let text = format!(" {} disconnected · retry in {left:.0} s ", theme.glyph(text::BAD));
            Span::styled(text, theme.loud(Tone::Bad))
        }
    }
}

/// The fault that ends first, always with its name and the time left.
fn fault<'a>(canvas: &Canvas<'a>) -> Option<Vec<Span<'a>>> {
    let active = canvas.picture().active_faults();
    let first = active.first()?;
    let theme = canvas.theme;
    let left = text::age(first.ends_at.seconds_since(canvas.clock).max(0.0));
    let left = if left == "now" {
        "ending".to_owned()
    } else {
        format!("{left} left")
    };
    let mut line = format!(" {} {} · {left} ", theme.glyph(text::FAULT), text::fault_line(first));
    if active.len() > 1 {
        line.push_str(&format!("+{} ", active.len() - 1));
    }
    Some(vec![Span::styled(line, theme.loud(Tone::Practice))])
}

fn clock_parts<'a>(canvas: &Canvas<'a>) -> Vec<Span<'a>> {
    let theme = canvas.theme;
    let need = canvas.app.digest.attention.len();
    let known = canvas.picture().overview.is_some();
    let attention = match (need, known) {
        (_, false) => Span::raw(""),
        (0, true) => Span::styled("all well", theme.tone(Tone::Good)),
        (1, true) => Span::styled(" 1 needs you ", theme.loud(Tone::Bad)),
        (n, true) => Span::styled(format!(" {n} need you "), theme.loud(Tone::Bad)),
    };
    vec![attention, Span::raw(format!("  {} ", clock(canvas.clock)))]
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
    let age = text::age(now.seconds_since(since));
    let text = format!(
        " The collector does not answer: {reason}. What you see ended {age} ago, at {}.",
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
        if binding.scope == Scope::Saga && matches!(binding.action, Action::OpenCorrelation) && area.width < 100 {
            continue;
        }
        let key = binding
            .keys
            .split(' ')
            .next_back()
            .filter(|_| binding.keys.starts_with("h "))
            .unwrap_or_else(|| binding.keys.split(' ').next().unwrap_or_default());
        let key = ascii_keys(key, canvas);
        let frozen = canvas.app.known.held_back().is_some();
        let word = if binding.action == Action::Freeze && frozen {
            "go on"
        } else {
            binding.hint
        };
        let width = (super::words::width(&key) + 1 + super::words::width(word)) as u16;
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

fn ascii_keys(keys: &str, canvas: &Canvas) -> String {
    if canvas.theme.ascii {
        keys.replace('←', "Left")
            .replace('→', "Right")
            .replace('↑', "Up")
            .replace('↓', "Down")
    } else {
        keys.to_owned()
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
