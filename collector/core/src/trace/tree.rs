//! Parents and children among the spans of a trace.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rows::{SpanId, SpanRow};

/// The spans of a trace, each once, by start; and how they hang together.
pub(super) struct Tree<'a> {
    pub(super) spans: Vec<&'a SpanRow>,
    /// Place and depth in waterfall order.
    pub(super) order: Vec<(usize, u32)>,
    /// By place; each list by start.
    children: Vec<Vec<usize>>,
    parents: Vec<Option<usize>>,
    /// Place of a span that has no parent, or else of the first in the waterfall.
    root: Option<usize>,
    has_circle: bool,
}

impl<'a> Tree<'a> {
    pub(super) fn of(spans: &'a [Arc<SpanRow>]) -> Self {
        let mut sorted: Vec<&SpanRow> = spans.iter().map(|span| &**span).collect();
        sorted.sort_by(|a, b| super::by_start(a, b));
        let mut places: HashMap<SpanId, usize> = HashMap::with_capacity(sorted.len());
        let mut once = Vec::with_capacity(sorted.len());
        for span in sorted {
            places.entry(span.span_id).or_insert_with(|| {
                once.push(span);
                once.len() - 1
            });
        }
        let parents: Vec<Option<usize>> = once
            .iter()
            .map(|span| places.get(&span.parent_span_id?).copied())
            .collect();
        let mut children = vec![Vec::new(); once.len()];
        for (place, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent.filter(|parent| *parent != place) {
                children[parent].push(place);
            }
        }
        let mut tree = Self {
            spans: once,
            order: Vec::new(),
            children,
            parents,
            root: None,
            has_circle: false,
        };
        tree.lay_out();
        tree
    }

    /// Where the trace begins.
    pub(super) fn root(&self) -> Option<&'a SpanRow> {
        self.root.map(|place| self.spans[place])
    }

    /// It names a parent that is not here, or itself.
    pub(super) fn lacks_parent(&self, place: usize) -> bool {
        self.spans[place].parent_span_id.is_some() && self.parents[place].is_none_or(|parent| parent == place)
    }

    /// There is a root, and every parent named is known.
    pub(super) fn is_complete(&self) -> bool {
        let has_root = self.spans.iter().any(|span| span.parent_span_id.is_none());
        has_root && !self.has_circle && (0..self.spans.len()).all(|place| !self.lacks_parent(place))
    }

    /// The chain of spans that the root's end waited for: from the end backwards, always the child that ended last
    /// before. By start.
    pub(super) fn critical_path(&self) -> Vec<&'a SpanRow> {
        let mut on_path = vec![false; self.spans.len()];
        let mut open: Vec<(usize, u64)> = self
            .root
            .map(|root| (root, self.spans[root].end().0))
            .into_iter()
            .collect();
        while let Some((place, end)) = open.pop() {
            if std::mem::replace(&mut on_path[place], true) {
                continue;
            }
            let mut children: Vec<usize> = self.children[place].clone();
            children.sort_by_key(|child| std::cmp::Reverse(self.spans[*child].end()));
            let mut until = end;
            for child in children {
                let span = self.spans[child];
                // What ends after its parent was not waited for beyond that; what begins later was not at all.
                if span.start.0 < until && span.end().0 <= end {
                    open.push((child, span.end().0.min(until)));
                    until = span.start.0;
                }
            }
        }
        (0..self.spans.len())
            .filter(|place| on_path[*place])
            .map(|place| self.spans[place])
            .collect()
    }

    /// Parents before children, siblings by start. What hangs in a circle is cut loose at its earliest span.
    fn lay_out(&mut self) {
        let mut seen = vec![false; self.spans.len()];
        let is_top = |place: usize| self.parents[place].is_none_or(|parent| parent == place);
        let tops: Vec<usize> = (0..self.spans.len()).filter(|place| is_top(*place)).collect();
        for top in tops {
            self.lay_out_from(top, &mut seen);
        }
        for place in 0..self.spans.len() {
            if !seen[place] {
                self.has_circle = true;
                self.lay_out_from(place, &mut seen);
            }
        }
        let parentless = (0..self.spans.len()).find(|place| self.spans[*place].parent_span_id.is_none());
        self.root = parentless.or_else(|| self.order.first().map(|(place, _)| *place));
    }

    fn lay_out_from(&mut self, top: usize, seen: &mut [bool]) {
        let mut open = vec![(top, 0)];
        while let Some((place, depth)) = open.pop() {
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            self.order.push((place, depth));
            open.extend(self.children[place].iter().rev().map(|child| (*child, depth + 1)));
        }
    }
}
