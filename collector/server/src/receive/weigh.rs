//! Weighs a protobuf message before it is decoded.
//!
//! Two bytes on the wire (an empty nested message) become hundreds in memory, so a small request could ask for gigabytes.
//! The walk follows the OTLP schema, adds up what the decoded structs would take, and allocates nothing.

/// Decoded structs may take this much.
const LIMIT_BYTES: usize = 256 << 20;
/// Messages within messages; prost refuses more than 100, with a very long text.
const DEPTH: u32 = 96;

/// Why a message is not decoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WeighError {
    /// It would take too much memory.
    #[error("the decoded request would be larger than {} MiB", LIMIT_BYTES >> 20)]
    TooHeavy,
    /// It is nested too deep.
    #[error("messages are nested deeper than {DEPTH}")]
    TooDeep,
    /// It is no protobuf message.
    #[error("the body is not a valid protobuf message")]
    Malformed,
}

/// Kinds of messages whose content is followed.
#[derive(Clone, Copy)]
enum Kind {
    Request,
    Resource,
    OfResource,
    OfScope,
    Record,
    /// Gauge, sum, histogram …: holds points.
    Points,
    /// Event, link, point, exemplar: holds attributes.
    Part,
    KeyValue,
    Any,
    /// Array or map of values.
    Values,
}

/// The message in a field, with the memory its struct takes. The three signals share the numbers of their outer levels.
const fn child(kind: Kind, field: u64) -> Option<(Kind, usize)> {
    Some(match (kind, field) {
        (Kind::Request, 1) => (Kind::OfResource, 128),
        (Kind::OfResource, 1) | (Kind::OfScope, 1) => (Kind::Resource, 0),
        (Kind::OfResource, 2) => (Kind::OfScope, 160),
        (Kind::OfScope, 2) => (Kind::Record, 320),
        (Kind::Resource, 1 | 3) => (Kind::KeyValue, 96),
        // Span: attributes 9, events 11, links 13. Log record: body 5, attributes 6. Metric: data 5, 7, 9, 10, 11, metadata 12.
        (Kind::Record, 5..=7 | 9..=13) => (Kind::Points, 128),
        (Kind::Points, 1..=9) => (Kind::Part, 256),
        (Kind::Part, 1..=11) => (Kind::KeyValue, 96),
        (Kind::KeyValue, 2) => (Kind::Any, 0),
        // An array's elements are values, a map's are pairs: both arrive as `KeyValue`.
        (Kind::Any | Kind::KeyValue, 5 | 6) => (Kind::Values, 32),
        (Kind::Values, 1) => (Kind::KeyValue, 96),
        _ => return None,
    })
}

/// Checks that decoding `message` stays within bounds.
pub(crate) fn weigh(message: &[u8]) -> Result<(), WeighError> {
    let mut left = LIMIT_BYTES;
    walk(message, Kind::Request, 0, &mut left, true)
}

/// `strict` is true where the bytes must be a message; below, a string may look like one and is then no error.
fn walk(message: &[u8], kind: Kind, depth: u32, left: &mut usize, strict: bool) -> Result<(), WeighError> {
    if depth > DEPTH {
        return Err(WeighError::TooDeep);
    }
    let mut rest = message;
    while !rest.is_empty() {
        let Some((field, content)) = next_field(&mut rest) else {
            return if strict { Err(WeighError::Malformed) } else { Ok(()) };
        };
        let (Some(content), Some((kind, bytes))) = (content, child(kind, field)) else {
            continue;
        };
        *left = left.checked_sub(bytes).ok_or(WeighError::TooHeavy)?;
        let strict = strict && matches!(kind, Kind::OfResource | Kind::OfScope | Kind::Record | Kind::Resource);
        walk(content, kind, depth + 1, left, strict)?;
    }
    Ok(())
}

/// The next field's number, with its bytes when it is length-delimited.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let key = varint(rest)?;
    let content = match key & 7 {
        0 => {
            varint(rest)?;
            None
        }
        1 => {
            take(rest, 8)?;
            None
        }
        2 => {
            let len = varint(rest)?;
            Some(take(rest, usize::try_from(len).ok()?)?)
        }
        5 => {
            take(rest, 4)?;
            None
        }
        // Groups are long gone from protobuf; prost skips them, we refuse them.
        _ => return None,
    };
    Some((key >> 3, content))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(field: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![field << 3 | 2];
        let mut len = content.len();
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend_from_slice(content);
        bytes
    }

    fn request_of(records: &[u8]) -> Vec<u8> {
        nested(1, &nested(2, records))
    }

    #[test]
    fn ordinary_messages_pass() {
        assert_eq!(weigh(b""), Ok(()));
        let span = nested(5, b"GET /orders, which looks like no message");
        assert_eq!(weigh(&request_of(&nested(2, &span))), Ok(()));
    }

    #[test]
    fn a_million_empty_spans_are_too_heavy() {
        let records = nested(2, b"").repeat(1_000_000);
        assert_eq!(weigh(&request_of(&records)), Err(WeighError::TooHeavy));
    }

    #[test]
    fn millions_of_empty_attributes_are_too_heavy() {
        let span = nested(9, b"").repeat(3_000_000);
        assert_eq!(weigh(&request_of(&nested(2, &span))), Err(WeighError::TooHeavy));
    }

    #[test]
    fn values_nested_without_end_are_too_deep() {
        let mut value = Vec::new();
        for _ in 0..200 {
            value = nested(5, &nested(1, &value));
        }
        let span = nested(9, &nested(2, &value));
        assert_eq!(weigh(&request_of(&nested(2, &span))), Err(WeighError::TooDeep));
    }

    #[test]
    fn garbage_is_malformed() {
        for garbage in [
            &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"\x0a\x7f",
            b"\x0b\x0b",
            b"\x0a\xff\xff\xff\xff\x0f",
        ] {
            assert_eq!(weigh(garbage), Err(WeighError::Malformed), "{garbage:?}");
        }
    }
}
