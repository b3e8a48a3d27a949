//! The filter of the saga list: terms that must all hold, `field:value`, `!` or `-` to invert, `"quoted words"`.

use sagascope_api::sagas::Saga;

/// A filter that was read; anything typed is a filter, so it never fails halfway through a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    inverted: bool,
    field: Option<String>,
    value: String,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Self {
        let terms = words(text).iter().filter_map(|word| Term::parse(word)).collect();
        Self { terms }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The first field that no saga has, so that a person learns why nothing is found.
    pub(crate) fn unknown_field(&self) -> Option<&str> {
        self.terms
            .iter()
            .filter_map(|term| term.field.as_deref())
            .find(|field| !FIELDS.contains(field))
    }

    pub(crate) fn matches(&self, saga: &Saga) -> bool {
        self.terms.iter().all(|term| term.matches(saga) != term.inverted)
    }
}

/// Fields that can be asked for, as the search language names them.
pub(crate) const FIELDS: [&str; 15] = [
    "saga.name",
    "name",
    "saga.id",
    "id",
    "state",
    "step",
    "stuck",
    "waiting",
    "on",
    "correlation.id",
    "correlation",
    "trace",
    "fault",
    "reason",
    "coordination",
];

impl Term {
    fn parse(word: &str) -> Option<Self> {
        let (inverted, word) = match word.strip_prefix(['!', '-']) {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let (field, value) = match word.split_once(':') {
            Some((field, value)) if !field.is_empty() && !field.starts_with('"') => (Some(field.to_lowercase()), value),
            _ => (None, word),
        };
        let value = value.trim_matches('"').to_lowercase();
        (!value.is_empty()).then_some(Self { inverted, field, value })
    }

    fn matches(&self, saga: &Saga) -> bool {
        let has = |text: &str| contains(text, &self.value);
        let has_some = |text: &Option<String>| text.as_deref().is_some_and(has);
        let waiting = saga.waiting.as_ref();
        let Some(field) = &self.field else {
            return has(&saga.id)
                || has(&saga.name)
                || has(saga.state.as_str())
                || saga.step.as_ref().is_some_and(|step| has(&step.name))
                || has_some(&saga.correlation_id)
                || has_some(&saga.trace_id)
                || has_some(&saga.reason);
        };
        match field.as_str() {
            "saga.name" | "name" => has(&saga.name),
            "saga.id" | "id" => has(&saga.id),
            "state" => has(saga.state.as_str()),
            "step" => saga.step.as_ref().is_some_and(|step| has(&step.name)),
            "stuck" => saga.stuck == (self.value == "true"),
            "waiting" => waiting.is_some_and(|waiting| has(waiting.kind.as_str())),
            "on" => waiting.is_some_and(|waiting| has_some(&waiting.on)),
            "correlation.id" | "correlation" => has_some(&saga.correlation_id),
            "trace" => has_some(&saga.trace_id),
            "fault" => saga.faults.iter().any(|fault| has(fault)) || (self.value == "*" && !saga.faults.is_empty()),
            "reason" => has_some(&saga.reason),
            "coordination" => saga.coordination.is_some_and(|kind| has(kind.as_str())),
            _ => false,
        }
    }
}

/// Is the lower-case `needle` in `text`, whatever the case there? ASCII is compared without a copy.
fn contains(text: &str, needle: &str) -> bool {
    if text.is_ascii() {
        let (text, needle) = (text.as_bytes(), needle.as_bytes());
        return text
            .windows(needle.len())
            .any(|window| window.eq_ignore_ascii_case(needle));
    }
    text.to_lowercase().contains(needle)
}

/// Words apart by blanks, except within quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        if c == '"' {
            quoted = !quoted;
        }
        match words.last_mut() {
            Some(word) if quoted || !c.is_whitespace() => word.push(c),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture;

    #[test]
    fn terms_must_all_hold() {
        let saga = fixture::stuck_saga();
        for (text, matches) in [
            ("", true),
            ("7f3a", true),
            ("ORDER", true),
            ("state:running", true),
            ("state:completed", false),
            ("!state:completed", true),
            ("-state:running", false),
            ("stuck:true step:ship", true),
            ("stuck:false", false),
            ("saga.name:order id:7f3", true),
            ("\"no such words\"", false),
            ("nonsense:x", false),
            ("(", false),
            ("state:", true),
            ("!", true),
            ("\"", true),
            (":", false),
        ] {
            assert_eq!(Filter::parse(text).matches(&saga), matches, "{text}");
        }
    }

    #[test]
    fn an_unknown_field_is_named() {
        assert_eq!(Filter::parse("state:x colour:red").unknown_field(), Some("colour"));
        assert_eq!(Filter::parse("state:x red").unknown_field(), None);
    }
}
