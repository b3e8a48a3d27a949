//! Figures of an experiment as lines: side by side where they fit, else turned, else one by one.

use ratatui::text::{Line, Span};
use sagascope_api::experiments::FigureTable;

use super::canvas::Canvas;
use super::words::{pad, width, wrap};

/// Cells between columns.
const GAP: usize = 2;

/// The title, then the figures in at most `cells` cells.
pub(super) fn lines<'a>(canvas: &Canvas<'a>, table: &FigureTable, cells: usize) -> Vec<Line<'a>> {
    let mut lines: Vec<Line> = wrap(&table.title, cells)
        .into_iter()
        .map(|line| Line::from(canvas.dim(line)))
        .collect();
    let upright = grid(table);
    let turned = turn(&upright);
    let body = match (total(&upright) <= cells, total(&turned) <= cells) {
        (true, _) => aligned(canvas, &upright),
        (false, true) => aligned(canvas, &turned),
        (false, false) => one_by_one(canvas, table, cells),
    };
    lines.extend(body);
    lines
}

/// Heads and rows, as cells.
fn grid(table: &FigureTable) -> Vec<Vec<String>> {
    std::iter::once(&table.columns).chain(&table.rows).cloned().collect()
}

fn turn(grid: &[Vec<String>]) -> Vec<Vec<String>> {
    let columns = grid.first().map_or(0, Vec::len);
    let column = |n: usize| grid.iter().map(|row| row.get(n).cloned().unwrap_or_default()).collect();
    (0..columns).map(column).collect()
}

fn widths(grid: &[Vec<String>]) -> Vec<usize> {
    let columns = grid.first().map_or(0, Vec::len);
    let widest = |n: usize| grid.iter().filter_map(|row| row.get(n)).map(|cell| width(cell)).max();
    (0..columns).map(|n| widest(n).unwrap_or(0)).collect()
}

fn total(grid: &[Vec<String>]) -> usize {
    widths(grid)
        .iter()
        .map(|width| width + GAP)
        .sum::<usize>()
        .saturating_sub(GAP)
}

fn aligned<'a>(canvas: &Canvas<'a>, grid: &[Vec<String>]) -> Vec<Line<'a>> {
    let widths = widths(grid);
    let is_number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || c == '–');
    let rights: Vec<bool> = (0..widths.len())
        // The first column names its row.
        .map(|n| n > 0 && grid.iter().skip(1).filter_map(|row| row.get(n)).all(is_number))
        .collect();
    let line = |(at, row): (usize, &Vec<String>)| {
        let mut spans = Vec::with_capacity(row.len() * 2);
        for (n, cell) in row.iter().enumerate() {
            if n > 0 {
                spans.push(Span::raw(" ".repeat(GAP)));
            }
            let cell = pad(cell, widths[n], rights[n], canvas.theme);
            spans.push(match (at, n) {
                (0, _) => canvas.dim(cell),
                (_, 0) => canvas.strong(cell),
                _ => Span::raw(cell),
            });
        }
        Line::from(spans)
    };
    grid.iter().enumerate().map(line).collect()
}

/// Each row as `head value` pairs, wrapped.
fn one_by_one<'a>(canvas: &Canvas<'a>, table: &FigureTable, cells: usize) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    for row in &table.rows {
        let mut pairs = table.columns.iter().zip(row);
        if let Some((_, first)) = pairs.next() {
            lines.push(Line::from(canvas.strong(first.clone())));
        }
        let pairs: Vec<String> = pairs.map(|(head, value)| format!("{head} {value}")).collect();
        let wrapped = wrap(&pairs.join(" · "), cells.saturating_sub(2));
        lines.extend(wrapped.into_iter().map(|line| Line::from(format!("  {line}"))));
    }
    lines
}
