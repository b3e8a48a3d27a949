//! Tables: columns that give way on narrow screens, rows drawn only when seen, headers that sort.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::canvas::Canvas;
use super::words::pad_line;
use crate::app::Target;
use crate::app::list::{List, ListId};

/// A column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Cells it needs.
    pub(super) width: u16,
    /// Its share of what is left over.
    pub(super) grow: u16,
    /// Numbers stand at the right.
    pub(super) right: bool,
    /// Shown from this width of the table on.
    pub(super) from: u16,
}

pub(super) const fn left(title: &'static str, width: u16) -> Column {
    Column {
        title,
        width,
        grow: 0,
        right: false,
        from: 0,
    }
}

pub(super) const fn right(title: &'static str, width: u16) -> Column {
    Column {
        right: true,
        ..left(title, width)
    }
}

impl Column {
    pub(super) const fn grow(self, grow: u16) -> Self {
        Self { grow, ..self }
    }

    pub(super) const fn from(self, from: u16) -> Self {
        Self { from, ..self }
    }
}

/// Cells between columns.
const GAP: u16 = 2;

/// What a table is made of.
pub(super) struct Table<'t> {
    pub(super) id: ListId,
    pub(super) list: &'t List,
    pub(super) columns: &'t [Column],
    /// The first `sortable` columns have headers that sort; the first of all may be a mark without one.
    pub(super) first_sortable: usize,
    pub(super) focus: bool,
}

impl Table<'_> {
    /// Draws header and rows; `row` gives a line for each column of a key, or nothing when the key is gone.
    pub(super) fn draw<'a>(
        &self,
        canvas: &mut Canvas<'a>,
        area: Rect,
        row: impl Fn(&Canvas<'a>, &str) -> Option<Vec<Line<'a>>>,
    ) {
        if area.height == 0 {
            return;
        }
        let widths = widths(self.columns, area.width);
        self.header(canvas, Rect { height: 1, ..area }, &widths);
        let body = Rect {
            y: area.y + 1,
            height: area.height - 1,
            ..area
        };
        let height = usize::from(body.height);
        let offset = self.list.offset_for(height);
        canvas.listed(self.id, offset, height);
        for (place, key) in body.rows().zip(self.list.rows().iter().skip(offset)) {
            let Some(cells) = row(canvas, key) else {
                continue;
            };
            self.row(canvas, place, &widths, cells);
            if self.list.selected() == Some(key) {
                let style = canvas.theme.selected();
                canvas.style(place, if self.focus { style } else { canvas.theme.strong() });
            }
            canvas.hit(place, Target::Row(self.id, key.clone()));
        }
    }

    fn header<'a>(&self, canvas: &mut Canvas<'a>, area: Rect, widths: &[u16]) {
        let mut x = area.x;
        for (n, (column, width)) in self
            .columns
            .iter()
            .zip(widths)
            .enumerate()
            .filter(|(_, (_, width))| **width > 0)
        {
            let place = Rect {
                x,
                width: *width,
                ..area
            };
            let sorted = self
                .list
                .sort
                .filter(|sort| n >= self.first_sortable && sort.column == n - self.first_sortable);
            let arrow = match sorted {
                Some(sort) if sort.inverted => canvas.theme.pick("↑", "^"),
                Some(_) => canvas.theme.pick("↓", "v"),
                None => "",
            };
            let title = Line::from(Span::styled(format!("{}{arrow}", column.title), canvas.theme.dim()));
            let spans = pad_line(title, (*width).into(), column.right, canvas.theme);
            canvas.line(place, spans);
            if n >= self.first_sortable && !column.title.is_empty() {
                canvas.hit(place, Target::Header(self.id, n - self.first_sortable));
            }
            x += width + GAP;
        }
    }

    fn row<'a>(&self, canvas: &mut Canvas<'a>, area: Rect, widths: &[u16], cells: Vec<Line<'a>>) {
        let mut spans = Vec::new();
        for ((column, width), cell) in self.columns.iter().zip(widths).zip(cells) {
            if *width == 0 {
                continue;
            }
            if !spans.is_empty() {
                spans.push(Span::raw("  "));
            }
            spans.extend(pad_line(cell, (*width).into(), column.right, canvas.theme));
        }
        canvas.line(area, spans);
    }
}

/// The cells each column gets; 0 when it is left out.
fn widths(columns: &[Column], total: u16) -> Vec<u16> {
    let shown = |column: &Column| total >= column.from;
    let needed: u16 = columns
        .iter()
        .filter(|column| shown(column))
        .map(|column| column.width + GAP)
        .sum();
    let spare = (total + GAP).saturating_sub(needed);
    let shares: u16 = columns
        .iter()
        .filter(|column| shown(column))
        .map(|column| column.grow)
        .sum();
    columns
        .iter()
        .map(|column| match (shown(column), shares) {
            (false, _) => 0,
            (true, 0) => column.width,
            (true, shares) => column.width + spare * column.grow / shares,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_share_what_is_left_and_give_way() {
        let columns = [left("a", 4), left("b", 10).grow(1), right("c", 6).from(40)];
        assert_eq!(widths(&columns, 20), [4, 14, 0]);
        assert_eq!(widths(&columns, 40), [4, 26, 6]);
        assert_eq!(widths(&columns, 10), [4, 10, 0]);
    }
}
