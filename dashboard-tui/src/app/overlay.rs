//! What lies over a view and takes the keyboard: help, palette, a question to confirm, an explanation, the invariants.

use super::keys::{self, Action, BINDINGS, Binding};
use super::place::{Link, Place};
use crate::event::Question;

/// What lies on top.
#[derive(Debug)]
pub(crate) enum Overlay {
    /// Help or palette: a list that is searched, and run.
    Picker(Picker),
    /// Something that waits for a yes.
    Confirm(Confirm),
    /// All that is known of a dead letter, by id.
    Letter(String),
    /// What happened to an id.
    Explanation { id: String, selected: usize },
    /// What must always hold, from this line on.
    Invariants { top: usize },
}

/// A yes is needed for this.
#[derive(Debug)]
pub(crate) struct Confirm {
    pub(crate) title: String,
    /// What will happen, spelt out.
    pub(crate) effect: String,
    pub(crate) yes: &'static str,
    pub(crate) then: Then,
}

/// What a yes does.
#[derive(Debug)]
pub(crate) enum Then {
    Ask(Question),
    Quit,
}

/// A searched list of commands.
#[derive(Debug, Default)]
pub(crate) struct Picker {
    pub(crate) query: String,
    pub(crate) selected: usize,
    /// Help shows keys first, the palette commands and ids.
    pub(crate) help: bool,
}

/// What a line of the picker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Key(Action),
    Open(Link),
    Explain(String),
}

/// A line of the picker.
pub(crate) struct Line {
    pub(crate) choice: Choice,
    pub(crate) keys: &'static str,
    pub(crate) what: String,
    pub(crate) scope: &'static str,
}

/// Longest query.
pub(crate) const QUERY_LIMIT: usize = 200;

impl Picker {
    /// The lines that match, best first; only what can be done at `place`.
    pub(crate) fn lines(&self, place: &Place) -> Vec<Line> {
        let query = self.query.trim();
        let mut lines = Vec::new();
        if !self.help {
            lines.extend(id_lines(query));
        }
        let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let mut found: Vec<(bool, &Binding)> = BINDINGS
            .iter()
            .filter(|binding| runs(binding, place, self.help))
            .filter(|binding| matches(binding, &words))
            .map(|binding| (!starts(binding, query), binding))
            .collect();
        found.sort_by_key(|(later, binding)| (*later, binding.scope == keys::Scope::Everywhere));
        lines.extend(found.into_iter().map(|(_, binding)| Line {
            choice: Choice::Key(binding.action),
            keys: binding.keys,
            what: binding.what.to_owned(),
            scope: binding.scope.title(),
        }));
        lines
    }
}

/// Keys that move about have no use as commands.
fn runs(binding: &Binding, place: &Place, help: bool) -> bool {
    let moves = matches!(
        binding.action,
        Action::Down | Action::Up | Action::PageDown | Action::PageUp | Action::Back | Action::Palette
    );
    binding.scope.covers(place) && (help || !moves)
}

fn matches(binding: &Binding, words: &[String]) -> bool {
    words.iter().all(|word| {
        binding.what.to_lowercase().contains(word)
            || binding.hint.contains(word.as_str())
            || binding.scope.title().contains(word.as_str())
            || binding.keys.to_lowercase().split(' ').any(|key| key == word)
    })
}

fn starts(binding: &Binding, query: &str) -> bool {
    !query.is_empty() && binding.what.to_lowercase().starts_with(&query.to_lowercase())
}

/// A pasted id or link finds the whole business operation.
fn id_lines(query: &str) -> Vec<Line> {
    let line = |choice, what: String| Line {
        choice,
        keys: "",
        what,
        scope: "find",
    };
    if query.starts_with('/') {
        let link = Link::parse(query);
        return link
            .map(|link| line(Choice::Open(link), format!("open {query}")))
            .into_iter()
            .collect();
    }
    // Commands are words; an id has a digit and no blank.
    let looks_like_id = query.len() >= 4 && query.bytes().any(|b| b.is_ascii_digit()) && !query.contains(' ');
    if !looks_like_id {
        return vec![];
    }
    let mut lines = vec![];
    if query.len() == 32 && query.bytes().all(|b| b.is_ascii_hexdigit()) {
        lines.push(line(
            Choice::Open(Link::to(Place::Trace(query.to_lowercase()))),
            format!("trace {query}"),
        ));
    }
    lines.push(line(Choice::Explain(query.to_owned()), format!("explain {query}")));
    let sagas = Link {
        filter: Some(query.to_owned()),
        ..Link::to(Place::Sagas)
    };
    lines.push(line(Choice::Open(sagas), format!("sagas with {query}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(query: &str, help: bool) -> Vec<Line> {
        let picker = Picker {
            query: query.into(),
            help,
            selected: 0,
        };
        picker.lines(&Place::Sagas)
    }

    #[test]
    fn a_word_finds_its_command() {
        assert_eq!(
            lines("chaos", false)[0].choice,
            Choice::Key(Action::Show(super::super::place::View::Chaos))
        );
        assert_eq!(lines("quit", false)[0].choice, Choice::Key(Action::Quit));
        assert!(lines("no such thing", false).is_empty());
        assert_eq!(lines("", true).len(), keys::here(&Place::Sagas).count());
    }

    #[test]
    fn a_pasted_id_finds_the_operation() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(
            lines(id, false)[0].choice,
            Choice::Open(Link::to(Place::Trace(id.into())))
        );
        assert_eq!(lines("7f3a91c2", false)[0].choice, Choice::Explain("7f3a91c2".into()));
        assert_eq!(lines("/chaos", false)[0].choice, Choice::Open(Link::to(Place::Chaos)));
    }
}
