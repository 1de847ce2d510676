//! A damaged pack put together from what is left of it, byte for byte.
//!
//! Header, seal, trailer and block hashes say nothing that does not follow from the
//! rest and from what the pack list says. Frames and index do.

use crate::digest::{BlockHash, Digest, HashKey};
use crate::list::PackEntry;
use crate::object::{ObjectKind, SEALED_HEADER_LEN, header_len, preamble};
use crate::seal::{Home, SEAL_LEN, SealHeader, TAG_LEN};

use super::TRAILER_LEN;
use super::frame::FRAME_ROW_LEN;
use super::index::{HASHES_PART, INDEX_HEADER_LEN, PackIndex, RUN_ROW_LEN, Trailer};

/// So many bytes are hashed at most to find where an index begins: a second or two.
const MOST_WORK: usize = 1 << 30;

/// The bytes that a pack had, if they follow from those that it has now. Proven as
/// far as the index goes; frames are proven by whoever reads them.
pub fn rebuild(bytes: &[u8], entry: &PackEntry, home: &Home<'_>, key: &HashKey) -> Option<Vec<u8>> {
    // What was added behind the end is cut off.
    let mut bytes = bytes.get(..entry.size as usize)?.to_vec();
    let sealed = home.keys.is_some();
    if PackIndex::decode(&bytes, entry, home).is_err() {
        mend_end(&mut bytes, entry, sealed)?;
    }
    let index = PackIndex::decode(&bytes, entry, home).ok()?;
    if index.check_header(&bytes).is_err() {
        let trailer = *index.trailer();
        let mut header = preamble(ObjectKind::Pack).to_vec();
        header[8..12].copy_from_slice(&trailer.format());
        header[12..14].copy_from_slice(&(trailer.header_len() as u16).to_le_bytes());
        header.extend(trailer.seal().iter().flat_map(|seal| seal.0));
        bytes[..header.len()].copy_from_slice(&header);
    }
    let range = index.trailer().hashes_range();
    let range = range.start as usize..range.end as usize;
    if index.decode_hashes(&bytes[range.clone()]).is_err() {
        let mut hashes = Vec::with_capacity(range.len());
        let mut blocks = Vec::new();
        for (number, frame) in index.frames().iter().enumerate() {
            let at = frame.offset as usize;
            let stored = &bytes[at..at + frame.stored_len as usize];
            index.decode_frame(number, stored, &mut blocks).ok()?;
            let blocks = blocks.chunks_exact(index.block_size() as usize);
            hashes.extend(blocks.flat_map(|block| BlockHash::of(key, block).0));
        }
        if let Some(cipher) = index.cipher() {
            cipher.seal(HASHES_PART, &mut hashes);
        }
        index.decode_hashes(&hashes).ok()?;
        bytes[range].copy_from_slice(&hashes);
    }
    Some(bytes)
}

/// Makes the end of a pack anew: the seal, of which the header has another copy, and
/// the trailer, of which only the length of the index has to be found out.
fn mend_end(bytes: &mut [u8], entry: &PackEntry, sealed: bool) -> Option<()> {
    let (seal_len, tag_len) = if sealed { (SEAL_LEN, TAG_LEN) } else { (0, 0) };
    let header_len = header_len(sealed);
    let end = bytes.len().checked_sub(TRAILER_LEN + seal_len)?;
    let seals: Vec<Option<SealHeader>> = if sealed {
        let first = bytes.get(SEALED_HEADER_LEN - SEAL_LEN..SEALED_HEADER_LEN)?;
        let second = bytes.get(end..end + SEAL_LEN)?;
        let seal = |seal: &[u8]| Some(seal.try_into().ok().map(SealHeader));
        [first, second].into_iter().filter_map(seal).collect()
    } else {
        vec![None]
    };
    let blocks = entry.blocks as usize;
    let hashes_len = blocks.checked_mul(BlockHash::LEN)? + tag_len;
    let most = INDEX_HEADER_LEN + blocks * (FRAME_ROW_LEN + RUN_ROW_LEN) + tag_len;
    let least = INDEX_HEADER_LEN + FRAME_ROW_LEN + RUN_ROW_LEN + tag_len;
    let mut work = 0;
    for index_len in (least..=most).step_by(RUN_ROW_LEN) {
        let Some(start) = end.checked_sub(index_len) else { break };
        let Some(frames_len) = start.checked_sub(header_len + hashes_len) else { break };
        // In the open, an index begins with the id of its pack.
        if !sealed && bytes[start..start + 16] != *entry.pack.as_bytes() {
            continue;
        }
        for seal in &seals {
            work += index_len;
            if work > MOST_WORK {
                return None;
            }
            let trailer = Trailer::new(frames_len, hashes_len, index_len, *seal).encode();
            let mut tail = bytes[start..end].to_vec();
            tail.extend(seal.iter().flat_map(|seal| seal.0));
            tail.extend(trailer);
            if Digest::of(&tail) == entry.index_digest {
                bytes[start..].copy_from_slice(&tail);
                return Some(());
            }
        }
    }
    None
}
