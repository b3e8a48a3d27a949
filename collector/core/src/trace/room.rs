//! How much text an answer holds: a value as long as senders may make one would choke whoever shows a list of them.

use serde_json::{Map, Value as Json};

use super::json;
use crate::normalise::cut;
use crate::rows::{Attributes, Value};

/// One text in a row of a list.
const TEXT_MAX: usize = 16 << 10;
/// All texts of a row of a list.
const ROW_MAX: usize = 64 << 10;
/// All texts of an answer that shows them whole.
const ANSWER_MAX: usize = 16 << 20;
/// What is shown of a text when there is no room left.
const LEAST: usize = 256;

/// Room for texts. What does not fit is cut, and says so.
#[derive(Debug)]
pub struct Room {
    each: usize,
    left: usize,
}

impl Room {
    /// For one row of a list.
    #[must_use]
    pub const fn row() -> Self {
        Self {
            each: TEXT_MAX,
            left: ROW_MAX,
        }
    }

    /// For a whole answer that shows details.
    #[must_use]
    pub const fn answer() -> Self {
        Self {
            each: ANSWER_MAX,
            left: ANSWER_MAX,
        }
    }

    /// Attributes as an object; the first of equal keys counts. Those that begin where no room is left are only counted.
    pub(super) fn attributes(&mut self, attributes: &Attributes) -> Map<String, Json> {
        let mut object = Map::new();
        for (n, (key, value)) in attributes.0.iter().enumerate() {
            if self.left == 0 {
                let more = format!("[{} more attributes]", attributes.0.len() - n);
                object.insert("…".to_owned(), Json::String(more));
                break;
            }
            self.left = self.left.saturating_sub(key.len());
            object.entry(&**key).or_insert_with(|| self.json(value));
        }
        object
    }

    /// A value as people read it.
    pub(super) fn value(&mut self, value: &Value) -> String {
        match value {
            Value::Text(text) => self.text(text),
            other => self.text(&json::text(other)),
        }
    }

    pub(super) fn text(&mut self, text: &str) -> String {
        let most = self.each.min(self.left).max(LEAST);
        let shown = cut(text, most);
        self.left = self.left.saturating_sub(shown.len());
        match text.len() - shown.len() {
            0 => shown.to_owned(),
            more => format!("{shown}… [{more} more bytes]"),
        }
    }

    /// What is too long for JSON of its own kind becomes text.
    fn json(&mut self, value: &Value) -> Json {
        match value {
            Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) => json::json(value),
            Value::Text(text) => Json::String(self.text(text)),
            Value::Bytes(_) => Json::String(self.text(&json::text(value))),
            Value::List(_) | Value::Map(_) => {
                let whole = json::json(value);
                let text = whole.to_string();
                let shown = self.text(&text);
                if shown.len() == text.len() {
                    whole
                } else {
                    Json::String(shown)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{attributes, text};

    #[test]
    fn a_long_text_is_cut_in_lists_and_whole_in_details() {
        let long = "ü".repeat(512 << 10);
        let shown = Room::row().text(&long);
        assert!(
            shown.starts_with("üü") && shown.ends_with("ü… [1032192 more bytes]"),
            "{}",
            &shown[16_380..]
        );
        assert_eq!(Room::answer().text(&long), long);
        assert_eq!(Room::row().value(&text("short")), "short");
    }

    #[test]
    fn a_row_of_many_texts_and_an_answer_of_many_rows_end() {
        let pairs: Vec<_> = (0..1_000)
            .map(|n| (format!("k{n}"), text(&"x".repeat(10_000))))
            .collect();
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let object = Room::row().attributes(&attributes(&pairs));
        let more = 1_000 - (object.len() - 1);
        assert_eq!(object["…"], format!("[{more} more attributes]"));
        assert!(Json::Object(object).to_string().len() < ROW_MAX + 1_000);
        let whole = Room::answer().attributes(&attributes(&pairs));
        assert_eq!((whole.len(), whole.contains_key("…")), (1_000, false));
        let mut answer = Room::answer();
        let shown: usize = (0..100).map(|_| answer.text(&"x".repeat(1 << 20)).len()).sum();
        assert!(shown < ANSWER_MAX + 100 * 2 * LEAST);
    }

    #[test]
    fn the_first_of_equal_keys_counts() {
        let twice = attributes(&[("k", Value::Int(1)), ("k", Value::Int(2))]);
        assert_eq!(Room::row().attributes(&twice)["k"], 1);
    }

    #[test]
    fn long_lists_become_text() {
        let list = |members| Value::List(vec![Value::Int(1); members]);
        let object = Room::row().attributes(&attributes(&[("short", list(3)), ("long", list(100_000))]));
        assert_eq!(object["short"], serde_json::json!([1, 1, 1]));
        assert!(
            object["long"]
                .as_str()
                .is_some_and(|text| text.ends_with("more bytes]"))
        );
        assert!(
            Room::row()
                .value(&Value::Bytes(vec![1; 100_000].into()))
                .ends_with("more bytes]")
        );
    }
}
