//! How the sagas of each type end, a line a type; what does not fit is added up in a last line.

use std::cmp::Reverse;

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use sagascope_api::overview::SagaTypeSummary;
use sagascope_api::text::{self, Mark, Tone};
use sagascope_conventions::SagaState;

use super::canvas::Canvas;
use super::words::{cut_middle, pad, width};

/// Rows that all of it would take.
pub(super) fn rows(canvas: &Canvas) -> u16 {
    types(canvas).len().max(1) as u16
}

/// Draws as many types as there are rows for.
pub(super) fn draw(canvas: &mut Canvas, area: Rect) {
    let types = types(canvas);
    if types.is_empty() {
        let line = canvas.dim("no saga has been heard of yet");
        return canvas.line(area, line);
    }
    let rows = fitted(types, area.height.into());
    let lines = lines(canvas, &rows, area.width.into());
    canvas.lines(area, lines);
}

fn types<'a>(canvas: &Canvas<'a>) -> &'a [SagaTypeSummary] {
    let overview = canvas.picture().overview.as_ref();
    overview.map_or(&[][..], |overview| &overview.saga_types)
}

/// What a line says.
struct Row {
    name: String,
    counts: [(Mark, u64); 5],
    /// Nothing when it speaks of many types.
    p95: Option<String>,
}

impl Row {
    fn of(kind: &SagaTypeSummary) -> Self {
        Self {
            name: kind.name.clone(),
            counts: counts(std::iter::once(kind)),
            p95: Some(text::millis(kind.p95_ms)),
        }
    }
}

/// All types; when there are too many, those with stuck sagas are named first, and the rest is one line.
fn fitted(types: &[SagaTypeSummary], height: usize) -> Vec<Row> {
    if types.len() <= height {
        return types.iter().map(Row::of).collect();
    }
    let mut sorted: Vec<_> = types.iter().collect();
    sorted.sort_by_key(|kind| Reverse(kind.stuck > 0));
    let (named, rest) = sorted.split_at(height.saturating_sub(1));
    let more = Row {
        name: format!("+{} more", rest.len()),
        counts: counts(rest.iter().copied()),
        p95: None,
    };
    named.iter().map(|kind| Row::of(kind)).chain([more]).collect()
}

fn counts<'t>(kinds: impl Iterator<Item = &'t SagaTypeSummary>) -> [(Mark, u64); 5] {
    let mut all = [text::RUNNING, text::GOOD, text::UNDO, text::BAD, text::STUCK].map(|mark| (mark, 0_u64));
    for kind in kinds {
        let of = |state| kind.states.get(&state).copied().unwrap_or(0);
        let more = [
            of(SagaState::Running),
            of(SagaState::Completed),
            of(SagaState::Compensating) + of(SagaState::Compensated),
            of(SagaState::Failed),
            kind.stuck,
        ];
        for ((_, sum), more) in all.iter_mut().zip(more) {
            *sum = sum.saturating_add(more);
        }
    }
    all
}

/// Columns as wide as what stands in them; what is left is the name's.
fn lines<'a>(canvas: &Canvas<'a>, rows: &[Row], cells: usize) -> Vec<Line<'a>> {
    let theme = canvas.theme;
    let numbers: [usize; 5] = std::array::from_fn(|n| {
        let widths = rows.iter().map(|row| width(&text::count(row.counts[n].1)));
        widths.max().unwrap_or(0).max(3)
    });
    // Before each count a blank, its mark and a blank; behind each another one; then `p95` and its value.
    let counts: usize = numbers.iter().map(|number| number + 4).sum();
    let longest = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let value = rows.iter().filter_map(|row| row.p95.as_deref()).map(width);
    let p95 = value.max().unwrap_or(0) + "p95 ".len();
    let name = longest.min(cells.saturating_sub(counts + p95)).max(8);
    let line = |row: &Row| {
        let label = pad(&cut_middle(&row.name, name, theme), name, false, theme);
        let mut spans = vec![match row.p95 {
            Some(_) => canvas.strong(label),
            None => canvas.dim(label),
        }];
        for ((mark, count), number) in row.counts.iter().zip(numbers) {
            let tone = if *count == 0 { Tone::Dim } else { mark.tone };
            let told = pad(&text::count(*count), number, false, theme);
            spans.push(Span::raw(" "));
            spans.push(Span::styled(
                format!("{} {told} ", theme.glyph(*mark)),
                theme.tone(tone),
            ));
        }
        if let Some(value) = &row.p95 {
            spans.push(canvas.dim(format!("p95 {value}")));
        }
        Line::from(spans)
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn types(names: &[(&str, u64)]) -> Vec<SagaTypeSummary> {
        let kind = |&(name, stuck): &(&str, u64)| SagaTypeSummary {
            name: name.into(),
            states: BTreeMap::from([(SagaState::Completed, 10), (SagaState::Compensating, 1)]),
            stuck,
            started_per_second: 1.0,
            p50_ms: None,
            p95_ms: None,
        };
        names.iter().map(kind).collect()
    }

    #[test]
    fn no_saga_is_left_out_of_the_numbers() {
        let types = types(&[("a", 0), ("b", 0), ("c", 2), ("d", 1)]);
        let names = |height| {
            let rows = fitted(&types, height);
            rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
        };
        assert_eq!(names(4), ["a", "b", "c", "d"]);
        assert_eq!(names(3), ["c", "d", "+2 more"], "a person is needed there");
        assert_eq!(names(1), ["+4 more"]);
        for height in 1..6 {
            let sum = |n: usize| fitted(&types, height).iter().map(|row| row.counts[n].1).sum::<u64>();
            assert_eq!((sum(1), sum(2), sum(4)), (40, 4, 3));
        }
    }
}
