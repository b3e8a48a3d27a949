//! Parquet's delta encodings: of whole numbers, and of texts as their lengths and then their bytes.

use super::Damaged;
use super::hybrid::{read_varint, take, unzigzag, varint, zigzag};

/// Numbers of a block, and of each of the parts that have a width of their own.
const BLOCK: usize = 128;
const PART: usize = 32;
/// Numbers of a page that are believed in; pages hold far fewer.
const COUNT_MAX: usize = 1 << 26;

/// Appends `values` as differences from the one before.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint((BLOCK / PART) as u64, out);
    varint(values.len() as u64, out);
    varint(zigzag(values.first().copied().unwrap_or(0)), out);
    let mut deltas = [0_i64; BLOCK];
    for begin in (1..values.len()).step_by(BLOCK) {
        let block = &values[begin - 1..values.len().min(begin + BLOCK)];
        let count = block.len() - 1;
        for (delta, pair) in deltas.iter_mut().zip(block.windows(2)) {
            *delta = pair[1].wrapping_sub(pair[0]);
        }
        encode_block(&deltas[..count], out);
    }
}

fn encode_block(deltas: &[i64], out: &mut Vec<u8>) {
    let least = deltas.iter().copied().min().unwrap_or(0);
    varint(zigzag(least), out);
    let over = |delta: &i64| delta.wrapping_sub(least).cast_unsigned();
    let widths = out.len();
    out.resize(widths + BLOCK / PART, 0);
    for (n, part) in deltas.chunks(PART).enumerate() {
        let all = part.iter().map(over).fold(0, |all, value| all | value);
        let bits = 64 - all.leading_zeros();
        out[widths + n] = bits as u8;
        pack(part.iter().map(over), bits, out);
    }
}

fn pack(values: impl Iterator<Item = u64>, bits: u32, out: &mut Vec<u8>) {
    let end = out.len() + PART * bits as usize / 8;
    let (mut held, mut filled) = (0_u128, 0);
    for value in values {
        held |= u128::from(value) << filled;
        filled += bits;
        if filled >= 64 {
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= 64;
            filled -= 64;
        }
    }
    let rest = filled.div_ceil(8) as usize;
    out.extend_from_slice(&(held as u64).to_le_bytes()[..rest]);
    out.resize(end, 0);
}

/// Reads all numbers of a page and appends them.
pub(super) fn decode(bytes: &mut &[u8], out: &mut Vec<i64>) -> Result<(), Damaged> {
    let block = read_varint(bytes)? as usize;
    let parts = read_varint(bytes)? as usize;
    let count = read_varint(bytes)? as usize;
    let mut value = unzigzag(read_varint(bytes)?);
    if block != BLOCK || parts != BLOCK / PART || count > COUNT_MAX {
        return Err(Damaged("its numbers are packed in an unknown way"));
    }
    if count == 0 {
        return Ok(());
    }
    let end = out.len() + count;
    out.push(value);
    while out.len() < end {
        let least = unzigzag(read_varint(bytes)?);
        let widths = take(bytes, BLOCK / PART)?;
        for width in widths {
            let wanted = PART.min(end - out.len());
            if wanted == 0 {
                break;
            }
            let bits = u32::from(*width);
            if bits > 64 {
                return Err(Damaged("a number is wider than it may be"));
            }
            let packed = take(bytes, PART * bits as usize / 8)?;
            unpack(packed, bits, wanted, |over| {
                value = value.wrapping_add(least).wrapping_add(over.cast_signed());
                out.push(value);
            });
        }
    }
    Ok(())
}

fn unpack(packed: &[u8], bits: u32, count: usize, mut each: impl FnMut(u64)) {
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut words = packed.chunks(8);
    let (mut held, mut filled) = (0_u128, 0);
    for _ in 0..count {
        if filled < bits {
            let mut word = [0; 8];
            let next = words.next().unwrap_or_default();
            word[..next.len()].copy_from_slice(next);
            held |= u128::from(u64::from_le_bytes(word)) << filled;
            filled += 64;
        }
        each(held as u64 & mask);
        held >>= bits;
        filled -= bits;
    }
}

/// Appends texts: their lengths, then their bytes behind each other.
pub(super) fn encode_texts(lengths: &[i64], bytes: &[u8], out: &mut Vec<u8>) {
    encode(lengths, out);
    out.extend_from_slice(bytes);
}

/// Reads the lengths of texts; their bytes are what is left of `bytes`.
pub(super) fn decode_texts(bytes: &mut &[u8], lengths: &mut Vec<i64>) -> Result<(), Damaged> {
    let before = lengths.len();
    decode(bytes, lengths)?;
    let mut left = bytes.len() as i64;
    for length in &lengths[before..] {
        left -= length;
        if *length < 0 || left < 0 {
            return Err(Damaged("a text is longer than its page"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_out_as_they_went_in(
            wide in prop::collection::vec(any::<i64>(), 0..300),
            near in prop::collection::vec(1_000_000_i64..1_000_100, 0..300),
        ) {
            for values in [wide, near] {
                let mut bytes = Vec::new();
                encode(&values, &mut bytes);
                let (mut read, mut rest) = (Vec::new(), &bytes[..]);
                decode(&mut rest, &mut read).unwrap();
                prop_assert_eq!((read, rest.len()), (values, 0));
            }
        }

        #[test]
        fn noise_is_refused_or_read_but_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&mut &bytes[..], &mut Vec::new());
            let framed = [&[0x80, 1, 4, 200, 1, 0][..], &bytes].concat();
            let _ = decode_texts(&mut &framed[..], &mut Vec::new());
        }
    }

    #[test]
    fn equal_steps_cost_nothing() {
        let mut bytes = Vec::new();
        encode(&(0..1_281).collect::<Vec<_>>(), &mut bytes);
        assert!(bytes.len() < 64, "{}", bytes.len());
    }
}
