//! BLAKE3 in the three forms the format uses: digests of objects, keyed hashes
//! of blocks, and the digest of a whole image.

use std::fmt;

use crate::hex;

/// BLAKE3 of some bytes: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// How many bytes a digest has.
    pub const LEN: usize = 32;

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of the concatenation of `parts`.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// A digest read from somewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

hex::text_form!(Digest, 32);

/// Computes the digest of bytes that come one after the other.
#[derive(Clone, Debug, Default)]
pub struct StreamDigester(blake3::Hasher);

impl StreamDigester {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// The secret of a repository's block hashes: without it nobody can tell from
/// a hash whether a database holds a page with known content.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// A key drawn at random, or read from where it is kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// The keyed BLAKE3 of one block, cut to 16 bytes; all zeros stands for a block
/// that is absent (the lock page) or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct BlockHash(pub [u8; 16]);

impl BlockHash {
    /// How many bytes a block hash has.
    pub const LEN: usize = 16;
    /// Stands for a block that is not there, or whose content is not known.
    pub const ABSENT: Self = Self([0; 16]);

    /// The hash of one whole block.
    pub fn of(key: &HashKey, block: &[u8]) -> Self {
        Self(keyed(key, block))
    }

    /// Whether this stands for a block that is not there or not known.
    pub fn is_absent(self) -> bool {
        self == Self::ABSENT
    }
}

/// The keyed BLAKE3 of all bytes of one group, cut to 16 bytes. It only ever
/// saves the hashing of single blocks, and is stored in caches alone; all zeros
/// stands for a group whose bytes were never hashed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GroupHash(pub [u8; 16]);

impl GroupHash {
    /// Stands for a group that was never hashed as one.
    pub const UNKNOWN: Self = Self([0; 16]);

    /// The hash of the bytes of one group.
    pub fn of(key: &HashKey, group: &[u8]) -> Self {
        Self(keyed(key, group))
    }
}

fn keyed(key: &HashKey, bytes: &[u8]) -> [u8; 16] {
    let full = blake3::keyed_hash(&key.0, bytes);
    let mut cut = [0; 16];
    cut.copy_from_slice(&full.as_bytes()[..16]);
    cut
}

/// Computes the digest of an image from its block hashes, in order.
///
/// The digest is BLAKE3, in its key derivation mode with the context
/// [`IMAGE_CONTEXT`], of the 16-byte hashes of all blocks, absent ones as
/// zeros. BLAKE3 is a tree over chunks of 1,024 bytes, so this is a tree over
/// groups of 64 block hashes.
#[derive(Clone, Debug)]
pub struct ImageDigester {
    hasher: blake3::Hasher,
}

/// The BLAKE3 key derivation context of image digests.
pub const IMAGE_CONTEXT: &str = "lifeboat 2026 image digest v1";

impl Default for ImageDigester {
    fn default() -> Self {
        Self { hasher: blake3::Hasher::new_derive_key(IMAGE_CONTEXT) }
    }
}

impl ImageDigester {
    /// Adds the hash of the next block.
    pub fn push(&mut self, hash: BlockHash) {
        self.hasher.update(&hash.0);
    }

    /// The digest of all blocks pushed.
    pub fn finish(&self) -> Digest {
        Digest(*self.hasher.finalize().as_bytes())
    }
}
