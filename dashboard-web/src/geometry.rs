//! Where things are drawn: charts, bands, waterfalls and the part of a long list that is in view.

use sagascope_api::Time;

/// A stretch of a chart's width, both ends 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    /// Left end.
    pub from: f64,
    /// Right end.
    pub to: f64,
}

/// The part of a window of `seconds` that ends at `now` which lies between two moments; nothing when it is outside.
pub(crate) fn stretch(from: Time, to: Time, now: Time, seconds: f64) -> Option<Stretch> {
    let place = |at: Time| 1.0 - now.seconds_since(at) / seconds;
    let (from, to) = (place(from).max(0.0), place(to).min(1.0));
    (from < to).then_some(Stretch { from, to })
}

/// Points of a line through `values` in a box of `width` × `height`, the greatest at the top, as SVG wants them.
pub(crate) fn line(values: &[f32], top: f32, width: f64, height: f64) -> String {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let mut points = String::with_capacity(values.len() * 12);
    for (n, value) in values.iter().enumerate() {
        let x = n as f64 / last * width;
        let share = if top > 0.0 && value.is_finite() {
            f64::from(*value / top).clamp(0.0, 1.0)
        } else {
            0.0
        };
        points.push_str(&format!("{x:.1},{:.1} ", height - share * height));
    }
    points
}

/// Greatest finite value, at least `least`.
pub(crate) fn top(values: &[f32], least: f32) -> f32 {
    values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(least, f32::max)
}

/// Rows of a long list that are in view, with a few around them.
pub(crate) fn in_view(scroll_top: f64, height: f64, row: f64, count: usize) -> std::ops::Range<usize> {
    const AROUND: usize = 8;
    let first = (scroll_top.max(0.0) / row) as usize;
    let shown = (height.max(row) / row).ceil() as usize + 1;
    let end = first.saturating_add(shown + AROUND).min(count);
    first.saturating_sub(AROUND).min(end)..end
}

/// Round times for a ruler over `nanos`, at most `most` of them, the first at zero.
pub(crate) fn ticks(nanos: u64, most: usize) -> Vec<u64> {
    let rough = (nanos / most.max(1) as u64).max(1);
    let mut unit = 1_u64;
    while unit.saturating_mul(10) <= rough {
        unit *= 10;
    }
    let step = [1, 2, 5, 10]
        .into_iter()
        .map(|n| unit.saturating_mul(n))
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    (0..most as u64)
        .map_while(|n| n.checked_mul(step))
        .take_while(|at| *at < nanos)
        .collect()
}

/// A span's bar within its trace: left edge and width in percent; a bar never falls outside nor vanishes.
pub(crate) fn bar(start: u64, duration: u64, trace_start: u64, trace_duration: u64) -> (f64, f64) {
    let whole = trace_duration.max(1) as f64;
    let left = (start.saturating_sub(trace_start) as f64 / whole * 100.0).clamp(0.0, 99.8);
    (left, (duration as f64 / whole * 100.0).clamp(0.2, 100.0 - left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_cut_to_the_window() {
        let at = |seconds: u64| Time(seconds * 1_000_000_000);
        let cut = |from, to| stretch(at(from), at(to), at(1_000), 100.0).map(|s| (s.from, s.to));
        assert_eq!(cut(950, 975), Some((0.5, 0.75)));
        assert_eq!(cut(800, 950), Some((0.0, 0.5)));
        assert_eq!(cut(950, 2_000), Some((0.5, 1.0)));
        assert_eq!(cut(100, 200), None);
        assert_eq!(cut(975, 950), None);
    }

    #[test]
    fn a_line_stays_in_its_box_whatever_the_values() {
        assert_eq!(
            line(&[0.0, 5.0, 10.0], 10.0, 100.0, 20.0),
            "0.0,20.0 50.0,10.0 100.0,0.0 "
        );
        for values in [vec![], vec![f32::NAN], vec![f32::INFINITY, -1.0], vec![0.0]] {
            assert!(!line(&values, top(&values, 0.0), 10.0, 10.0).contains("NaN"));
        }
    }

    #[test]
    fn only_rows_in_view_are_drawn() {
        assert_eq!(in_view(0.0, 360.0, 36.0, 10_000), 0..19);
        assert_eq!(in_view(36_000.0, 360.0, 36.0, 10_000), 992..1_019);
        assert_eq!(in_view(1e9, 360.0, 36.0, 20), 20..20);
        assert_eq!(in_view(0.0, 0.0, 36.0, 3), 0..3);
        assert!(in_view(1_000.0, 360.0, 36.0, 10_000).len() < 40);
    }

    #[test]
    fn ruler_ticks_are_round_and_few() {
        assert_eq!(ticks(1_000, 5), [0, 200, 400, 600, 800]);
        assert_eq!(
            ticks(87_000_000, 5),
            [0, 20_000_000, 40_000_000, 60_000_000, 80_000_000]
        );
        assert!(ticks(0, 5).is_empty());
        assert!(ticks(u64::MAX, 5).len() <= 5);
    }

    #[test]
    fn bars_stay_inside_and_visible() {
        assert_eq!(bar(150, 50, 100, 100), (50.0, 50.0));
        for (start, duration) in [(0, 0), (u64::MAX, u64::MAX), (100, u64::MAX), (199, 0)] {
            let (left, width) = bar(start, duration, 100, 100);
            assert!(
                left >= 0.0 && width >= 0.2 && left + width <= 100.0 + 1e-9,
                "{left} {width}"
            );
        }
        assert!(bar(5, 5, 0, 0).1 > 0.0);
    }
}
