//! Rows in aligned columns, for people; scripts take `--json`.

use std::io::{self, Write};

use sagascope_api::text;

/// Longest cell that is shown.
const CELL_CHARACTERS: usize = 60;

/// Prints headings and rows, each column as wide as its widest cell. What came from outside is scrubbed.
pub(crate) fn print(out: &mut impl Write, headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| text::scrub(cell, CELL_CHARACTERS)).collect())
        .collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells.chain([heading.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    line(out, &widths, headings.iter().copied())?;
    for row in &rows {
        line(out, &widths, row.iter().map(String::as_str))?;
    }
    Ok(())
}

fn line<'a>(out: &mut impl Write, widths: &[usize], cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let mut text = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        text.push_str(&format!("{cell:<width$}  "));
    }
    writeln!(out, "{}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_hostile_text_is_tamed() {
        let mut out = Vec::new();
        let rows = vec![
            vec!["orders".to_owned(), "closed".to_owned()],
            vec!["a\u{1b}[31mred".to_owned(), "open".to_owned()],
        ];
        print(&mut out, &["service", "state"], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "service    state\norders     closed\na\u{fffd}[31mred  open\n");
    }
}
