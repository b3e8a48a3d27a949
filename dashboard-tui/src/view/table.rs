//! Tables: columns that give way on narrow screens, rows drawn only when seen, headers that sort.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::canvas::Canvas;
use super::words::{cut_middle, pad_line};
use crate::app::Target;
use crate::app::list::{List, ListId};
use crate::theme::Theme;

/// A column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Cells it needs.
    pub(super) width: u16,
    /// Its share of what is left over, once every column that grows has what its content needs.
    pub(super) grow: u16,
    /// Numbers stand at the right.
    pub(super) right: bool,
    /// Shown from this width of the table on.
    pub(super) from: u16,
    /// Cells that it may take when its content is longer than `width`; such content is a name, cut in its middle.
    pub(super) most: u16,
}

pub(super) const fn left(title: &'static str, width: u16) -> Column {
    Column {
        title,
        width,
        grow: 0,
        right: false,
        from: 0,
        most: 0,
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

    /// A name: as wide as the longest of them when there is room, `most` at most.
    pub(super) const fn named(self, most: u16) -> Self {
        Self { most, ..self }
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
        let body = Rect {
            y: area.y + 1,
            height: area.height - 1,
            ..area
        };
        let height = usize::from(body.height);
        let offset = self.list.offset_for(height);
        canvas.listed(self.id, offset, height);
        let seen = self.list.rows().iter().skip(offset).take(height);
        let rows: Vec<_> = seen.map(|key| (key, row(canvas, key))).collect();
        let needs = needs(
            self.columns.len(),
            rows.iter().filter_map(|(_, cells)| cells.as_deref()),
        );
        let widths = widths(self.columns, &needs, area.width);
        self.header(canvas, Rect { height: 1, ..area }, &widths);
        for (place, (key, cells)) in body.rows().zip(rows) {
            let Some(cells) = cells else {
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
            let cell = match column.most {
                0 => cell,
                _ => cut_name(cell, (*width).into(), canvas.theme),
            };
            spans.extend(pad_line(cell, (*width).into(), column.right, canvas.theme));
        }
        canvas.line(area, spans);
    }
}

/// A name alone in its cell is cut in the middle; anything else as all cells are.
fn cut_name<'a>(cell: Line<'a>, cells: usize, theme: Theme) -> Line<'a> {
    match cell.spans.as_slice() {
        [name] if name.width() > cells => Line::from(Span::styled(cut_middle(&name.content, cells, theme), name.style)),
        _ => cell,
    }
}

/// The cells that the widest content of each column takes.
fn needs<'r>(columns: usize, rows: impl Iterator<Item = &'r [Line<'r>]>) -> Vec<u16> {
    let mut needs = vec![0; columns];
    for cells in rows {
        for (need, cell) in needs.iter_mut().zip(cells) {
            *need = (*need).max(u16::try_from(cell.width()).unwrap_or(u16::MAX));
        }
    }
    needs
}

/// The cells each column gets; 0 when it is left out.
fn widths(columns: &[Column], needs: &[u16], total: u16) -> Vec<u16> {
    let shown = |column: &Column| total >= column.from;
    let mut widths: Vec<u16> = columns
        .iter()
        .map(|column| if shown(column) { column.width } else { 0 })
        .collect();
    let used: u16 = widths.iter().filter(|width| **width > 0).map(|width| width + GAP).sum();
    let mut spare = (total + GAP).saturating_sub(used);
    for (n, column) in columns.iter().enumerate().filter(|(_, column)| shown(column)) {
        let more = needs[n].min(column.most).saturating_sub(widths[n]).min(spare);
        widths[n] += more;
        spare -= more;
    }
    let growing = || {
        let all = columns.iter().enumerate();
        all.filter(|(_, column)| shown(column) && column.grow > 0)
    };
    for (n, _) in growing() {
        let more = needs[n].saturating_sub(widths[n]).min(spare);
        widths[n] += more;
        spare -= more;
    }
    let shares: u16 = growing().map(|(_, column)| column.grow).sum();
    for (n, column) in growing() {
        widths[n] += spare * column.grow / shares;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_share_what_is_left_and_give_way() {
        let columns = [left("a", 4), left("b", 10).grow(1), right("c", 6).from(40)];
        assert_eq!(widths(&columns, &[0; 3], 20), [4, 14, 0]);
        assert_eq!(widths(&columns, &[0; 3], 40), [4, 26, 6]);
        assert_eq!(widths(&columns, &[0; 3], 10), [4, 10, 0]);
    }

    #[test]
    fn a_name_is_whole_when_there_is_room_up_to_its_most() {
        let columns = [left("a", 5).named(12), left("b", 5).grow(1)];
        assert_eq!(widths(&columns, &[9, 20], 40), [9, 29]);
        assert_eq!(widths(&columns, &[19, 20], 40), [12, 26]);
        assert_eq!(widths(&columns, &[19, 20], 14), [7, 5]);
        assert_eq!(widths(&columns, &[2, 20], 14), [5, 7]);
    }

    #[test]
    fn a_column_that_needs_room_gets_it_before_one_that_does_not() {
        let columns = [left("a", 5).grow(1), left("b", 5).grow(1)];
        assert_eq!(widths(&columns, &[5, 20], 31), [7, 22]);
        assert_eq!(widths(&columns, &[5, 20], 22), [5, 15]);
        assert_eq!(widths(&columns, &[3, 3], 22), [10, 10]);
    }
}
