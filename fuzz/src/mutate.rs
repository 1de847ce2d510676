//! Mutations, the same for the same seed.

/// Pieces that mean something to one decoder or another.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\u0000",
    b"null",
    b"[]",
    b"{}",
    b"-1",
    b"1e400",
    b"18446744073709551615",
    b"9223372036854775807",
    b"4294967295",
    b"0-",
    b",1",
    b"1-18446744073709551615",
    b"..",
    b"/",
    b"%2F",
    b"%",
    b"\0",
    b"\n",
    b"\xff\xfe",
    b"\xf0\x9f\x9b\x9f",
    b"9999-12-31T23:59:60Z",
    b"-9999-01-01T00:00:00Z",
    b"\x28\xb5\x2f\xfd",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x80",
    b"LIFEBOAT",
];

/// Draws mutations of seeds.
#[derive(Clone, Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    /// One of the seeds, with a few bytes changed, cut out, doubled, or put in from
    /// another.
    pub fn mutation_of(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(17)).min(bytes.len());
            match self.below(8) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.insert(at, self.draw() as u8),
                2 => bytes.truncate(end.max(at)),
                3 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                4 => {
                    let word = WORDS[self.below(WORDS.len())];
                    let end = if self.draw() & 1 == 0 { at } else { end };
                    bytes.splice(at..end, word.iter().copied());
                }
                5 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    let piece = &other[from..(from + self.below(65)).min(other.len())];
                    bytes.splice(at..end, piece.iter().copied());
                }
                6 => {
                    let edge = [0, 1, 0x7f, 0x80, 0xff, b'9', b'-', self.draw() as u8];
                    let edge = edge[self.below(edge.len())];
                    bytes[at..end].fill(edge);
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes
    }
}
