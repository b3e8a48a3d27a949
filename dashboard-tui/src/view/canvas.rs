//! The buffer with what every view needs beside it: theme, clock, and the memory of what was drawn where.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};
use sagascope_api::Time;
use sagascope_api::live::Picture;
use sagascope_api::text::Mark;

use super::words::cut_line;
use crate::app::list::ListId;
use crate::app::{App, Drawn, Target};
use crate::theme::Theme;

/// Where views draw.
pub(super) struct Canvas<'a> {
    pub(super) app: &'a App,
    pub(super) theme: Theme,
    /// The collector's clock, standing still while frozen.
    pub(super) clock: Time,
    buffer: &'a mut Buffer,
    drawn: Drawn,
}

const ASCII_BORDER: border::Set = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

impl<'a> Canvas<'a> {
    pub(super) fn new(app: &'a App, buffer: &'a mut Buffer, now: Time) -> Self {
        Self {
            app,
            theme: app.setup.theme,
            clock: app.known.clock(now),
            buffer,
            drawn: Drawn::default(),
        }
    }

    /// Ends drawing. On a terminal that lacks the glyphs, nothing but ASCII is left, whoever wrote it.
    pub(super) fn finish(self) -> Drawn {
        if self.theme.ascii {
            for cell in &mut self.buffer.content {
                if !cell.symbol().is_ascii() {
                    let plain = plain(cell.symbol());
                    cell.set_symbol(plain);
                }
            }
        }
        self.drawn
    }

    pub(super) fn picture(&self) -> &'a Picture {
        self.app.known.picture()
    }

    /// Writes a line at the top of an area, cut to its width.
    pub(super) fn line(&mut self, area: Rect, line: impl Into<Line<'a>>) {
        if area.height == 0 || area.width == 0 {
            return;
        }
        let line = cut_line(line.into(), area.width.into(), self.theme);
        self.buffer.set_style(Rect { height: 1, ..area }, line.style);
        self.buffer.set_line(area.x, area.y, &line, area.width);
    }

    /// Writes a line at the right end of an area.
    pub(super) fn line_right(&mut self, area: Rect, line: impl Into<Line<'a>>) {
        let line = line.into();
        let width = u16::try_from(line.width()).unwrap_or(u16::MAX).min(area.width);
        let right = Rect {
            x: area.right() - width,
            width,
            ..area
        };
        self.line(right, line);
    }

    /// Writes lines one below the other, as many as fit.
    pub(super) fn lines(&mut self, area: Rect, lines: impl IntoIterator<Item = Line<'a>>) {
        for (row, line) in area.rows().zip(lines) {
            self.line(row, line);
        }
    }

    /// Writes text, wrapped at words.
    pub(super) fn paragraph(&mut self, area: Rect, text: Text<'a>) {
        Paragraph::new(text)
            .wrap(Wrap { trim: false })
            .render(area, self.buffer);
    }

    /// A frame with a title; its inside comes back.
    pub(super) fn panel(&mut self, area: Rect, title: impl Into<Line<'a>>, focus: bool) -> Rect {
        let style = if focus { self.theme.focus() } else { self.theme.dim() };
        let set = if self.theme.ascii {
            ASCII_BORDER
        } else {
            border::ROUNDED
        };
        let mut title = title.into();
        if title.width() > 0 {
            title.spans.insert(0, Span::raw(" "));
            title.spans.push(Span::raw(" "));
        }
        let title = cut_line(title, usize::from(area.width.saturating_sub(2)), self.theme);
        let block = Block::bordered().border_set(set).border_style(style).title(title);
        let inner = block.inner(area);
        block.render(area, self.buffer);
        inner
    }

    /// Empties an area for what lies on top.
    pub(super) fn clear(&mut self, area: Rect) {
        Clear.render(area, self.buffer);
    }

    pub(super) fn style(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    /// A state's shape in its colour.
    pub(super) fn mark(&self, mark: Mark) -> Span<'static> {
        Span::styled(self.theme.glyph(mark), self.theme.tone(mark.tone))
    }

    pub(super) fn dim(&self, text: impl Into<std::borrow::Cow<'a, str>>) -> Span<'a> {
        Span::styled(text, self.theme.dim())
    }

    pub(super) fn strong(&self, text: impl Into<std::borrow::Cow<'a, str>>) -> Span<'a> {
        Span::styled(text, self.theme.strong())
    }

    /// Makes an area clickable.
    pub(super) fn hit(&mut self, area: Rect, target: Target) {
        self.drawn.hits.push((area, target));
    }

    /// Tells how a list was scrolled and how many rows it showed.
    pub(super) fn listed(&mut self, id: ListId, offset: usize, height: usize) {
        self.drawn.lists.push((id, offset, height));
    }
}

/// The nearest ASCII of what the shared texts are written with.
fn plain(symbol: &str) -> &'static str {
    match symbol {
        "·" | "–" | "─" => "-",
        "→" | "▶" | "›" => ">",
        "←" | "◀" | "‹" => "<",
        "…" => "~",
        "×" => "x",
        "∞" => "8",
        "│" => "|",
        _ => "?",
    }
}
