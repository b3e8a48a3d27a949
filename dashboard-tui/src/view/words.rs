//! Text fitted to cells: cut with an ellipsis, padded, wide characters counted as they are drawn.

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::theme::Theme;

/// A time left: whole seconds, rounded up, so that all parts of the screen count down alike; less than one as it is.
pub(super) fn left(seconds: f64) -> String {
    if seconds < 1.0 {
        return sagascope_api::text::duration(seconds.max(0.0));
    }
    sagascope_api::text::age(seconds.ceil())
}

/// Cells a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The longest head of a text that fits, and the cells it takes.
fn head(text: &str, cells: usize) -> (&str, usize) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let next = used + c.width().unwrap_or(0);
        if next > cells {
            return (&text[..at], used);
        }
        used = next;
    }
    (text, used)
}

/// Cut to `cells`, with an ellipsis where something is lost.
pub(super) fn cut(text: &str, cells: usize, theme: Theme) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let Some(room) = cells.checked_sub(1) else {
        return String::new();
    };
    format!("{}{}", head(text, room).0, theme.pick("…", "~"))
}

/// A line of several styles cut to `cells`.
pub(super) fn cut_line<'a>(line: Line<'a>, cells: usize, theme: Theme) -> Line<'a> {
    if line.width() <= cells {
        return line;
    }
    let mut room = cells;
    let mut spans = Vec::with_capacity(line.spans.len());
    for span in line.spans {
        let wide = span.width();
        // The last cell is kept for the ellipsis, since more follows or this one is cut.
        if wide < room {
            room -= wide;
            spans.push(span);
            continue;
        }
        if room > 0 {
            let text = format!("{}{}", head(&span.content, room - 1).0, theme.pick("…", "~"));
            spans.push(Span::styled(text, span.style));
        }
        break;
    }
    Line { spans, ..line }
}

/// Filled up with blanks to the left or right to exactly `cells`.
pub(super) fn pad(text: &str, cells: usize, right: bool, theme: Theme) -> String {
    let text = cut(text, cells, theme);
    let blanks = " ".repeat(cells.saturating_sub(width(&text)));
    if right {
        format!("{blanks}{text}")
    } else {
        format!("{text}{blanks}")
    }
}

/// Blanks around a line so that it takes exactly `cells`.
pub(super) fn pad_line<'a>(line: Line<'a>, cells: usize, right: bool, theme: Theme) -> Vec<Span<'a>> {
    let mut spans = cut_line(line, cells, theme).spans;
    let used: usize = spans.iter().map(Span::width).sum();
    let blanks = Span::raw(" ".repeat(cells.saturating_sub(used)));
    if right {
        spans.insert(0, blanks);
    } else {
        spans.push(blanks);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture;

    #[test]
    fn text_is_cut_by_cells_not_by_characters() {
        let theme = fixture::theme();
        for (text, cells, fitted) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("", 3, ""),
        ] {
            assert_eq!(cut(text, cells, theme), fitted, "{text} in {cells}");
            assert!(width(&cut(text, cells, theme)) <= cells);
        }
        assert_eq!(pad("日", 4, true, theme), "  日");
        assert_eq!(pad("ab", 4, false, theme), "ab  ");
    }

    #[test]
    fn a_line_is_cut_where_it_ends_whatever_its_spans() {
        let theme = fixture::theme();
        let line = || Line::from(vec![Span::raw("abc"), Span::raw("def")]);
        for (cells, text) in [(6, "abcdef"), (5, "abcd…"), (4, "abc…"), (3, "ab…"), (1, "…"), (0, "")] {
            assert_eq!(cut_line(line(), cells, theme).to_string(), text);
        }
    }

    #[test]
    fn combining_characters_cost_nothing_and_end() {
        let theme = fixture::theme();
        let text = format!("e{}", "\u{301}".repeat(10_000));
        assert_eq!(width(&text), 1);
        assert_eq!(width(&pad(&text, 4, false, theme)), 4);
    }
}
