//! A moment, as every row carries it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Nanoseconds since the unix epoch; RFC 3339 with nanoseconds in JSON, the number in
/// formats that nobody reads. Ends in the year 2554.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// From milliseconds since the epoch, as a browser's clock gives them. Negative and not-a-number give 0.
    #[must_use]
    pub fn from_millis(millis: f64) -> Self {
        Self((millis.max(0.0) * 1e6) as u64)
    }

    /// Seconds from `earlier` to this; negative when this is before it.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (i128::from(self.0) - i128::from(earlier.0)) as f64 / 1e9
    }

    /// This moment and `seconds` more, kept within range.
    #[must_use]
    pub fn plus_seconds(self, seconds: f64) -> Self {
        let nanos = self.0 as f64 + seconds * 1e9;
        Self(if nanos <= 0.0 { 0 } else { nanos as u64 })
    }

    /// Reads RFC 3339, or unix nanoseconds in digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok().map(Self);
        }
        let stamp: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(stamp.as_nanosecond()).ok().map(Self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(stamp) => write!(f, "{stamp:.9}"),
            // Unreachable for u64 nanoseconds (year 2554), but never a panic on a number from outside.
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self);
        }
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("not an RFC 3339 time: {text}")))
    }
}

/// Unsigned 64-bit numbers as JSON strings, since a browser's numbers end at 2^53.
pub mod u64_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes the number in digits.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads digits.
    ///
    /// # Errors
    /// When the text is no unsigned 64-bit number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_json_to_the_nanosecond() {
        for nanos in [0, 1, 1_763_689_357_123_456_789, u64::MAX] {
            let json = serde_json::to_string(&Time(nanos)).unwrap();
            assert_eq!(serde_json::from_str::<Time>(&json).unwrap(), Time(nanos), "{json}");
        }
        assert_eq!(Time(1_000_000_001).to_string(), "1970-01-01T00:00:01.000000001Z");
    }

    #[test]
    fn digits_are_unix_nanoseconds_and_nonsense_is_refused() {
        assert_eq!(Time::parse("42"), Some(Time(42)));
        for text in ["", "yesterday", "-1", "99999999999999999999999", "1969-12-31T23:59:59Z"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }
}
