//! Pages of a list that is sorted by time, newest first, then by key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sagascope_api::{Page, Time};

use super::params::Params;
use crate::problem::{Answer, Refusal};

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) time: Time,
    pub(super) key: String,
}

impl Cursor {
    pub(super) fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}/{}", self.time.0, self.key))
    }

    /// Where the page before ended, as `key` reads the second half of it.
    pub(super) fn of<T>(params: &Params, key: impl Fn(&str) -> Option<T>) -> Answer<Option<(Time, T)>> {
        let Some(text) = params.get("cursor") else {
            return Ok(None);
        };
        let read = Self::read(text).and_then(|cursor| Some((cursor.time, key(&cursor.key)?)));
        read.map(Some).ok_or_else(unknown_cursor)
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (time, key) = text.split_once('/')?;
        Some(Self {
            time: Time(time.parse().ok()?),
            key: key.to_owned(),
        })
    }
}

/// One page of `rows`, as `limit` and `cursor` ask.
pub(super) fn page<T>(params: &Params, mut rows: Vec<T>, place: impl Fn(&T) -> (Time, String)) -> Answer<Page<T>> {
    let limit = params.limit()?;
    let after = match params.get("cursor") {
        None => None,
        Some(text) => Some(Cursor::read(text).ok_or_else(unknown_cursor)?),
    };
    // Newest first; keys rise among equal times.
    rows.sort_by_cached_key(|row| {
        let (time, key) = place(row);
        (std::cmp::Reverse(time), key)
    });
    if let Some(Cursor { time, key }) = after {
        let begin = rows.partition_point(|row| {
            let (row_time, row_key) = place(row);
            (std::cmp::Reverse(row_time), row_key) <= (std::cmp::Reverse(time), key.clone())
        });
        rows.drain(..begin);
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more).map(|row| {
        let (time, key) = place(row);
        Cursor { time, key }.write()
    });
    Ok(Page {
        items: rows,
        next_cursor: last,
        truncated: false,
        incomplete: false,
    })
}

/// One page of rows in the order they have.
pub(super) fn page_in_order<T>(params: &Params, mut rows: Vec<T>) -> Answer<Page<T>> {
    let limit = params.limit()?;
    let begin = match params.get("cursor") {
        None => 0,
        Some(text) => text
            .strip_prefix('n')
            .and_then(|n| n.parse::<usize>().ok())
            .ok_or_else(unknown_cursor)?,
    };
    rows.drain(..begin.min(rows.len()));
    let next_cursor = (rows.len() > limit).then(|| format!("n{}", begin + limit));
    rows.truncate(limit);
    Ok(Page {
        items: rows,
        next_cursor,
        truncated: false,
        incomplete: false,
    })
}

fn unknown_cursor() -> Refusal {
    Refusal::field(
        "invalid_value",
        "cursor",
        "Hand back next_cursor as it came, or leave it out.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_without_gap_or_repeat() {
        let rows: Vec<(u64, u64)> = (0..25).map(|n| (n / 4, n)).collect();
        let place = |row: &(u64, u64)| (Time(row.0), format!("{:02}", row.1));
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let params = Params::parse(Some(&format!("limit=7&cursor={cursor}"))).unwrap();
            let page = page(&params, rows.clone(), place).unwrap();
            seen.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let mut expected = rows;
        expected.sort_by_key(|(time, n)| (std::cmp::Reverse(*time), *n));
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_made_up_cursor_is_refused() {
        for cursor in ["x", "bm90aGluZw", "%2F"] {
            let params = Params::parse(Some(&format!("cursor={cursor}"))).unwrap();
            assert!(
                page(&params, vec![1_u64], |n| (Time(*n), String::new())).is_err(),
                "{cursor}"
            );
        }
        let params = Params::parse(Some("cursor=n99")).unwrap();
        assert_eq!(page_in_order(&params, vec![1]).unwrap(), Page::whole(vec![]));
    }
}
