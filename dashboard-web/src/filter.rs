//! The filter over saga rows that are already in the browser: a small part of the search language.
//!
//! `state:running step:charge name:order stuck:true -reason:declined fault:* text`; every term must hold, a leading `-` or
//! `!` turns one round, quotes keep spaces. Letters match in any case; a plain word is looked for in every field.

use sagascope_api::sagas::Saga;

/// A filter, ready to be asked about many rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    inverse: bool,
    field: Option<String>,
    wanted: String,
}

impl Filter {
    /// Reads a filter; every text is one.
    pub(crate) fn parse(text: &str) -> Self {
        let terms = words(text).into_iter().filter_map(|word| Term::parse(&word)).collect();
        Self { terms }
    }

    /// True when every term holds for the row.
    pub(crate) fn matches(&self, saga: &Saga) -> bool {
        self.terms.iter().all(|term| term.matches(saga) != term.inverse)
    }
}

impl Term {
    fn parse(word: &str) -> Option<Self> {
        let bare = word.strip_prefix(['-', '!']).unwrap_or(word);
        if bare.is_empty() {
            return None;
        }
        let (field, wanted) = match bare.split_once(':') {
            Some((field, wanted)) if is_field(field) => (Some(field.to_lowercase()), wanted),
            _ => (None, bare),
        };
        Some(Self {
            inverse: bare.len() < word.len(),
            field,
            wanted: wanted.to_lowercase(),
        })
    }

    fn matches(&self, saga: &Saga) -> bool {
        let wanted = self.wanted.as_str();
        let some = |value: Option<&str>| value.is_some_and(|value| holds(value, wanted));
        match self.field.as_deref() {
            Some("state") => saga.state.as_str() == wanted || (wanted == "stuck" && saga.stuck),
            Some("stuck") => saga.stuck == (wanted == "true"),
            Some("name" | "saga.name") => holds(&saga.name, wanted),
            Some("id" | "saga.id") => holds(&saga.id, wanted),
            Some("step") => some(saga.step.as_ref().map(|step| step.name.as_str())),
            Some("waiting") => some(saga.waiting.as_ref().map(|waiting| waiting.kind.as_str())),
            Some("reason") => some(saga.reason.as_deref()),
            Some("correlation" | "correlation.id") => some(saga.correlation_id.as_deref()),
            Some("trace") => some(saga.trace_id.as_deref()),
            Some("fault") => saga.faults.iter().any(|fault| holds(fault, wanted)),
            _ => [
                Some(saga.id.as_str()),
                Some(saga.name.as_str()),
                Some(saga.state.as_str()),
                saga.step.as_ref().map(|step| step.name.as_str()),
                saga.correlation_id.as_deref(),
                saga.trace_id.as_deref(),
                saga.reason.as_deref(),
            ]
            .into_iter()
            .any(some),
        }
    }
}

fn is_field(word: &str) -> bool {
    const FIELDS: &[&str] = &[
        "state",
        "stuck",
        "name",
        "saga.name",
        "id",
        "saga.id",
        "step",
        "waiting",
        "reason",
        "correlation",
        "correlation.id",
        "trace",
        "fault",
    ];
    FIELDS.contains(&word.to_lowercase().as_str())
}

/// `*` asks only for a value to be there.
fn holds(value: &str, wanted: &str) -> bool {
    wanted == "*" || value.to_lowercase().contains(wanted)
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars().take(500) {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use sagascope_api::Time;
    use sagascope_api::sagas::CurrentStep;
    use sagascope_conventions::SagaState;

    use super::*;

    fn saga() -> Saga {
        Saga {
            id: "7f3a91c2".into(),
            name: "order".into(),
            coordination: None,
            state: SagaState::Compensating,
            stuck: true,
            step: Some(CurrentStep {
                name: "charge".into(),
                index: 2,
                attempt: 3,
            }),
            step_count: 5,
            waiting: None,
            correlation_id: Some("c-91be".into()),
            trace_id: None,
            started_at: Time(0),
            ended_at: None,
            updated_at: Time(0),
            deadline: None,
            reason: Some("Card declined".into()),
            faults: vec!["f-1".into()],
        }
    }

    #[test]
    fn terms_hold_together() {
        for (text, expected) in [
            ("", true),
            ("   ", true),
            ("state:compensating", true),
            ("state:running", false),
            ("STATE:Compensating step:charge", true),
            ("state:stuck", true),
            ("stuck:false", false),
            ("-state:compensating", false),
            ("!state:running", true),
            ("7f3a", true),
            ("C-91BE", true),
            ("\"card declined\"", true),
            ("reason:\"card declined\"", true),
            ("reason:*", true),
            ("trace:*", false),
            ("fault:*", true),
            ("waiting:retry", false),
            ("nothing", false),
            ("-nothing", true),
            ("-", true),
            ("http://nowhere", false),
        ] {
            assert_eq!(Filter::parse(text).matches(&saga()), expected, "{text:?}");
        }
    }
}
