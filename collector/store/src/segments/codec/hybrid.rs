//! Parquet's run-length and bit-packed hybrid: levels, and places in a dictionary.

use super::Damaged;

/// Appends `values`, each `bits` wide.
pub(super) fn encode(values: &[u32], bits: u32, out: &mut Vec<u8>) {
    let mut literal = 0;
    let mut at = 0;
    while at < values.len() {
        let run = run_at(values, at);
        // Literals go in eights; a run gives what the last eight lack.
        let lacking = (8 - (at - literal) % 8) % 8;
        if run >= lacking + 8 {
            pack(&values[literal..at + lacking], bits, out);
            repeat(values[at], run - lacking, bits, out);
            literal = at + run;
        }
        at += run;
    }
    pack(&values[literal..], bits, out);
}

/// Appends `values` without a look for runs: for what is compressed afterwards.
pub(super) fn encode_literally(values: &[u32], bits: u32, out: &mut Vec<u8>) {
    pack(values, bits, out);
}

/// Appends the same value `count` times.
pub(super) fn repeat(value: u32, count: usize, bits: u32, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    let width = bits.div_ceil(8) as usize;
    out.extend_from_slice(&value.to_le_bytes()[..width]);
}

fn run_at(values: &[u32], at: usize) -> usize {
    let first = values[at];
    values[at..].iter().take_while(|value| **value == first).count()
}

fn pack(values: &[u32], bits: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let eights = values.len().div_ceil(8);
    varint((eights as u64) << 1 | 1, out);
    let end = out.len() + eights * bits as usize;
    match bits {
        8 => out.extend(values.iter().map(|value| *value as u8)),
        16 => values
            .iter()
            .for_each(|value| out.extend_from_slice(&(*value as u16).to_le_bytes())),
        _ => pack_bits(values, bits, out),
    }
    out.resize(end, 0);
}

fn pack_bits(values: &[u32], bits: u32, out: &mut Vec<u8>) {
    let (mut held, mut filled) = (0_u64, 0);
    for value in values {
        held |= u64::from(*value) << filled;
        filled += bits;
        while filled >= 8 {
            out.push(held as u8);
            held >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(held as u8);
    }
}

const WRONG_RUN: Damaged = Damaged("a run is not as long as its values");

/// Reads `count` values, each `bits` wide, and appends them.
pub(super) fn decode(bytes: &mut &[u8], bits: u32, count: usize, out: &mut Vec<u32>) -> Result<(), Damaged> {
    if bits > 32 {
        return Err(Damaged("a number is wider than it may be"));
    }
    let end = out.len() + count;
    while out.len() < end {
        let header = read_varint(bytes)?;
        let left = end - out.len();
        if header & 1 == 0 {
            let run = usize::try_from(header >> 1).unwrap_or(usize::MAX);
            let value = read_value(take(bytes, bits.div_ceil(8) as usize)?);
            if run == 0 || run > left {
                return Err(WRONG_RUN);
            }
            out.resize(out.len() + run, value);
        } else {
            let eights = usize::try_from(header >> 1).unwrap_or(usize::MAX);
            let packed = take(bytes, eights.saturating_mul(bits as usize))?;
            let values = eights.saturating_mul(8).min(left);
            if values == 0 || eights > left.div_ceil(8) {
                return Err(WRONG_RUN);
            }
            unpack(packed, bits, values, out);
            no_surplus(packed, bits, values)?;
        }
    }
    Ok(())
}

/// What fills up the last eight is zero: a value that is not would be one that nobody counted.
fn no_surplus(packed: &[u8], bits: u32, count: usize) -> Result<(), Damaged> {
    let used = count % 8;
    if bits == 0 || used == 0 {
        return Ok(());
    }
    let mut eight = Vec::with_capacity(8);
    unpack(&packed[count / 8 * bits as usize..], bits, 8, &mut eight);
    if eight[used..].iter().any(|value| *value != 0) {
        return Err(WRONG_RUN);
    }
    Ok(())
}

fn unpack(packed: &[u8], bits: u32, count: usize, out: &mut Vec<u32>) {
    match bits {
        0 => out.resize(out.len() + count, 0),
        8 => out.extend(packed[..count].iter().map(|byte| u32::from(*byte))),
        16 => {
            let (pairs, _) = packed.as_chunks::<2>();
            out.extend(pairs[..count].iter().map(|pair| u32::from(u16::from_le_bytes(*pair))));
        }
        _ => {
            let mask = (1_u64 << bits) - 1;
            let mut bytes = packed.iter();
            let (mut held, mut filled) = (0_u64, 0);
            for _ in 0..count {
                while filled < bits {
                    held |= u64::from(*bytes.next().unwrap_or(&0)) << filled;
                    filled += 8;
                }
                out.push((held & mask) as u32);
                held >>= bits;
                filled -= bits;
            }
        }
    }
}

fn read_value(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Takes `count` bytes off the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Damaged> {
    let (head, rest) = bytes.split_at_checked(count).ok_or(Damaged("it ends too early"))?;
    *bytes = rest;
    Ok(head)
}

/// Appends a number in as few groups of seven bits as it needs.
pub(super) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes such a number off the front.
pub(in crate::segments) fn read_varint(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Damaged("a number never ends"))
}

/// A signed number so that small ones stay small.
pub(super) const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The signed number again.
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_out_as_they_went_in(
            runs in prop::collection::vec((0_u32..200, 1_usize..40), 0..40),
            bits in prop::sample::select(vec![8, 16, 24, 32]),
            literally in any::<bool>(),
        ) {
            let values: Vec<u32> = runs.iter().flat_map(|(value, count)| vec![*value; *count]).collect();
            let mut bytes = Vec::new();
            if literally { encode_literally(&values, bits, &mut bytes) } else { encode(&values, bits, &mut bytes) }
            let mut read = Vec::new();
            decode(&mut &bytes[..], bits, values.len(), &mut read).unwrap();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn levels_come_out_as_they_went_in(levels in prop::collection::vec(0_u32..4, 0..200)) {
            let mut bytes = Vec::new();
            encode(&levels, 2, &mut bytes);
            let mut read = Vec::new();
            decode(&mut &bytes[..], 2, levels.len(), &mut read).unwrap();
            prop_assert_eq!(read, levels);
        }

        #[test]
        fn noise_is_refused_or_read_but_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), bits in 0_u32..40) {
            let _ = decode(&mut &bytes[..], bits, 100, &mut Vec::new());
        }

        #[test]
        fn signs_come_back(number in any::<i64>()) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }
    }
}
