//! Packs, segments and archives: what holds pages.

use std::io::{self, Write};

use lifeboat_format::archive::{ArchiveDecoder, ArchiveEncoding, read_head};
use lifeboat_format::digest::Digest;
use lifeboat_format::id::{EpochId, PackId, Suffix};
use lifeboat_format::list::PackEntry;
use lifeboat_format::log::{Segment, SegmentNo, SegmentTrailer};
use lifeboat_format::object::{ObjectKind, preamble};
use lifeboat_format::pack::{PackIndex, Trailer};

use super::{hash_key, home};

/// The most bytes that a frame gives.
const MAX_FRAME: usize = 256 * 1024;

fn four(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

fn sixteen(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut id = [0; 16];
    if let Some(found) = bytes.get(at..at + 16) {
        id.copy_from_slice(found);
    }
    id
}

/// A pack whose list says of it what it says of itself.
pub(super) fn pack(bytes: &[u8]) -> bool {
    let Ok(trailer) = Trailer::decode(bytes, bytes.len() as u64) else {
        return false;
    };
    let Some(start) = bytes.len().checked_sub(trailer.tail_len() as usize) else {
        return false;
    };
    let entry = PackEntry {
        pack: PackId::from_bytes(sixteen(bytes, start)),
        suffix: Suffix::from_bytes([2; 4]),
        size: bytes.len() as u32,
        blocks: four(bytes, start + 20),
        index_digest: Digest::of(&bytes[start..]),
    };
    let whole = PackIndex::decode(bytes, &entry, &home());
    let end = bytes.len() as u32;
    let told = PackIndex::entry_of(bytes, end, (entry.pack, entry.suffix), &home());
    assert_eq!(whole.is_ok(), told.is_ok(), "both read the same index");
    let Ok(index) = whole else {
        return false;
    };
    assert_eq!(told.expect("was just compared"), entry);
    assert!(index.blocks().take(70_000).is_sorted_by(|a, b| a < b));
    assert_eq!(index.blocks().count(), index.block_count() as usize);
    let _ = index.check_header(bytes);
    let mut out = Vec::new();
    for (number, frame) in index.frames().iter().enumerate() {
        let end = (frame.offset + frame.stored_len) as usize;
        assert!(end <= start, "a frame lies before the block hashes");
        let stored = &bytes[frame.offset as usize..end];
        let is_whole = index.decode_frame(number, stored, &mut out).is_ok();
        assert!(out.len() <= MAX_FRAME);
        assert!(!is_whole || out.len() == (frame.blocks * index.block_size()) as usize);
    }
    let hashes = index.trailer().hashes_range();
    let _ = index.decode_hashes(&bytes[hashes.start as usize..hashes.end as usize]);
    true
}

/// One frame, in a pack made around it: the first two bytes say how many blocks it
/// claims, and how it claims to be stored.
pub(super) fn frame(bytes: &[u8]) -> bool {
    let Some((&[blocks, encoding], stored)) = bytes.split_first_chunk::<2>() else {
        return false;
    };
    let blocks = u32::from(blocks % 64) + 1;
    let mut pack = preamble(ObjectKind::Pack).to_vec();
    pack.extend_from_slice(stored);
    let hashes = vec![7; 16 * blocks as usize];
    pack.extend_from_slice(&hashes);
    let start = pack.len();
    pack.extend_from_slice(&[1; 16]);
    for field in [4096, blocks, 1, 1] {
        pack.extend_from_slice(&field.to_le_bytes());
    }
    pack.extend_from_slice(Digest::of(&hashes).as_bytes());
    pack.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    pack.extend_from_slice(&(blocks as u16).to_le_bytes());
    pack.extend_from_slice(&[encoding % 2, 0]);
    pack.extend_from_slice(&Digest::of(stored).as_bytes()[..16]);
    for field in [0, blocks] {
        pack.extend_from_slice(&field.to_le_bytes());
    }
    let index_len = (pack.len() - start) as u32;
    for field in [16, stored.len() as u32, hashes.len() as u32, index_len] {
        pack.extend_from_slice(&field.to_le_bytes());
    }
    pack.extend_from_slice(b"P\x01\x01\x00\0\0\0\0TAOBEFIL");
    let entry = PackEntry {
        pack: PackId::from_bytes([1; 16]),
        suffix: Suffix::from_bytes([2; 4]),
        size: pack.len() as u32,
        blocks,
        index_digest: Digest::of(&pack[start..]),
    };
    let Ok(index) = PackIndex::decode(&pack, &entry, &home()) else {
        return false;
    };
    let mut out = Vec::new();
    let is_whole = index.decode_frame(0, stored, &mut out).is_ok();
    assert!(out.len() <= MAX_FRAME, "{} bytes out of {}", out.len(), stored.len());
    assert!(!is_whole || out.len() == blocks as usize * 4096);
    is_whole
}

/// A damaged pack, put together again: exactly what its list proves, or nothing.
pub(super) fn rebuild(bytes: &[u8]) -> bool {
    let Some((four, bytes)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    // The pack is good; damage is done to it where the first bytes say.
    let good = bytes.to_vec();
    let Ok(trailer) = Trailer::decode(&good, good.len() as u64) else {
        return false;
    };
    let Some(start) = good.len().checked_sub(trailer.tail_len() as usize) else {
        return false;
    };
    let entry = PackEntry {
        pack: PackId::from_bytes(sixteen(&good, start)),
        suffix: Suffix::from_bytes([2; 4]),
        size: good.len() as u32,
        blocks: self::four(&good, start + 20),
        index_digest: Digest::of(&good[start..]),
    };
    if PackIndex::decode(&good, &entry, &home()).is_err() {
        return false;
    }
    let mut bad = good.clone();
    let at = u32::from_le_bytes(*four) as usize % bad.len();
    let end = (at + 1 + four[3] as usize).min(bad.len());
    bad[at..end].iter_mut().for_each(|byte| *byte ^= four[0] | 1);
    let Some(mended) = lifeboat_format::pack::rebuild(&bad, &entry, &home(), &hash_key()) else {
        return false;
    };
    assert_eq!(mended.len(), good.len());
    assert!(PackIndex::decode(&mended, &entry, &home()).is_ok(), "proven by its list");
    true
}

/// A segment of the commit log, with the digest of its index made right.
pub(super) fn segment(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    let Some(trailer) = bytes.len().checked_sub(64) else {
        return false;
    };
    let index_len = four(&bytes, trailer + 8) as usize;
    let Some(start) = trailer.checked_sub(index_len) else {
        return false;
    };
    let digest = Digest::of(&bytes[start..trailer]);
    bytes[trailer + 24..trailer + 56].copy_from_slice(digest.as_bytes());
    let len = bytes.len() as u64;
    if SegmentTrailer::decode(&bytes, len).is_err() {
        return false;
    }
    let epoch = EpochId::from_bytes(sixteen(&bytes, start));
    let mut number = [0; 8];
    if let Some(found) = bytes.get(start + 16..start + 24) {
        number.copy_from_slice(found);
    }
    let place = (epoch, SegmentNo(u64::from_le_bytes(number)));
    let Ok(segment) = Segment::decode(&bytes, len, place, &home()) else {
        return false;
    };
    let pages = segment.pages().len() as u32;
    assert!(segment.commits().iter().all(|commit| commit.pages.end <= pages));
    assert!(segment.commits().is_sorted_by(|a, b| {
        a.number < b.number && a.pages.end == b.pages.start && a.seen_at <= b.seen_at
    }));
    assert!(segment.observed_until() >= segment.head().observed_from);
    let _ = (segment.next_commit(), segment.follows(&segment).is_err());
    let mut out = Vec::new();
    for (number, frame) in segment.frames().iter().enumerate() {
        let end = (frame.offset + frame.stored_len) as usize;
        assert!(end <= start, "a frame lies before the index");
        let stored = &bytes[frame.offset as usize..end];
        let _ = segment.decode_frame(number, stored, &mut out);
        assert!(out.len() <= MAX_FRAME);
    }
    true
}

/// Takes so many bytes and no more, as a full disk does.
struct Bounded(usize);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive that is one zstd stream, in pieces of a size that the first byte says.
pub(super) fn archive(bytes: &[u8]) -> bool {
    let Some((&piece, stream)) = bytes.split_first() else {
        return false;
    };
    let out = Bounded(4 << 20);
    let decoder = ArchiveDecoder::new(out, ArchiveEncoding::Zstd, None);
    let mut decoder = decoder.expect("a decoder needs nothing");
    for piece in stream.chunks(usize::from(piece) * 16 + 1) {
        if decoder.push(piece).is_err() {
            return false;
        }
    }
    decoder.finish().is_ok()
}

/// The beginning of a sealed archive, with its digest made right.
pub(super) fn archive_head(json: &[u8]) -> bool {
    let mut bytes = preamble(ObjectKind::Archive).to_vec();
    bytes[11] = 1;
    bytes[12..14].copy_from_slice(&96_u16.to_le_bytes());
    bytes.resize(96, 7);
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    bytes.extend_from_slice(json);
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    let whole = read_head(&bytes);
    if let Ok(Some(head)) = &whole {
        assert_eq!((head.len, head.digest), (bytes.len(), digest));
        assert!(matches!(read_head(&bytes[..bytes.len() - 1]), Ok(None)), "wants the rest");
    }
    // The same bytes as a file that somebody hands over.
    let _ = read_head(json);
    matches!(whole, Ok(Some(_)))
}
