//! A metric point on the wire, of any kind.

use super::any::Pairs;
use super::metrics::Data;
use super::reader::{Field, Malformed, Reader};
use crate::normalise::{BUCKETS_MAX, BUCKETS_SENT_MAX, NO_RECORDED_VALUE, histograms};
use crate::rows::Number;

/// Level of a point in its request.
const POINT: u32 = 5;

/// The beginning of a list, and how long it is: what is too long is refused, so the rest need not be kept.
#[derive(Clone, Debug)]
pub(super) struct Short<T> {
    kept: Vec<T>,
    length: usize,
}

impl<T> Default for Short<T> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            length: 0,
        }
    }
}

impl<T: Copy> Short<T> {
    fn push(&mut self, value: T, most: usize) {
        if self.kept.len() < most {
            self.kept.push(value);
        }
        self.length += 1;
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.length = 0;
    }

    pub(super) fn kept(&self) -> &[T] {
        &self.kept
    }
}

/// A point, its lists reused from one to the next.
#[derive(Debug, Default)]
pub(super) struct Point<'a> {
    data: Option<Data>,
    pub(super) start: u64,
    pub(super) at: u64,
    pub(super) flags: u32,
    pub(super) attributes: Pairs<'a>,
    pub(super) exemplars: Pairs<'a>,
    number: Option<Number>,
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) bounds: Short<f64>,
    pub(super) counts: Short<u64>,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
    pub(super) quantiles: Short<(f64, f64)>,
}

/// One side of an exponential histogram.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) offset: i32,
    pub(super) counts: Short<u64>,
}

/// What a good point says; its parts are in the point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Missing,
    Int(i64),
    Double(f64),
    Histogram,
    Exponential,
    Summary,
}

impl<'a> Point<'a> {
    pub(super) fn fill(&mut self, data: Data, bytes: &'a [u8]) -> Result<(), Malformed> {
        self.clear();
        self.data = Some(data);
        let mut reader = Reader::new(bytes, POINT);
        while let Some((number, field)) = reader.next()? {
            let is_known = match data {
                Data::Gauge | Data::Sum => self.number_field(number, field)?,
                Data::Histogram => self.histogram_field(number, field)?,
                Data::Exponential => self.exponential_field(number, field)?,
                Data::Summary => self.summary_field(number, field)?,
            };
            if !is_known {
                reader.unknown()?;
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        let mut old = std::mem::take(self);
        old.attributes.clear();
        old.exemplars.clear();
        for counts in [&mut old.counts, &mut old.positive.counts, &mut old.negative.counts] {
            counts.clear();
        }
        old.bounds.clear();
        old.quantiles.clear();
        let side = |counts| Buckets { offset: 0, counts };
        *self = Self {
            attributes: old.attributes,
            exemplars: old.exemplars,
            bounds: old.bounds,
            counts: old.counts,
            positive: side(old.positive.counts),
            negative: side(old.negative.counts),
            quantiles: old.quantiles,
            ..Self::default()
        };
    }

    fn number_field(&mut self, number: u32, field: Field<'a>) -> Result<bool, Malformed> {
        match number {
            2 => self.start = field.fixed64()?,
            3 => self.at = field.fixed64()?,
            4 => self.number = Some(Number::Double(field.double()?)),
            5 => self.exemplars.push(field.message(POINT)?),
            6 => self.number = Some(Number::Int(field.fixed64()?.cast_signed())),
            7 => self.attributes.push(field.message(POINT)?),
            8 => self.flags = field.uint32()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn histogram_field(&mut self, number: u32, field: Field<'a>) -> Result<bool, Malformed> {
        match number {
            2 => self.start = field.fixed64()?,
            3 => self.at = field.fixed64()?,
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => fixed64s(field, |bits| self.counts.push(bits, BUCKETS_MAX + 1))?,
            7 => fixed64s(field, |bits| self.bounds.push(f64::from_bits(bits), BUCKETS_MAX + 1))?,
            8 => self.exemplars.push(field.message(POINT)?),
            9 => self.attributes.push(field.message(POINT)?),
            10 => self.flags = field.uint32()?,
            11 => self.min = Some(field.double()?),
            12 => self.max = Some(field.double()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn exponential_field(&mut self, number: u32, field: Field<'a>) -> Result<bool, Malformed> {
        match number {
            1 => self.attributes.push(field.message(POINT)?),
            2 => self.start = field.fixed64()?,
            3 => self.at = field.fixed64()?,
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => self.scale = zigzag(field)?,
            7 => self.zero_count = field.fixed64()?,
            8 => self.positive.fill(field.message(POINT)?)?,
            9 => self.negative.fill(field.message(POINT)?)?,
            10 => self.flags = field.uint32()?,
            11 => self.exemplars.push(field.message(POINT)?),
            12 => self.min = Some(field.double()?),
            13 => self.max = Some(field.double()?),
            14 => self.zero_threshold = field.double()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn summary_field(&mut self, number: u32, field: Field<'a>) -> Result<bool, Malformed> {
        match number {
            2 => self.start = field.fixed64()?,
            3 => self.at = field.fixed64()?,
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => self.quantiles.push(quantile(field.message(POINT)?)?, BUCKETS_MAX),
            7 => self.attributes.push(field.message(POINT)?),
            8 => self.flags = field.uint32()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What it says, or why it says nothing.
    pub(super) fn judge(&self) -> Result<Value, &'static str> {
        if self.flags & NO_RECORDED_VALUE != 0 {
            return Ok(Value::Missing);
        }
        match self.data {
            Some(Data::Histogram) => {
                let lengths = (self.bounds.length, self.counts.length);
                histograms::judge_explicit(self.count, self.sum, &self.bounds.kept, &self.counts.kept, lengths)?;
                Ok(Value::Histogram)
            }
            Some(Data::Exponential) => {
                let sides = [&self.negative, &self.positive];
                let length = sides.iter().map(|side| side.counts.length).sum();
                let [negative, positive] = sides.map(Buckets::kept);
                let whole = (self.count, self.sum, self.zero_count, self.scale);
                histograms::judge_exponential(whole, negative, positive, length)?;
                Ok(Value::Exponential)
            }
            Some(Data::Summary) => {
                histograms::judge_summary(self.sum.unwrap_or(0.0), self.quantiles.length)?;
                Ok(Value::Summary)
            }
            Some(Data::Gauge | Data::Sum) | None => match self.number {
                Some(Number::Int(number)) => Ok(Value::Int(number)),
                Some(Number::Double(number)) => Ok(Value::Double(number)),
                None => Err("a metric point without a value"),
            },
        }
    }
}

impl Buckets {
    /// The place of the first bucket, and the counts.
    pub(super) fn kept(&self) -> (i32, &[u64]) {
        (self.offset, self.counts.kept())
    }

    fn fill(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(bytes, POINT + 1);
        while let Some((number, field)) = reader.next()? {
            match (number, field) {
                (1, field) => self.offset = zigzag(field)?,
                (2, Field::Varint(count)) => self.counts.push(count, BUCKETS_SENT_MAX),
                (2, field) => {
                    let mut packed = Reader::new(field.bytes()?, POINT + 1);
                    while let Some(count) = packed.next_varint()? {
                        self.counts.push(count, BUCKETS_SENT_MAX);
                    }
                }
                _ => reader.unknown()?,
            }
        }
        Ok(())
    }
}

/// Repeated `fixed64` or `double`: packed, or one at a time.
fn fixed64s(field: Field<'_>, mut each: impl FnMut(u64)) -> Result<(), Malformed> {
    if let Field::Fixed64(one) = field {
        each(one);
        return Ok(());
    }
    let (all, rest) = field.bytes()?.as_chunks();
    if !rest.is_empty() {
        return Err(Malformed::Truncated);
    }
    all.iter().for_each(|bytes| each(u64::from_le_bytes(*bytes)));
    Ok(())
}

/// A `sint32`.
fn zigzag(field: Field<'_>) -> Result<i32, Malformed> {
    let bits = field.uint32()?;
    Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
}

fn quantile(bytes: &[u8]) -> Result<(f64, f64), Malformed> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut reader = Reader::new(bytes, POINT + 1);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => quantile = field.double()?,
            2 => value = field.double()?,
            _ => reader.unknown()?,
        }
    }
    Ok((quantile, value))
}

/// An exemplar as it lies on the wire.
#[derive(Default)]
pub(super) struct Exemplar<'a> {
    pub(super) at: u64,
    pub(super) value: Option<Number>,
    pub(super) trace_id: &'a [u8],
    pub(super) span_id: &'a [u8],
    pub(super) pairs: Pairs<'a>,
}

impl<'a> Exemplar<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut exemplar = Self::default();
        let mut reader = Reader::new(bytes, POINT + 1);
        while let Some((number, field)) = reader.next()? {
            match number {
                2 => exemplar.at = field.fixed64()?,
                3 => exemplar.value = Some(Number::Double(field.double()?)),
                4 => exemplar.span_id = field.bytes()?,
                5 => exemplar.trace_id = field.bytes()?,
                6 => exemplar.value = Some(Number::Int(field.fixed64()?.cast_signed())),
                7 => exemplar.pairs.push(field.message(POINT + 1)?),
                _ => reader.unknown()?,
            }
        }
        Ok(exemplar)
    }
}
