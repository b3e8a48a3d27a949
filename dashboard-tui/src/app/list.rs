//! A list that does not move under the hand: it follows the newest until a person takes hold of it.

use std::collections::HashSet;

/// Which list; names the places where rows can be clicked and scrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListId {
    Overview,
    Sagas,
    SagaEvents,
    Traces,
    Spans,
    Breakers,
    ReadModels,
    Lab,
    /// Lines of an open experiment; only scrolled.
    Experiment,
    Picker,
}

/// Order of rows, chosen by column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) column: usize,
    pub(crate) inverted: bool,
}

/// Rows by key, the selected one, and how far the list is scrolled.
#[derive(Debug)]
pub(crate) struct List {
    rows: Vec<String>,
    selected: Option<String>,
    pub(crate) offset: usize,
    /// New rows come in by themselves.
    pub(crate) following: bool,
    /// Rows that would come in, were it followed.
    pub(crate) fresh: usize,
    /// Column to sort by; the list's own order when absent.
    pub(crate) sort: Option<Sort>,
    /// A person has moved in it; before that the selection is ours to place.
    pub(crate) touched: bool,
}

impl List {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::new(),
            selected: None,
            offset: 0,
            following: true,
            fresh: 0,
            sort: None,
            touched: false,
        }
    }

    pub(crate) fn rows(&self) -> &[String] {
        &self.rows
    }

    pub(crate) fn selected(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    pub(crate) fn selected_index(&self) -> Option<usize> {
        let selected = self.selected.as_deref()?;
        self.rows.iter().position(|row| row == selected)
    }

    /// Takes the rows as they would stand now. While held, known rows keep their places and new ones wait.
    pub(crate) fn settle(&mut self, ordered: Vec<String>) {
        self.settle_from(&ordered);
    }

    /// [`List::settle`] from borrowed keys: a row that stands where it stood costs a comparison, no copy.
    pub(crate) fn settle_from<R: AsRef<str>>(&mut self, ordered: &[R]) {
        let before = self.selected_index();
        if self.following || self.rows.is_empty() {
            self.fresh = 0;
            self.rows.truncate(ordered.len());
            let known = self.rows.len();
            for (row, key) in self.rows.iter_mut().zip(ordered) {
                let key = key.as_ref();
                if row != key {
                    row.clear();
                    row.push_str(key);
                }
            }
            self.rows
                .extend(ordered[known..].iter().map(|key| key.as_ref().to_owned()));
        } else {
            let present: HashSet<&str> = ordered.iter().map(AsRef::as_ref).collect();
            self.rows.retain(|row| present.contains(row.as_str()));
            self.fresh = ordered.len() - self.rows.len();
        }
        if self.selected_index().is_none() {
            let index = before.unwrap_or(0).min(self.rows.len().saturating_sub(1));
            self.selected = self.rows.get(index).cloned();
        }
    }

    /// Replaces the rows, held or not: another filter, another order.
    pub(crate) fn replace(&mut self, ordered: Vec<String>) {
        self.rows.clear();
        self.settle(ordered);
    }

    pub(crate) fn select(&mut self, key: &str) {
        self.selected = Some(key.to_owned());
    }

    /// Moves by rows; the ends hold.
    pub(crate) fn step(&mut self, by: isize) {
        let Some(last) = self.rows.len().checked_sub(1) else {
            return;
        };
        self.touched = true;
        let at = self.selected_index().unwrap_or(0);
        self.selected = self.rows.get(at.saturating_add_signed(by).min(last)).cloned();
    }

    /// Stops rows from moving.
    pub(crate) fn hold(&mut self) {
        self.following = false;
    }

    /// The row shown first so that the selected one is on screen; `pinned` keeps the top in view instead.
    pub(crate) fn offset_for(&self, height: usize) -> usize {
        let last_offset = self.rows.len().saturating_sub(height);
        if self.following && !self.touched {
            return 0;
        }
        let Some(at) = self.selected_index() else {
            return self.offset.min(last_offset);
        };
        self.offset
            .clamp((at + 1).saturating_sub(height.max(1)), at)
            .min(last_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    #[test]
    fn while_followed_new_rows_come_in_and_the_selection_stays() {
        let mut list = List::new();
        list.settle(keys("abc"));
        list.step(1);
        list.settle(keys("xabc"));
        assert_eq!(
            (list.selected(), list.selected_index(), list.fresh),
            (Some("b"), Some(2), 0)
        );
    }

    #[test]
    fn while_held_rows_keep_their_places_and_new_ones_are_counted() {
        let mut list = List::new();
        list.settle(keys("abc"));
        list.hold();
        list.settle(keys("yxcb"));
        assert_eq!((list.rows(), list.fresh), (keys("bc").as_slice(), 2));
        list.following = true;
        list.settle(keys("yxcb"));
        assert_eq!((list.rows(), list.fresh), (keys("yxcb").as_slice(), 0));
    }

    #[test]
    fn a_selected_row_that_goes_leaves_its_place_to_the_next() {
        let mut list = List::new();
        list.settle(keys("abc"));
        list.step(1);
        list.settle(keys("ac"));
        assert_eq!(list.selected(), Some("c"));
        list.settle(keys("a"));
        assert_eq!(list.selected(), Some("a"));
        list.settle(keys(""));
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn the_selected_row_is_on_screen() {
        let mut list = List::new();
        list.settle(keys("abcdefghij"));
        list.hold();
        for (steps, height, offset) in [(0, 3, 0), (4, 3, 2), (5, 3, 7), (-9, 3, 0), (0, 0, 0), (9, 20, 0)] {
            list.step(steps);
            list.offset = list.offset_for(height);
            if height > 0 {
                let at = list.selected_index().unwrap();
                assert!((list.offset..list.offset + height).contains(&at));
            }
            assert_eq!(list.offset, offset, "after {steps}");
        }
    }
}
