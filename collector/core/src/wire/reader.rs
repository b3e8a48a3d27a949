//! Protobuf's wire format, field by field, over borrowed bytes.
//!
//! <https://protobuf.dev/programming-guides/encoding/>. Lengths are held against what is left before anything is done
//! with them, and messages and groups may lie in each other only [`LEVELS_MAX`] deep.

/// Messages and groups within each other, the request itself not counted.
pub(super) const LEVELS_MAX: u32 = 100;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a field is longer than what is left")]
    Truncated,
    #[error("a number takes more than 64 bits")]
    Number,
    #[error("a field has no valid number or wire type")]
    Key,
    #[error("a field has another wire type than its message says")]
    WireType,
    #[error("text is not UTF-8")]
    Text,
    #[error("messages lie more than {LEVELS_MAX} deep in each other")]
    Depth,
}

/// A field's value as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    /// Passed over; OTLP has none, so no message knows what to do with one.
    Group,
}

/// The fields of one message.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    level: u32,
}

impl<'a> Reader<'a> {
    /// Of a message that lies at this level: 0 for the request.
    pub(super) const fn new(bytes: &'a [u8], level: u32) -> Self {
        Self { rest: bytes, level }
    }

    /// The next field's number and value.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.key()?;
        if wire_type == 3 {
            self.pass_group(number, self.level)?;
            return Ok(Some((number, Field::Group)));
        }
        Ok(Some((number, self.value(wire_type)?)))
    }

    /// The next of packed numbers.
    pub(super) fn next_varint(&mut self) -> Result<Option<u64>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.varint().map(Some)
    }

    /// A field that its message does not know.
    #[inline]
    pub(super) fn unknown(&self) -> Result<(), Malformed> {
        if self.level < LEVELS_MAX {
            Ok(())
        } else {
            Err(Malformed::Depth)
        }
    }

    #[inline]
    fn key(&mut self) -> Result<(u32, u8), Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed::Key)?;
        let (number, wire_type) = (key >> 3, (key & 7) as u8);
        if number == 0 || wire_type > 5 {
            return Err(Malformed::Key);
        }
        Ok((number, wire_type))
    }

    #[inline]
    fn value(&mut self, wire_type: u8) -> Result<Field<'a>, Malformed> {
        Ok(match wire_type {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(*self.take_array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
                self.rest = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(u32::from_le_bytes(*self.take_array()?)),
            _ => return Err(Malformed::Key),
        })
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (n, byte) in self.rest.iter().take(10).enumerate() {
            if n == 9 && *byte > 1 {
                return Err(Malformed::Number);
            }
            value |= u64::from(byte & 0x7f) << (7 * n);
            if *byte < 0x80 {
                self.rest = &self.rest[n + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 {
            Malformed::Number
        } else {
            Malformed::Truncated
        })
    }

    fn pass_group(&mut self, number: u32, level: u32) -> Result<(), Malformed> {
        if level >= LEVELS_MAX {
            return Err(Malformed::Depth);
        }
        loop {
            let (inner, wire_type) = self.key()?;
            match wire_type {
                4 if inner == number => return Ok(()),
                4 => return Err(Malformed::Key),
                3 => self.pass_group(inner, level + 1)?,
                // What lies in a group is one level further down, and unknown.
                _ if level + 1 >= LEVELS_MAX => return Err(Malformed::Depth),
                _ => {
                    self.value(wire_type)?;
                }
            }
        }
    }
}

/// The number that these bytes are, when they are one and no more.
#[inline]
pub(super) fn whole_varint(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(bytes, 0);
    let number = reader.varint().ok()?;
    reader.rest.is_empty().then_some(number)
}

impl<'a> Field<'a> {
    #[inline]
    pub(super) const fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed::WireType),
        }
    }

    #[inline]
    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Text)
    }

    /// The message in a field of a message at `level`.
    #[inline]
    pub(super) const fn message(self, level: u32) -> Result<&'a [u8], Malformed> {
        if level >= LEVELS_MAX {
            return Err(Malformed::Depth);
        }
        self.bytes()
    }

    #[inline]
    pub(super) const fn varint(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(Malformed::WireType),
        }
    }

    /// A `uint32`, or the number of an enum or `int32`: what exceeds 32 bits is cut off, as the format has it.
    #[inline]
    pub(super) const fn uint32(self) -> Result<u32, Malformed> {
        match self {
            Self::Varint(value) => Ok(value as u32),
            _ => Err(Malformed::WireType),
        }
    }

    #[inline]
    pub(super) const fn int32(self) -> Result<i32, Malformed> {
        match self {
            Self::Varint(value) => Ok(value as i32),
            _ => Err(Malformed::WireType),
        }
    }

    #[inline]
    pub(super) const fn fixed64(self) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(value) => Ok(value),
            _ => Err(Malformed::WireType),
        }
    }

    #[inline]
    pub(super) const fn fixed32(self) -> Result<u32, Malformed> {
        match self {
            Self::Fixed32(value) => Ok(value),
            _ => Err(Malformed::WireType),
        }
    }

    #[inline]
    pub(super) const fn double(self) -> Result<f64, Malformed> {
        match self {
            Self::Fixed64(value) => Ok(f64::from_bits(value)),
            _ => Err(Malformed::WireType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Field<'_>)>, Malformed> {
        let mut reader = Reader::new(bytes, 0);
        let mut fields = Vec::new();
        while let Some(field) = reader.next()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn every_wire_type_is_read() {
        let bytes = [
            &[0x08, 0xac, 0x02][..],
            &[0x11, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0x1a, 2, b'h', b'i'],
            &[0x25, 7, 0, 0, 0],
            // A group with a varint and a group in it.
            &[0x2b, 0x08, 0x01, 0x33, 0x34, 0x2c],
            &[0x08, 0x01],
        ]
        .concat();
        let expected = [
            (1, Field::Varint(300)),
            (2, Field::Fixed64(1)),
            (3, Field::Bytes(b"hi")),
            (4, Field::Fixed32(7)),
            (5, Field::Group),
            (1, Field::Varint(1)),
        ];
        assert_eq!(read(&bytes).unwrap(), expected);
    }

    #[test]
    fn numbers_end_at_64_bits() {
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(
            read(&[&[0x08][..], &most].concat()).unwrap(),
            [(1, Field::Varint(u64::MAX))]
        );
        let mut more = most;
        more[9] = 0x02;
        assert_eq!(read(&[&[0x08][..], &more].concat()), Err(Malformed::Number));
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for (bytes, why) in [
            (&[0x08][..], Malformed::Truncated),
            (&[0x1a, 5, b'h'], Malformed::Truncated),
            (
                &[0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                Malformed::Truncated,
            ),
            (&[0x00, 0x01], Malformed::Key),
            (&[0x0e], Malformed::Key),
            (&[0x0c], Malformed::Key),
            (&[0x0b, 0x14], Malformed::Key),
            (&[0x0b], Malformed::Truncated),
        ] {
            assert_eq!(read(bytes), Err(why), "{bytes:?}");
        }
        assert_eq!(read(&[0x0b; 200]), Err(Malformed::Depth));
    }
}
