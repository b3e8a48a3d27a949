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
    format!("{}{}", whole_numbers(text, head(text, room).0), theme.pick("…", "~"))
}

/// Cut in the middle to `cells`: names of one family differ at the end as much as at the beginning.
pub(super) fn cut_middle(text: &str, cells: usize, theme: Theme) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let Some(room) = cells.checked_sub(1) else {
        return String::new();
    };
    let (start, used) = head(text, room.div_ceil(2));
    let mut end = text.len();
    let mut left = room - used;
    for (at, c) in text.char_indices().rev() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else {
            break;
        };
        (left, end) = (rest, at);
    }
    format!("{start}{}{}", theme.pick("…", "~"), &text[end..])
}

/// Units that stand behind a number.
const UNITS: [&str; 11] = ["ms", "s", "m", "h", "d", "%", "B", "kB", "MB", "GB", "ev"];

/// The head of a text without a last number that lost digits or its unit: `in 588 ms` cut to `in 588 m` would be minutes.
fn whole_numbers<'t>(text: &str, head: &'t str) -> &'t str {
    let rest = &text[head.len()..];
    let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    // The word the cut goes through, or the one right behind it.
    let unit_head = head.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let before_unit = unit_head.trim_end_matches(' ');
    let number = before_unit.trim_end_matches(is_digit);
    let starts_word = number.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
    if number.len() == before_unit.len() || !starts_word {
        return head;
    }
    let is_unit = |word: &str| UNITS.contains(&word);
    let word_of = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphabetic() || *c == '%')
            .collect()
    };
    let severed = if unit_head.len() == head.len() {
        rest.starts_with(is_digit) || is_unit(&word_of(rest.trim_start_matches(' ')))
    } else {
        let word = word_of(&text[unit_head.len()..]);
        is_unit(&word) && unit_head.len() + word.len() > head.len()
    };
    if severed { number.trim_end() } else { head }
}

/// Broken at blanks into lines of at most `cells`; a word that is longer is broken too.
pub(super) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word;
        let used = lines.last().map_or(0, |line| width(line));
        if used > 0 && used + 1 + width(word) > cells {
            lines.push(String::new());
        }
        while width(word) > cells {
            let (fits, _) = head(word, cells);
            if fits.is_empty() {
                // Not even one character fits: nothing can be told here.
                return lines;
            }
            lines.insert(lines.len() - 1, fits.to_owned());
            word = &word[fits.len()..];
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
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
            let kept = whole_numbers(&span.content, head(&span.content, room - 1).0);
            let text = format!("{kept}{}", theme.pick("…", "~"));
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
    fn names_are_cut_in_the_middle() {
        let theme = fixture::theme();
        for (text, cells, fitted) in [
            ("order-choreographed", 19, "order-choreographed"),
            ("order-choreographed", 12, "order-…aphed"),
            ("order-choreographed", 11, "order…aphed"),
            ("日本語日本", 8, "日本…本"),
            ("日本語日本", 9, "日本…日本"),
            ("abc", 2, "a…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut_middle(text, cells, theme), fitted, "{text} in {cells}");
            assert!(width(&cut_middle(text, cells, theme)) <= cells);
        }
    }

    #[test]
    fn text_is_wrapped_at_blanks() {
        for (text, cells, lines) in [
            ("one two three", 7, vec!["one two", "three"]),
            ("one two three", 13, vec!["one two three"]),
            ("abcdefgh ij", 3, vec!["abc", "def", "gh", "ij"]),
            ("日本語 x", 4, vec!["日本", "語 x"]),
            ("", 5, vec![""]),
        ] {
            assert_eq!(wrap(text, cells), lines, "{text} in {cells}");
        }
        assert_eq!(wrap("日本", 1), [""]);
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
    fn a_number_is_not_cut_from_its_unit() {
        let theme = fixture::theme();
        for (text, cells, fitted) in [
            ("breaker in 588 ms", 17, "breaker in 588 ms"),
            ("breaker in 588 ms", 16, "breaker in…"),
            ("breaker in 588 ms", 15, "breaker in…"),
            ("breaker in 588 ms", 14, "breaker in…"),
            ("breaker in 588 ms", 13, "breaker in…"),
            ("probe in 18 s now", 15, "probe in 18 s …"),
            ("1,204 events", 7, "1,204 …"),
            ("1,204 events", 5, "…"),
            ("order 7f3a91c2", 10, "order 7f3…"),
            ("p95 840 ms", 6, "p95…"),
            ("100.0 %", 6, "…"),
        ] {
            assert_eq!(cut(text, cells, theme), fitted, "{text} in {cells}");
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
