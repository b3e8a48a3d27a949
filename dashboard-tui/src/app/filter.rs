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
    field: Field,
    value: String,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Self {
        let terms = words(text).iter().filter_map(|word| Term::parse(word)).collect();
        Self { terms }
    }

    /// The first field that no saga has, so that a person learns why nothing is found.
    pub(crate) fn unknown_field(&self) -> Option<&str> {
        self.terms.iter().find_map(|term| match &term.field {
            Field::Unknown(name) => Some(name.as_str()),
            _ => None,
        })
    }

    pub(crate) fn matches(&self, saga: &Saga) -> bool {
        self.terms.iter().all(|term| term.matches(saga) != term.inverted)
    }
}

/// What of a saga a term is about; told apart once, not for each of ten thousand sagas.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Any,
    Name,
    Id,
    State,
    Step,
    Stuck,
    Waiting,
    On,
    Correlation,
    Trace,
    Fault,
    Reason,
    Coordination,
    Unknown(String),
}

impl Field {
    /// As the search language names it.
    fn named(name: &str) -> Self {
        match name {
            "saga.name" | "name" => Self::Name,
            "saga.id" | "id" => Self::Id,
            "state" => Self::State,
            "step" => Self::Step,
            "stuck" => Self::Stuck,
            "waiting" => Self::Waiting,
            "on" => Self::On,
            "correlation.id" | "correlation" => Self::Correlation,
            "trace" => Self::Trace,
            "fault" => Self::Fault,
            "reason" => Self::Reason,
            "coordination" => Self::Coordination,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl Term {
    fn parse(word: &str) -> Option<Self> {
        let (inverted, word) = match word.strip_prefix(['!', '-']) {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let (field, value) = match word.split_once(':') {
            Some((field, value)) if !field.is_empty() && !field.starts_with('"') => {
                (Field::named(&field.to_lowercase()), value)
            }
            _ => (Field::Any, word),
        };
        let value = value.trim_matches('"').to_lowercase();
        (!value.is_empty()).then_some(Self { inverted, field, value })
    }

    fn matches(&self, saga: &Saga) -> bool {
        let has = |text: &str| contains(text, &self.value);
        let has_some = |text: &Option<String>| text.as_deref().is_some_and(has);
        let waiting = saga.waiting.as_ref();
        match &self.field {
            Field::Any => {
                has(&saga.id)
                    || has(&saga.name)
                    || has(saga.state.as_str())
                    || saga.step.as_ref().is_some_and(|step| has(&step.name))
                    || has_some(&saga.correlation_id)
                    || has_some(&saga.trace_id)
                    || has_some(&saga.reason)
            }
            Field::Name => has(&saga.name),
            Field::Id => has(&saga.id),
            Field::State => has(saga.state.as_str()),
            Field::Step => saga.step.as_ref().is_some_and(|step| has(&step.name)),
            Field::Stuck => saga.stuck == (self.value == "true"),
            Field::Waiting => waiting.is_some_and(|waiting| has(waiting.kind.as_str())),
            Field::On => waiting.is_some_and(|waiting| has_some(&waiting.on)),
            Field::Correlation => has_some(&saga.correlation_id),
            Field::Trace => has_some(&saga.trace_id),
            Field::Fault => {
                saga.faults.iter().any(|fault| has(fault)) || (self.value == "*" && !saga.faults.is_empty())
            }
            Field::Reason => has_some(&saga.reason),
            Field::Coordination => saga.coordination.is_some_and(|kind| has(kind.as_str())),
            Field::Unknown(_) => false,
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
