//! Reads a query by descent, with a bound on everything.

use super::pattern::{Relation, Test};
use super::{Expression, QueryError};

/// Longest query, in bytes.
const BYTES_MAX: usize = 4_096;
/// Terms in one query.
const TERMS_MAX: usize = 64;
/// Parentheses and denials within each other.
const DEPTH_MAX: usize = 32;

/// A query on its way to an expression.
pub(super) struct Parser {
    characters: Vec<char>,
    at: usize,
    terms: usize,
}

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, QueryError> {
        if text.len() > BYTES_MAX {
            return Err(QueryError {
                position: BYTES_MAX,
                message: format!("a query is at most {BYTES_MAX} bytes long; this one goes on"),
            });
        }
        Ok(Self {
            characters: text.chars().collect(),
            at: 0,
            terms: 0,
        })
    }

    pub(super) fn query(mut self) -> Result<Expression, QueryError> {
        self.skip_spaces();
        if self.peek().is_none() {
            return Ok(Expression::All(Vec::new()));
        }
        let expression = self.any(0)?;
        match self.peek() {
            None => Ok(expression),
            Some(_) => Err(self.error("unexpected `)`")),
        }
    }

    fn any(&mut self, depth: usize) -> Result<Expression, QueryError> {
        let mut any = vec![self.all(depth)?];
        while self.take_word("OR") {
            any.push(self.all(depth)?);
        }
        Ok(one_or(any, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, QueryError> {
        let mut all = vec![self.unary(depth)?];
        loop {
            let joined = self.take_word("AND");
            self.skip_spaces();
            let ends = matches!(self.peek(), None | Some(')')) || self.is_word("OR");
            if ends && !joined {
                return Ok(one_or(all, Expression::All));
            }
            all.push(self.unary(depth)?);
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, QueryError> {
        self.skip_spaces();
        if depth > DEPTH_MAX {
            return Err(self.error("too many parentheses or denials within each other"));
        }
        let dash = self.peek() == Some('-') && self.peek_at(1).is_some_and(|c| !c.is_whitespace());
        if dash {
            self.at += 1;
        }
        if dash || self.take_word("NOT") {
            return Ok(Expression::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.peek() == Some('(') {
            self.at += 1;
            let inner = self.any(depth + 1)?;
            self.skip_spaces();
            if self.peek() != Some(')') {
                return Err(self.error("expected `)`"));
            }
            self.at += 1;
            return Ok(inner);
        }
        self.term()
    }

    fn term(&mut self) -> Result<Expression, QueryError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(self.error("too many terms"));
        }
        if matches!(self.peek(), None | Some(')')) || self.is_word("AND") || self.is_word("OR") {
            return Err(self.error("expected a term"));
        }
        let Some(field) = self.field() else {
            let test = self.matching()?;
            return Ok(Expression::Term(None, test));
        };
        if self.take_text("!=") {
            let test = self.matching()?;
            return Ok(Expression::Not(Box::new(Expression::Term(Some(field), test))));
        }
        let test = match self.relation() {
            Some(relation) => self.comparison(relation)?,
            None => {
                // `:` or `=`, and after it the relation once more: `duration:>200ms`.
                self.at += 1;
                match self.relation() {
                    Some(relation) => self.comparison(relation)?,
                    None => self.matching()?,
                }
            }
        };
        Ok(Expression::Term(Some(field), test))
    }

    /// A name right before an operator; otherwise nothing is taken.
    fn field(&mut self) -> Option<String> {
        let start = self.at;
        if self.peek() == Some('"') {
            let name = self
                .quoted()
                .ok()
                .filter(|name| !name.is_empty() && self.is_operator(self.at));
            if name.is_none() {
                self.at = start;
            }
            return name;
        }
        let mut end = start;
        while self
            .characters
            .get(end)
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '/' | '[' | ']'))
        {
            end += 1;
        }
        if end == start || !self.is_operator(end) {
            return None;
        }
        self.at = end;
        Some(self.characters[start..end].iter().collect())
    }

    fn is_operator(&self, at: usize) -> bool {
        match self.characters.get(at) {
            Some(':' | '=' | '<' | '>') => true,
            Some('!') => self.characters.get(at + 1) == Some(&'='),
            _ => false,
        }
    }

    fn relation(&mut self) -> Option<Relation> {
        [
            (">=", Relation::AtLeast),
            ("<=", Relation::AtMost),
            (">", Relation::More),
            ("<", Relation::Less),
        ]
        .into_iter()
        .find(|(text, _)| self.take_text(text))
        .map(|(_, relation)| relation)
    }

    fn comparison(&mut self, relation: Relation) -> Result<Test, QueryError> {
        let start = self.at;
        let (value, _) = self.value()?;
        Test::compare(relation, &value).map_err(|message| QueryError {
            position: start,
            message,
        })
    }

    fn matching(&mut self) -> Result<Test, QueryError> {
        let is_expression = self.take_text("~");
        let start = self.at;
        let (value, is_quoted) = self.value()?;
        let test = if is_expression {
            Test::expression(&value)
        } else {
            Test::text(&value, is_quoted)
        };
        test.map_err(|message| QueryError {
            position: start,
            message,
        })
    }

    /// Quoted, or up to a space or to a `)` that it did not open itself.
    fn value(&mut self) -> Result<(String, bool), QueryError> {
        if self.peek() == Some('"') {
            return Ok((self.quoted()?, true));
        }
        let (mut value, mut open) = (String::new(), 0_usize);
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() => break,
                ')' if open == 0 => break,
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            value.push(c);
            self.at += 1;
        }
        if value.is_empty() {
            return Err(self.error("expected a value"));
        }
        Ok((value, false))
    }

    fn quoted(&mut self) -> Result<String, QueryError> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '"' => return Ok(value),
                '\\' => {
                    value.extend(self.peek());
                    self.at += 1;
                }
                c => value.push(c),
            }
        }
        Err(QueryError {
            position: start,
            message: "this quotation does not end".to_owned(),
        })
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.skip_spaces();
        let found = self.is_word(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// The word, and not a longer one, stands here.
    fn is_word(&self, word: &str) -> bool {
        self.is_text(word)
            && self
                .peek_at(word.len())
                .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')'))
    }

    fn take_text(&mut self, text: &str) -> bool {
        let found = self.is_text(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// `text` is ASCII: its bytes are characters.
    fn is_text(&self, text: &str) -> bool {
        text.bytes()
            .enumerate()
            .all(|(n, byte)| self.peek_at(n) == Some(char::from(byte)))
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn error(&self, message: &str) -> QueryError {
        QueryError {
            position: self.at.min(self.characters.len()),
            message: message.to_owned(),
        }
    }
}

fn one_or(mut some: Vec<Expression>, many: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match some.pop() {
        Some(only) if some.is_empty() => only,
        Some(last) => {
            some.push(last);
            many(some)
        }
        None => many(some),
    }
}
