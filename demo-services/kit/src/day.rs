//! A day of the calendar, as hotels and car rentals count them: `2027-01-04` outside, a number inside.

use crate::clock::unix_nanos_now;
use jiff::civil::Date;
use jiff::{Span, Timestamp, Unit};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// First day of the numbers.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// One day, in no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    /// The day of that moment in UTC.
    #[must_use]
    pub fn of_unix_nanos(nanos: u64) -> Self {
        let at = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX);
        Self(at.to_zoned(jiff::tz::TimeZone::UTC).date())
    }

    /// The day it is in UTC.
    #[must_use]
    pub fn today() -> Self {
        Self::of_unix_nanos(unix_nanos_now())
    }

    /// Reads `2027-01-04`, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let strict = text.len() == 10 && text.is_ascii();
        strict.then(|| text.parse().ok().map(Self)).flatten()
    }

    /// So many days later; the last day of the calendar when that is too far.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        let later = |span| self.0.checked_add(span).ok();
        let day = Span::new().try_days(days).ok().and_then(later);
        Self(day.unwrap_or(Date::MAX))
    }

    /// `count` days, from this one on.
    pub fn run(self, count: u32) -> impl Iterator<Item = Self> {
        (0..count).map(move |after| self.plus(after))
    }

    fn number(self) -> i64 {
        let since = EPOCH.until((Unit::Day, self.0));
        since.map_or(i64::MAX, |span| i64::from(span.get_days()))
    }

    fn from_number(number: i64) -> Option<Self> {
        let since = Span::new().try_days(number).ok()?;
        EPOCH.checked_add(since).ok().map(Self)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("give a day such as 2027-01-04"))
    }
}

impl ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.number().into())
    }
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        Self::from_number(number).ok_or(FromSqlError::OutOfRange(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a day")
    }

    #[test]
    fn a_run_crosses_the_end_of_months_and_years() {
        let nights: Vec<String> = day("2027-12-30").run(4).map(|night| night.to_string()).collect();
        assert_eq!(nights, ["2027-12-30", "2027-12-31", "2028-01-01", "2028-01-02"]);
        assert_eq!(day("2028-02-28").plus(1), day("2028-02-29"));
    }

    #[test]
    fn numbers_come_back_as_the_same_day() {
        for text in ["1970-01-01", "1969-12-31", "2027-01-04", "9999-12-31"] {
            assert_eq!(Day::from_number(day(text).number()), Some(day(text)));
        }
        assert_eq!((day("1970-01-01").number(), day("1971-01-01").number()), (0, 365));
        assert_eq!(Day::from_number(i64::MAX), None);
    }

    #[test]
    fn only_plain_days_are_read() {
        for text in [
            "",
            "2027-1-4",
            "2027-02-29",
            "2027-13-01",
            "2027-01-04T10:00",
            "04.01.2027",
            "2027-01-0٤",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_has_its_day_and_the_end_of_time_has_one_too() {
        assert_eq!(Day::of_unix_nanos(86_400_000_000_000 - 1), day("1970-01-01"));
        assert_eq!(Day::of_unix_nanos(86_400_000_000_000), day("1970-01-02"));
        assert!(day("9999-12-31").plus(u32::MAX) >= day("9999-12-31"));
        assert!(Day::of_unix_nanos(u64::MAX) > day("2500-01-01"));
    }
}
