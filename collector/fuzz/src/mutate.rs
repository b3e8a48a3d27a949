//! Ways to damage an input.

/// Numbers at which programs like to go wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];
/// Changes made at once, at most.
const CHANGES: u64 = 6;

pub(crate) struct Mutator<'a> {
    state: u64,
    words: &'a [&'a [u8]],
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(seed: u64, words: &'a [&'a [u8]]) -> Self {
        Self { state: seed, words }
    }

    /// A damaged copy of one of the pool.
    pub(crate) fn change(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(pool).clone();
        for _ in 0..=self.below(CHANGES) {
            self.once(&mut input, pool);
        }
        input
    }

    fn once(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.at(input.len());
        match self.below(11) {
            0 => flip(input, at, self.below(8)),
            1 => overwrite(input, at, &[self.below(256) as u8]),
            2 => overwrite(input, at, &self.edge()),
            3 => insert(input, at, &self.edge()),
            4 => input.truncate(at),
            5 => {
                let end = self.end(at, input.len());
                input.drain(at..end);
            }
            6 => {
                let piece = self.piece(input);
                insert(input, at, &piece);
            }
            7 => {
                let piece = self.piece(input);
                overwrite(input, at, &piece);
            }
            8 => {
                let other = self.pick(pool).clone();
                let piece = self.piece(&other);
                insert(input, at, &piece);
            }
            9 => {
                let other = self.pick(pool);
                input.truncate(at);
                input.extend_from_slice(&other[at.min(other.len())..]);
            }
            _ => {
                let byte = [self.below(256) as u8];
                let word = if self.words.is_empty() {
                    &byte
                } else {
                    *self.pick(self.words)
                };
                insert(input, at, word);
            }
        }
    }

    /// An edge as one byte, as a fixed number of either order, as a varint, or in digits.
    fn edge(&mut self) -> Vec<u8> {
        let number = *self.pick(&EDGES);
        let width = 1 << self.below(4);
        match self.below(4) {
            0 => number.to_le_bytes()[..width].to_vec(),
            1 => number.to_be_bytes()[8 - width..].to_vec(),
            2 => varint(number),
            _ => number.to_string().into_bytes(),
        }
    }

    fn piece(&mut self, of: &[u8]) -> Vec<u8> {
        let from = self.at(of.len());
        let end = self.end(from, of.len());
        of[from..end].to_vec()
    }

    fn at(&mut self, length: usize) -> usize {
        self.below(length as u64 + 1) as usize
    }

    /// Short pieces more often than long ones.
    fn end(&mut self, from: usize, length: usize) -> usize {
        let most = 1_u64 << self.below(12);
        (from + 1 + self.below(most) as usize).min(length).max(from)
    }

    fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len() as u64) as usize]
    }

    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

fn flip(input: &mut [u8], at: usize, bit: u64) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn overwrite(input: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in input[at..].iter_mut().zip(with) {
        *byte = *new;
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_work_on_anything_and_do_change() {
        let mut mutator = Mutator::new(3, &[b"word"]);
        // Empty and short inputs have little to lose; they must not be a reason to panic.
        let small = [Vec::new(), b"a".to_vec()];
        (0..10_000).for_each(|_| drop(mutator.change(&small)));
        let large = [(0..200).collect::<Vec<u8>>()];
        let changed = (0..10_000).filter(|_| mutator.change(&large) != large[0]).count();
        assert!(changed > 9_000, "{changed}");
    }

    #[test]
    fn varints_are_those_of_protobuf() {
        assert_eq!(varint(1), [1]);
        assert_eq!(varint(300), [0xac, 0x02]);
        assert_eq!(varint(u64::MAX).len(), 10);
    }
}
