//! What a value is tested against.

use regex::{Regex, RegexBuilder};

/// Memory that one compiled expression may take, bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;
/// Groups within each other in one expression.
const REGEX_DEPTH_MAX: u32 = 32;

/// A value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Text(&'a str),
    Int(i64),
    Number(f64),
    Truth(bool),
    Nanos(u64),
    /// Something that is there and has no form to compare: bytes, a map, an attribute without a value.
    Other,
}

/// How a number must stand to the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A test that a value passes or not.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Any value will do.
    Present,
    Equal(Wanted),
    Expression(Regex),
    /// The number, also as a whole one when it is, and as a duration.
    Compare {
        relation: Relation,
        number: f64,
        int: Option<i64>,
        nanos: f64,
    },
}

/// A value that is asked for, in the forms that it may have.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) text: String,
    /// Finds the text in any case; absent when it is ASCII, which needs no expression.
    pub(super) folded: Option<Regex>,
    pub(super) number: Option<f64>,
    int: Option<i64>,
    /// As a duration; without a unit in milliseconds.
    nanos: Option<f64>,
}

impl Wanted {
    fn of(text: &str) -> Result<Self, String> {
        let plain: Option<f64> = text.parse().ok();
        let with_unit = nanos(text);
        let folded = || compile(&format!("(?is){}", regex::escape(text)));
        Ok(Self {
            text: text.to_owned(),
            folded: if text.is_ascii() { None } else { Some(folded()?) },
            number: plain.or(with_unit),
            int: text.parse().ok(),
            nanos: plain.map(|ms| ms * 1e6).or(with_unit),
        })
    }

    /// The text alone, whatever it looks like.
    pub(super) fn text(text: &str) -> Self {
        let folded = (!text.is_ascii()).then(|| compile(&format!("(?is){}", regex::escape(text))).ok());
        Self {
            text: text.to_owned(),
            folded: folded.flatten(),
            number: None,
            int: None,
            nanos: None,
        }
    }

    fn is(&self, field: Field<'_>) -> bool {
        match field {
            Field::Text(value) => match &self.folded {
                None => value.eq_ignore_ascii_case(&self.text),
                Some(folded) => folded
                    .find(value)
                    .is_some_and(|found| found.range() == (0..value.len())),
            },
            Field::Truth(value) => self.text.eq_ignore_ascii_case(if value { "true" } else { "false" }),
            Field::Int(value) => match self.int {
                Some(int) => int == value,
                None => self.number == Some(value as f64),
            },
            Field::Number(value) => self
                .number
                .is_some_and(|number| number == value || number.is_nan() && value.is_nan()),
            Field::Nanos(value) => self.nanos == Some(value as f64),
            Field::Other => false,
        }
    }

    fn occurs_in(&self, text: &str) -> bool {
        match &self.folded {
            None => contains(text, &self.text),
            Some(folded) => folded.is_match(text),
        }
    }
}

impl Test {
    /// Equality, or a pattern when the text holds `*` that were not quoted.
    pub(super) fn text(text: &str, is_quoted: bool) -> Result<Self, String> {
        if is_quoted || !text.contains('*') {
            return Ok(Self::Equal(Wanted::of(text)?));
        }
        if text == "*" {
            return Ok(Self::Present);
        }
        let pieces: Vec<String> = text.split('*').map(regex::escape).collect();
        let pattern = format!("(?is)^{}$", pieces.join(".*"));
        Ok(Self::Expression(compile(&pattern)?))
    }

    pub(super) fn expression(pattern: &str) -> Result<Self, String> {
        Ok(Self::Expression(compile(pattern)?))
    }

    /// A comparison with `200`, `1.5`, `200ms`. A duration without a unit is in milliseconds.
    pub(super) fn compare(relation: Relation, value: &str) -> Result<Self, String> {
        let plain: Option<f64> = value.parse().ok().filter(|number: &f64| number.is_finite());
        let nanos = plain.map(|ms| ms * 1e6).or_else(|| nanos(value));
        let (Some(number), Some(nanos)) = (plain.or(nanos), nanos) else {
            return Err("expected a number or a duration such as 200ms".to_owned());
        };
        Ok(Self::Compare {
            relation,
            number,
            int: value.parse().ok(),
            nanos,
        })
    }

    /// Does the value of a field pass?
    pub(super) fn accepts(&self, field: Field<'_>) -> bool {
        match (self, field) {
            (Self::Present, _) => true,
            (Self::Equal(wanted), field) => wanted.is(field),
            (Self::Expression(regex), Field::Text(value)) => regex.is_match(value),
            (Self::Expression(regex), Field::Int(value)) => regex.is_match(&value.to_string()),
            (Self::Expression(regex), Field::Number(value)) => regex.is_match(&value.to_string()),
            (Self::Expression(regex), Field::Truth(value)) => regex.is_match(if value { "true" } else { "false" }),
            (Self::Expression(_), _) => false,
            (Self::Compare { relation, nanos, .. }, Field::Nanos(value)) => relation.holds(&(value as f64), nanos),
            (
                Self::Compare {
                    relation,
                    int: Some(int),
                    ..
                },
                Field::Int(value),
            ) => relation.holds(&value, int),
            (Self::Compare { relation, number, .. }, Field::Int(value)) => relation.holds(&(value as f64), number),
            (Self::Compare { relation, number, .. }, Field::Number(value)) => relation.holds(&value, number),
            (
                Self::Compare {
                    relation, number, int, ..
                },
                Field::Text(value),
            ) => match (int, value.parse::<i64>()) {
                (Some(int), Ok(value)) => relation.holds(&value, int),
                _ => value.parse().is_ok_and(|value: f64| relation.holds(&value, number)),
            },
            (Self::Compare { .. }, Field::Truth(_) | Field::Other) => false,
        }
    }

    /// Does it occur anywhere in the text?
    pub(super) fn occurs_in(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Equal(wanted) => wanted.occurs_in(text),
            Self::Expression(regex) => regex.is_match(text),
            Self::Compare { .. } => false,
        }
    }
}

impl Relation {
    fn holds<T: PartialOrd>(self, value: &T, wanted: &T) -> bool {
        match self {
            Self::Less => value < wanted,
            Self::AtMost => value <= wanted,
            Self::More => value > wanted,
            Self::AtLeast => value >= wanted,
        }
    }
}

/// `200ms`, `1.5s`, `3m` in nanoseconds.
fn nanos(text: &str) -> Option<f64> {
    let unit_at = text.find(|c: char| c.is_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3_600e9,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some(number * factor)
}

/// Without regard to the case of ASCII letters. Both sides are bounded: texts by normalisation, queries by the parser.
fn contains(text: &str, wanted: &str) -> bool {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    wanted.is_empty()
        || text
            .windows(wanted.len())
            .any(|window| window.eq_ignore_ascii_case(wanted))
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .nest_limit(REGEX_DEPTH_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
            _ => "not a regular expression".to_owned(),
        })
}
