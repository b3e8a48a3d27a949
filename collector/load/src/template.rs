//! An encoded request with holes: places whose bytes are written over before each sending.
//!
//! While the request is built, each place gets a marker of the same length as what will stand there; after encoding the
//! markers are looked up. So the request is built from ordinary messages, and filling needs no knowledge of protobuf.

use bytes::BytesMut;

use crate::random::mix;

/// Four characters that stand in no telemetry; four more number the hole.
const MARKER: [u8; 4] = [0x1c, 0x1d, 0x1e, 0x1f];
/// A trace began up to this long before its request was sent.
const AGE_NANOS: u64 = 200_000_000;

/// What is written into a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    /// 16 bytes.
    TraceId { trace: u32 },
    /// 8 bytes.
    SpanId { trace: u32, span: u32 },
    /// 8 bytes, little endian: so long after the trace began, at the trace's own speed.
    Time { trace: u32, nanos: u64 },
    /// 16 lower-case hexadecimal digits.
    Hex { trace: u32, salt: u32 },
    /// 8 decimal digits, below the bound.
    Decimal { trace: u32, salt: u32, below: u32 },
    /// 8 bytes, little endian: a double of two decimals.
    Amount { trace: u32, salt: u32, below: u32 },
    /// 8 bytes, little endian: a double that grows from request to request.
    Counter { trace: u32 },
}

/// Gives out markers while a request is built.
#[derive(Debug, Default)]
pub(crate) struct Holes(Vec<Hole>);

impl Holes {
    pub(crate) fn trace_id(&mut self, trace: u32) -> Vec<u8> {
        let mut id = self.marker(Hole::TraceId { trace }).to_vec();
        id.resize(16, 0);
        id
    }

    pub(crate) fn span_id(&mut self, trace: u32, span: u32) -> Vec<u8> {
        self.marker(Hole::SpanId { trace, span }).to_vec()
    }

    pub(crate) fn time(&mut self, trace: u32, nanos: u64) -> u64 {
        u64::from_le_bytes(self.marker(Hole::Time { trace, nanos }))
    }

    pub(crate) fn hex(&mut self, trace: u32, salt: u32) -> String {
        self.text(Hole::Hex { trace, salt }) + "00000000"
    }

    pub(crate) fn decimal(&mut self, trace: u32, salt: u32, below: u32) -> String {
        self.text(Hole::Decimal { trace, salt, below })
    }

    pub(crate) fn amount(&mut self, trace: u32, salt: u32, below: u32) -> f64 {
        f64::from_le_bytes(self.marker(Hole::Amount { trace, salt, below }))
    }

    pub(crate) fn counter(&mut self, trace: u32) -> f64 {
        f64::from_le_bytes(self.marker(Hole::Counter { trace }))
    }

    fn text(&mut self, hole: Hole) -> String {
        self.marker(hole).map(char::from).iter().collect()
    }

    fn marker(&mut self, hole: Hole) -> [u8; 8] {
        let number = self.0.len();
        self.0.push(hole);
        let digit = |place: u32| 0x30 + ((number >> (6 * place)) & 0x3f) as u8;
        let [a, b, c, d] = MARKER;
        [a, b, c, d, digit(0), digit(1), digit(2), digit(3)]
    }
}

/// An encoded request, ready to be filled any number of times.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    /// Where, and what.
    holes: Vec<(u32, Hole)>,
    traces: u32,
    records: u32,
}

/// What all holes of one trace share.
#[derive(Clone, Copy)]
struct Trace {
    /// Of the request.
    number: u64,
    seed: u64,
    began: u64,
    /// In 1/256.
    pace: u64,
}

impl Template {
    pub(crate) fn new(bytes: Vec<u8>, holes: &Holes, records: u32) -> Self {
        let mut found = Vec::with_capacity(holes.0.len());
        let mut from = 0;
        while let Some(at) = next_marker(&bytes, from) {
            let number = (0..4).fold(0, |number, place| {
                number | usize::from(bytes[at + 4 + place] - 0x30) << (6 * place)
            });
            found.push((u32::try_from(at).unwrap_or(u32::MAX), holes.0[number]));
            from = at + 8;
        }
        debug_assert_eq!(
            found.len(),
            holes.0.len(),
            "each marker stands once in the encoded request"
        );
        let traces = found.iter().map(|(_, hole)| hole.trace() + 1).max().unwrap_or(0);
        Self {
            bytes,
            holes: found,
            traces,
            records,
        }
    }

    /// Bytes of the request.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Spans, log records or metric points in it.
    #[must_use]
    pub const fn records(&self) -> u32 {
        self.records
    }

    /// Traces in it.
    #[must_use]
    pub const fn traces(&self) -> u32 {
        self.traces
    }

    /// Makes `buffer` the request of this number as of now.
    pub fn fill(&self, buffer: &mut BytesMut, seed: u64, number: u64, now_nanos: u64) {
        buffer.clear();
        buffer.extend_from_slice(&self.bytes);
        let traces: Vec<Trace> = (0..self.traces)
            .map(|trace| Trace::new(number, trace_seed(seed, number, trace), now_nanos))
            .collect();
        for (at, hole) in &self.holes {
            let at = *at as usize;
            hole.fill(&mut buffer[at..], &traces[hole.trace() as usize]);
        }
    }
}

impl Trace {
    fn new(number: u64, seed: u64, now_nanos: u64) -> Self {
        let dice = mix(seed ^ 1);
        // Most traces take about as long as planned; one of 32 takes three times as long.
        let slow = if dice.is_multiple_of(32) { 3 } else { 1 };
        Self {
            number,
            seed,
            began: now_nanos.saturating_sub((dice >> 16) % AGE_NANOS),
            pace: (128 + (dice >> 8) % 256) * slow,
        }
    }
}

impl Hole {
    const fn trace(&self) -> u32 {
        match *self {
            Self::TraceId { trace }
            | Self::SpanId { trace, .. }
            | Self::Time { trace, .. }
            | Self::Hex { trace, .. }
            | Self::Decimal { trace, .. }
            | Self::Amount { trace, .. }
            | Self::Counter { trace } => trace,
        }
    }

    fn fill(&self, into: &mut [u8], trace: &Trace) {
        let salted = |salt: u32| mix(trace.seed ^ (u64::from(salt) << 32));
        match *self {
            Self::TraceId { .. } => into[..16].copy_from_slice(&id_of(trace.seed)),
            Self::SpanId { span, .. } => {
                let id = mix(trace.seed.wrapping_add(u64::from(span) + 1)) | 1;
                into[..8].copy_from_slice(&id.to_be_bytes());
            }
            Self::Time { nanos, .. } => {
                let time = trace.began + ((nanos * trace.pace) >> 8);
                into[..8].copy_from_slice(&time.to_le_bytes());
            }
            Self::Hex { salt, .. } => hex(salted(salt), into),
            Self::Decimal { salt, below, .. } => decimal(salted(salt) % u64::from(below.max(1)), into),
            Self::Amount { salt, below, .. } => {
                let cents = salted(salt) % u64::from(below.max(1));
                into[..8].copy_from_slice(&(cents as f64 / 100.0).to_le_bytes());
            }
            Self::Counter { .. } => into[..8].copy_from_slice(&(trace.number as f64 * 10.0).to_le_bytes()),
        }
    }
}

/// The id of a trace in the request of this number.
#[must_use]
pub fn trace_id(seed: u64, number: u64, trace: u32) -> [u8; 16] {
    id_of(trace_seed(seed, number, trace))
}

const fn trace_seed(seed: u64, number: u64, trace: u32) -> u64 {
    mix(mix(seed ^ mix(number)).wrapping_add(trace as u64))
}

fn id_of(seed: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(seed ^ 2).to_be_bytes());
    id[8..].copy_from_slice(&(mix(seed ^ 3) | 1).to_be_bytes());
    id
}

fn hex(number: u64, into: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in into.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

fn decimal(mut number: u64, into: &mut [u8]) {
    for digit in into[..8].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn next_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let at = bytes[from..]
        .windows(MARKER.len())
        .position(|window| window == MARKER)?;
    Some(from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        let mut holes = Holes::default();
        let mut bytes = b"trace ".to_vec();
        bytes.extend(holes.trace_id(0));
        bytes.extend(b" spans ");
        bytes.extend(holes.span_id(0, 0));
        bytes.extend(holes.span_id(0, 1));
        bytes.extend(holes.span_id(0, 0));
        bytes.extend(holes.time(0, 0).to_le_bytes());
        bytes.extend(holes.time(0, 1_000_000).to_le_bytes());
        bytes.extend(holes.hex(0, 7).bytes());
        bytes.extend(holes.decimal(0, 8, 500).bytes());
        bytes.extend(holes.amount(0, 9, 10_000).to_le_bytes());
        Template::new(bytes, &holes, 2)
    }

    fn filled(number: u64) -> BytesMut {
        let mut buffer = BytesMut::new();
        template().fill(&mut buffer, 1, number, 1_000_000_000);
        buffer
    }

    #[test]
    fn every_hole_is_filled_and_nothing_else_is_touched() {
        let bytes = filled(5);
        assert_eq!(bytes.len(), template().len());
        assert_eq!((&bytes[..6], &bytes[22..29]), (&b"trace "[..], &b" spans "[..]));
        assert_eq!(bytes[6..22], trace_id(1, 5, 0));
        assert_eq!(next_marker(&bytes, 0), None);
        assert_eq!(bytes[29..37], bytes[45..53], "the same span has the same id");
        assert_ne!(bytes[29..37], bytes[37..45]);
        let time = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert!(time(53) <= 1_000_000_000 && time(61) > time(53));
        assert!(bytes[69..85].iter().all(u8::is_ascii_hexdigit));
        let decimal: u32 = std::str::from_utf8(&bytes[85..93]).unwrap().parse().unwrap();
        assert!(decimal < 500);
        let amount = f64::from_le_bytes(bytes[93..101].try_into().unwrap());
        assert!((0.0..100.0).contains(&amount));
    }

    #[test]
    fn numbers_differ_and_repeat() {
        assert_eq!(filled(5), filled(5));
        assert_ne!(filled(5)[6..22], filled(6)[6..22]);
    }
}
