//! The search language: `service:payments status:error duration>200ms saga.name:order -http.route:/health "text"`.
//!
//! A term is `field:value` (any attribute is a field), a comparison (`duration>200ms`, `http.response.status_code>=500`)
//! or plain text, looked for everywhere. Values may hold `*`, or be a regular expression after `~`; `field:*` asks that
//! the field is there. Terms are joined by `AND` (which may be left out), `OR` and parentheses, and denied by `NOT` or
//! `-`. Text matches without regard to case. Queries are bounded in length, terms and depth, and matching takes time
//! linear in the text.

use self::parse::Parser;
use self::pattern::{Test, Wanted};
use self::subject::Subject;
use crate::rows::{LogRow, PointRow, SpanRow};

mod needs;
mod parse;
mod pattern;
mod select;
mod subject;
#[cfg(test)]
mod tests;

pub use needs::Needs;
pub use select::{LogSelect, PointSelect, SpanSelect};

/// A query that was understood.
#[derive(Clone, Debug)]
pub struct Query {
    expression: Expression,
}

/// A query that was not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {position}")]
pub struct QueryError {
    /// Zero-based character.
    pub position: usize,
    /// What was expected.
    pub message: String,
}

#[derive(Clone, Debug)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    /// A field, or text anywhere.
    Term(Option<String>, Test),
}

impl Query {
    /// Reads a query; the empty one matches everything.
    ///
    /// # Errors
    /// With the character at which it stops making sense.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let expression = Parser::new(text)?.query()?;
        Ok(Self { expression })
    }

    /// Matches what has just this text in a field.
    #[must_use]
    pub fn exactly(field: &str, text: &str) -> Self {
        let test = Test::Equal(Wanted::text(text));
        Self {
            expression: Expression::Term(Some(field.to_owned()), test),
        }
    }

    /// Does this span match?
    #[must_use]
    pub fn matches_span(&self, span: &SpanRow) -> bool {
        self.expression.matches(span)
    }

    /// Does this record match?
    #[must_use]
    pub fn matches_log(&self, log: &LogRow) -> bool {
        self.expression.matches(log)
    }

    /// Does this metric point match (`metric`, `unit`, `kind`, `service`, `instance`, `scope`, any attribute, free text)?
    #[must_use]
    pub fn matches_point(&self, point: &PointRow) -> bool {
        self.expression.matches(point)
    }

    /// Does this saga match (`saga.name`, `saga.id`, `state`, `step`, `stuck`, `correlation.id`, free text)?
    #[must_use]
    pub fn matches_saga(&self, saga: &sagascope_api::sagas::Saga) -> bool {
        self.expression.matches(saga)
    }
}

impl Expression {
    /// Depth is bounded by the parser.
    fn matches(&self, subject: &impl Subject) -> bool {
        match self {
            Self::All(all) => all.iter().all(|expression| expression.matches(subject)),
            Self::Any(any) => any.iter().any(|expression| expression.matches(subject)),
            Self::Not(expression) => !expression.matches(subject),
            Self::Term(Some(field), test) => subject.field(field, &mut |value| test.accepts(value)),
            Self::Term(None, test) => subject.texts(&mut |text| test.occurs_in(text)),
        }
    }
}
