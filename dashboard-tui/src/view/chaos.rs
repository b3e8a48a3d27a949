//! 9 Chaos: the form, what will happen, and what is in force.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use sagascope_api::faults::FaultStatus;
use sagascope_api::text::{self, Tone};

use super::canvas::Canvas;
use super::chrome::clock;
use super::words::{left as time_left, pad, width};
use crate::app::form::Field;
use crate::app::{ChaosCursor, Target};
use crate::state::lookup::Found;

const LABEL_CELLS: usize = 14;

pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let fields = canvas.app.form.fields(canvas.app.catalogue());
    let form_rows = (fields.len() as u16 + 5).max(6);
    let [form, active, past] = Layout::vertical([
        Constraint::Length(form_rows.min(area.height)),
        Constraint::Length(canvas.picture().active_faults().len().clamp(1, 6) as u16 + 2),
        Constraint::Min(0),
    ])
    .areas(area);
    draw_form(canvas, form, &fields);
    draw_active(canvas, active);
    draw_past(canvas, past);
}

fn draw_form(canvas: &mut Canvas, area: Rect, fields: &[Field]) {
    let inner = canvas.panel(area, "Inject a fault", true);
    if fields.is_empty() {
        let text = match canvas.app.known.catalogue.get(&()) {
            Found::Waiting => Text::styled("asking the collector what can be injected …", canvas.theme.dim()),
            Found::Failed(reason) => Text::styled(reason, canvas.theme.tone(Tone::Bad)),
            Found::Here(_) => Text::styled(
                "No service is connected that honours faults. The demo's services are; others can be by the fault contract.",
                canvas.theme.dim(),
            ),
        };
        return canvas.paragraph(inner, text);
    }
    let rows = fields.len() as u16;
    let [lines, _, effect] =
        Layout::vertical([Constraint::Length(rows), Constraint::Length(1), Constraint::Min(0)]).areas(inner);
    for (place, field) in lines.rows().zip(fields) {
        draw_field(canvas, place, *field);
    }
    draw_effect(canvas, effect);
}

fn draw_field(canvas: &mut Canvas, area: Rect, field: Field) {
    let theme = canvas.theme;
    let app = canvas.app;
    let here = app.chaos_cursor == ChaosCursor::Field(field);
    let value = app.form.value(field, app.catalogue());
    canvas.hit(area, Target::Field(field));
    if field == Field::Arm {
        let button = Span::styled(
            " Arm ",
            if here {
                theme.loud(Tone::Practice)
            } else {
                theme.tone(Tone::Practice)
            },
        );
        let hint = if app.setup.read_only {
            "  read-only"
        } else {
            "  A arms from anywhere in the form"
        };
        let line = vec![Span::raw(" ".repeat(LABEL_CELLS)), button, canvas.dim(hint)];
        return canvas.line(area, line);
    }
    let (open, close) = if here {
        (theme.pick("‹ ", "< "), theme.pick(" ›", " >"))
    } else {
        ("  ", "  ")
    };
    let style = if here { theme.selected() } else { theme.strong() };
    let mut line = vec![
        canvas.dim(pad(&format!("  {}", field.label()), LABEL_CELLS, false, theme)),
        Span::styled(format!("{open}{value}{close}"), style),
    ];
    if field == Field::Percent {
        line.push(canvas.dim(" of requests or messages"));
    }
    if here {
        line.push(Span::raw("   "));
        line.extend(choices(
            canvas,
            field,
            &value,
            usize::from(area.width).saturating_sub(40),
        ));
    }
    canvas.line(area, line);
}

/// What else could be chosen, around what is.
fn choices<'a>(canvas: &Canvas<'a>, field: Field, value: &str, cells: usize) -> Vec<Span<'a>> {
    let app = canvas.app;
    let all = app.form.choices(field, app.catalogue());
    if all.is_empty() {
        return vec![canvas.dim("type a number, or h l")];
    }
    let at = all.iter().position(|choice| choice == value).unwrap_or(0);
    // Scrolled so that the chosen one is seen with what follows it.
    let mut from = 0;
    while from < at && all[from..=at].iter().map(|choice| width(choice) + 1).sum::<usize>() > cells {
        from += 1;
    }
    let mut spans = Vec::new();
    for choice in all.into_iter().skip(from) {
        let span = if choice == value {
            canvas.strong(choice)
        } else {
            canvas.dim(choice)
        };
        spans.push(span);
        spans.push(Span::raw(" "));
    }
    spans
}

fn draw_effect(canvas: &mut Canvas, area: Rect) {
    let app = canvas.app;
    let Some(kind) = app.form.kind(app.catalogue()) else {
        return;
    };
    let words = if kind.description.is_empty() {
        text::fault_effect(kind.capability.kind).to_owned()
    } else {
        kind.description.clone()
    };
    let line = Line::from(vec![
        canvas.strong("What will happen: "),
        Span::raw(words),
        Span::raw(" It ends by itself."),
    ]);
    canvas.paragraph(area, line.into());
}

fn draw_active(canvas: &mut Canvas, area: Rect) {
    let active = canvas.picture().active_faults();
    let inner = canvas.panel(area, "Active", false);
    if active.is_empty() {
        let line = vec![
            canvas.mark(text::GOOD),
            Span::raw(" no fault is active: what fails now, fails in earnest"),
        ];
        return canvas.line(inner, line);
    }
    for (place, status) in inner.rows().zip(active) {
        let line = active_line(canvas, status);
        canvas.line(place, line);
        if canvas.app.chaos_cursor == ChaosCursor::Fault(status.fault.id.clone()) {
            let style = canvas.theme.selected();
            canvas.style(place, style);
        }
        canvas.hit(place, Target::Fault(status.fault.id.clone()));
    }
}

fn active_line<'a>(canvas: &Canvas<'a>, status: &'a FaultStatus) -> Vec<Span<'a>> {
    let theme = canvas.theme;
    let mark = text::fault_mark(status.state);
    let left = status.ends_at.seconds_since(canvas.clock).max(0.0);
    let taken = match status.instances.len() {
        0 => Span::styled("not yet taken by a service", theme.tone(Tone::Notice)),
        1 => canvas.dim("taken by 1 instance"),
        n => canvas.dim(format!("taken by {n} instances")),
    };
    vec![
        canvas.mark(mark),
        Span::styled(
            pad(&format!(" {}", text::fault_line(status)), 38, false, theme),
            theme.tone(Tone::Practice),
        ),
        Span::raw(pad(&format!("{} left", time_left(left)), 12, true, theme)),
        Span::raw(pad(&format!("hits {}", text::count(status.hits)), 13, true, theme)),
        Span::raw("   "),
        taken,
    ]
}

fn draw_past(canvas: &mut Canvas, area: Rect) {
    if area.height < 3 {
        return;
    }
    let inner = canvas.panel(area, "Past", false);
    let mut past: Vec<_> = canvas
        .picture()
        .faults
        .values()
        .filter(|fault| !fault.is_active())
        .collect();
    past.sort_by_key(|fault| std::cmp::Reverse(fault.ends_at));
    if past.is_empty() {
        let line = canvas.dim("none yet");
        return canvas.line(inner, line);
    }
    for (place, status) in inner.rows().zip(past) {
        let words = format!(
            "{}  {}  {}  hits {}",
            clock(status.ends_at),
            pad(status.state.as_str(), 8, false, canvas.theme),
            text::fault_line(status),
            text::count(status.hits)
        );
        let line = canvas.dim(words);
        canvas.line(place, line);
    }
}
