//! Small drawings out of characters: sparklines, bars, bands.

use crate::theme::Theme;

const EIGHTHS_UP: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_UP: [&str; 8] = [".", ".", ":", ":", "-", "=", "#", "#"];
const EIGHTHS_RIGHT: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// The last values as bars upward, scaled to the greatest; nothing where nothing happened.
pub(super) fn spark(values: &[f32], cells: usize, theme: Theme) -> String {
    let tail = &values[values.len().saturating_sub(cells)..];
    let top = tail
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0_f32, f32::max);
    let levels = if theme.ascii { ASCII_UP } else { EIGHTHS_UP };
    let bars = tail.iter().map(|value| match value / top {
        share if share > 0.0 => levels[((share * 8.0) as usize).min(7)],
        _ => " ",
    });
    bars.collect()
}

/// A bar of `share` (0 to 1) of `cells`, to an eighth of a cell.
pub(super) fn bar(share: f64, cells: usize, theme: Theme) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * cells as f64 * 8.0).round() as usize;
    if theme.ascii {
        return "#".repeat(eighths.div_ceil(8));
    }
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS_RIGHT[eighths % 8])
}

/// A chart of several rows, top row first; every value fills its column from below.
pub(super) fn columns(values: &[f32], cells: usize, rows: usize, theme: Theme) -> (Vec<String>, f32) {
    let tail = &values[values.len().saturating_sub(cells)..];
    let top = tail
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0_f32, f32::max);
    let levels = if theme.ascii { ASCII_UP } else { EIGHTHS_UP };
    let row = |row: usize| {
        let below = (rows - 1 - row) * 8;
        let cell = |value: &f32| {
            let eighths = if top > 0.0 {
                (value / top * (rows * 8) as f32).round() as usize
            } else {
                0
            };
            match eighths.saturating_sub(below) {
                0 => " ",
                part => levels[part.min(8) - 1],
            }
        };
        tail.iter().map(cell).collect()
    };
    ((0..rows).map(row).collect(), top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture;

    #[test]
    fn sparks_are_scaled_to_the_greatest() {
        let theme = fixture::theme();
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0], 4, theme), " ▂▅█");
        assert_eq!(spark(&[9.0, 1.0, 1.0], 2, theme), "██");
        assert_eq!(spark(&[0.0, 0.0], 4, theme), "  ");
        assert_eq!(spark(&[f32::NAN, f32::INFINITY, 1.0], 4, theme).chars().count(), 3);
    }

    #[test]
    fn bars_are_exact_to_an_eighth() {
        let theme = fixture::theme();
        assert_eq!(bar(0.5, 3, theme), "█▌");
        assert_eq!(bar(0.0, 3, theme), "");
        assert_eq!(bar(7.0, 2, theme), "██");
        assert_eq!(bar(f64::NAN, 2, theme), "");
    }

    #[test]
    fn columns_grow_from_below() {
        let (rows, top) = columns(&[0.0, 4.0, 8.0], 3, 2, fixture::theme());
        assert_eq!((rows, top), (vec!["  █".to_owned(), " ██".to_owned()], 8.0));
    }
}
