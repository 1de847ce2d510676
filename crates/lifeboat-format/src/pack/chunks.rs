//! The bytes of a pack that grows, in pieces of one size.
//!
//! A pack in one piece of 8 MiB is memory that an allocator finds no second use
//! for as soon as the next pack is a little longer. Pieces of one size fit each
//! other's place.

use super::CHUNK_LEN;

/// Where empty buffers come from.
pub(super) type Supply = Box<dyn FnMut() -> Vec<u8> + Send>;

/// Bytes in pieces, all of them full but the last.
pub(super) struct Chunks {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
    len: usize,
    supply: Supply,
}

impl Chunks {
    pub(super) fn new(supply: Supply) -> Self {
        Self { full: Vec::new(), last: Vec::new(), len: 0, supply }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn extend_from_slice(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            if self.last.capacity() == 0 {
                self.last = (self.supply)();
                self.last.clear();
                self.last.reserve_exact(CHUNK_LEN);
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_LEN - self.last.len()));
            self.last.extend_from_slice(now);
            bytes = later;
            if self.last.len() == CHUNK_LEN {
                self.full.push(std::mem::take(&mut self.last));
            }
        }
    }

    /// The pieces, in order.
    pub(super) fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.last.is_empty() {
            self.full.push(self.last);
        }
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_size_in_order() {
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let mut chunks = Chunks::new(Box::new(|| vec![7; 3]));
            bytes.chunks(100_000).for_each(|part| chunks.extend_from_slice(part));
            assert_eq!(chunks.len(), len);
            let pieces = chunks.finish();
            assert!(pieces.concat() == bytes, "{len}");
            assert_eq!(pieces.len(), len.div_ceil(CHUNK_LEN));
            assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() == CHUNK_LEN));
        }
    }
}
